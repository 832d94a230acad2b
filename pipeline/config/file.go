package config

import "gopkg.in/yaml.v3"

// pipelineFile is the file.
type pipelineFile struct {
	// Name of the pipeline, in logs, metrics and addresses. The file's own name
	// by default.
	Name string `yaml:"name"`
	// MaxInFlight is how many frames of a source may be in the graph at a time:
	// latency is about this times the slowest stage.
	MaxInFlight int `yaml:"max_in_flight" range:"1.."`
	// Session with a model, short for sessions: {main: …}.
	Session *yaml.Node `yaml:"session"`
	// Sessions by name, where there are several.
	Sessions *yaml.Node `yaml:"sessions"`
	// Sources by name: each is one of the kinds of sources, with its settings.
	Sources *yaml.Node `yaml:"sources"`
	// Stages work on frames, one after the other unless `from` says otherwise.
	Stages *yaml.Node `yaml:"stages"`
	// Sinks send frames and results out of the pipeline.
	Sinks *yaml.Node `yaml:"sinks"`
}

// sessionFile is one session.
type sessionFile struct {
	// Model by its name, such as reactor/x2. One of model, url and sim.
	Model string `yaml:"model"`
	// URL of a local runtime.
	URL string `yaml:"url"`
	// Sim is a model simulated in this process.
	Sim *Sim `yaml:"sim"`
	// APIKey is the key for the cloud, by default that of REACTOR_API_KEY.
	APIKey string `yaml:"api_key"`
	// Token that was made from a key, by default that of REACTOR_JWT. It goes
	// before a key.
	Token string `yaml:"token"`
	// Start are commands for the begin of a session that we made: also of one
	// that takes another's place, not after a reconnect.
	Start []startFile `yaml:"start"`
	// Stop are commands for its end, before it is ended or left.
	Stop []startFile `yaml:"stop"`
	// OnStall are commands for when the picture stands still: no source of the
	// session has yielded one for stall_after. They are sent once for each time.
	OnStall []startFile `yaml:"on_stall"`
	// StallAfter is how long no picture comes before on_stall.
	StallAfter Duration `yaml:"stall_after"`
	// OnExit says what becomes of the session when the program ends. One that is
	// adopted is always left.
	OnExit string `yaml:"on_exit" oneof:"end,leave"`
	// Wait is how long a server that is not there, or busy, is tried again.
	Wait Duration `yaml:"wait"`
	// Limit is how long a session may last. With a key the server is asked to end
	// it then; without this the cloud's own limit of 20m is reckoned with, and
	// none for a local runtime.
	Limit Duration `yaml:"limit"`
	// Renew lets a new session take the place of one that nears its limit, was
	// ended by the server, or was lost for good; {} is with the defaults. Without
	// it the run ends with the session.
	Renew *Renew `yaml:"renew"`
	// Adopt joins a session that somebody else made, and never ends it.
	Adopt *Adopt `yaml:"adopt"`
	// Budget bounds how many sessions are made: 30 an hour in the cloud, without
	// bound elsewhere, unless it is said.
	Budget *Budget `yaml:"budget"`
	// Commands bounds and records what goes to the model.
	Commands Commands `yaml:"commands"`
	// ICEServers are URLs of STUN and TURN servers in place of the session's own,
	// those of TURN with their user and password:
	// turns:user:password@host:443?transport=tcp. What is special in a URL is
	// written as %40 and the like.
	ICEServers []string `yaml:"ice_servers"`
}

// newSessionFile has the defaults.
func newSessionFile() sessionFile {
	return sessionFile{
		OnExit: "end", Wait: Duration(defaultWait), StallAfter: Duration(defaultStall),
		Commands: Commands{
			Burst: defaultBurst, Effect: Effect{Within: Duration(defaultEffect)},
			Cycle: Cycle{Repeats: defaultRepeats, Within: Duration(defaultWithin), Pause: Duration(defaultPause)},
		},
	}
}

// startFile is one command of `start`, `stop` or `on_stall`.
type startFile struct {
	// Command by its name.
	Command string `yaml:"command"`
	// Data are its arguments, constants only.
	Data *yaml.Node `yaml:"data"`
	// Wait is the type of a message to wait for.
	Wait string `yaml:"wait"`
}

// sourceFile is what sources have in common. Their other keys are their kinds'.
type sourceFile struct {
	// Session that the source belongs to, where there are several.
	Session string `yaml:"session"`
}

// nodeFile is what stages and sinks have in common.
type nodeFile struct {
	// Name, unique in the file.
	Name string `yaml:"name"`
	// Type is the kind of the node.
	Type string `yaml:"type"`
	// From is the node whose frames come in: for a stage the one before it, for
	// a sink the last stage, unless it says otherwise.
	From string `yaml:"from"`
	// With are further stages, whose annotations are added.
	With []string `yaml:"with"`
	// Rate bounds the frames a second that the node sees.
	Rate Rate `yaml:"rate"`
	// When is an expression: the node sees frames that it is true for.
	When string `yaml:"when"`
	// OnError says what becomes of a frame that the node fails on: it is
	// dropped, passed on as it is, or stops the run.
	OnError string `yaml:"on_error" oneof:"drop,pass,stop"`
	// Session that the node uses, where there are several.
	Session string `yaml:"session"`
	// Config are the settings of the kind.
	Config *yaml.Node `yaml:"config"`
}

// stageFile is one stage.
type stageFile struct {
	nodeFile `yaml:",inline"`
	// Async lets the stage work beside the line, on the newest frame.
	Async bool `yaml:"async"`
	// TTL is how long the last result of an async or rated stage is held on the
	// frames that follow: 1s by default, or two periods of its rate.
	TTL Duration `yaml:"ttl"`
	// Workers is how many frames are worked on side by side, by kinds that
	// allow it.
	Workers int `yaml:"workers" range:"1.."`
	// Deadline is how long a call may take before the stage is bypassed.
	Deadline Duration `yaml:"deadline"`
}

// newStageFile has the defaults.
func newStageFile() stageFile {
	return stageFile{nodeFile: nodeFile{OnError: defaultOnError}, Workers: 1, Deadline: Duration(defaultDeadline)}
}

// sinkFile is one sink.
type sinkFile struct {
	nodeFile `yaml:",inline"`
	// Edge says at which change of `when` the sink acts: as it becomes true or
	// false, as its value differs from the last, or on every frame that it is
	// true for. Its default is the kind's, while for most.
	Edge string `yaml:"edge" oneof:"rise,fall,change,while"`
	// Hold is how long `when` has to stay as it is before it counts.
	Hold Duration `yaml:"hold"`
	// Cooldown is the least time between two acts.
	Cooldown Duration `yaml:"cooldown"`
	// Audio is the source whose sound the sink takes besides its frames: the one
	// that those come from.
	Audio string `yaml:"audio"`
	// Queue is what waits in front of the sink.
	Queue *queueFile `yaml:"queue"`
}

// newSinkFile has the defaults.
func newSinkFile() sinkFile { return sinkFile{nodeFile: nodeFile{OnError: defaultOnError}} }

// queueFile is the queue of a sink.
type queueFile struct {
	// Depth is the most frames that wait. Its default is the kind's.
	Depth int `yaml:"depth" range:"1.."`
	// OnFull says what a full queue does. Its default is the kind's.
	OnFull string `yaml:"on_full" oneof:"drop_oldest,drop_newest,block"`
}
