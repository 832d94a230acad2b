package config

import (
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Spec is a checked pipeline. Whatever it names exists, and whatever it sets is
// in range.
type Spec struct {
	// Path of the file as it was given, and the folder that it lies in.
	Path, Dir string
	// Name of the pipeline: the file's base name unless it says otherwise.
	Name string
	// MaxInFlight bounds the frames in the graph, for each source.
	MaxInFlight int
	// Sessions in the order of the file; `session:` is one named "main".
	Sessions []Session
	// Sources in the order of the file.
	Sources []Source
	// Stages in the order of the file, which need not be that of the graph.
	Stages []Stage
	Sinks  []Sink
	// Warnings are what works but is hardly meant.
	Warnings []string
}

// Session is one model session.
type Session struct {
	Name string
	// Line of the file.
	Line int
	// Model, URL and Sim: one of the three, or Model with the URL of its API
	// where the environment says that one.
	Model, URL string
	Sim        *Sim
	// APIKey and Token are secrets. Both are empty for a local runtime.
	APIKey, Token string
	// Local says that URL is a runtime that serves one model and needs no key.
	Local bool
	// Start are the commands that a session which we made begins with, Stop
	// those that it ends with.
	Start, Stop []SessionCommand
	// OnStall are those for when no picture has come for StallAfter.
	OnStall    []SessionCommand
	StallAfter time.Duration
	// OnExit is "end" or "leave": what becomes of it when the program ends.
	OnExit string
	// Wait is how long a server that is not there, or busy, is tried again.
	Wait time.Duration
	// Limit is how long the server lets a session last; 0 where that is not
	// known. AskLimit says that the server is to be asked for it.
	Limit    time.Duration
	AskLimit bool
	// Renew is nil where a session that is over is not followed by another.
	Renew *Renew
	// Adopt is nil where the session is our own.
	Adopt *Adopt
	// Budget is nil where sessions may be made without end.
	Budget *Budget
	// Commands bounds and records what goes to the model.
	Commands Commands
	// ICEServers are URLs (stun:…, turn:user:password@…) in place of the session's
	// own.
	ICEServers []string
}

// Renew says how a new session takes the place of the one before.
type Renew struct {
	// Before is how long before the session's limit the next one is made: 60s,
	// or a quarter of a limit that is shorter than four minutes.
	Before Duration `yaml:"before"`
	// Again are the commands whose last arguments hold in the next session, too:
	// they are sent again after those of start. Unless it is said, they are all
	// that begin with set_.
	Again []string `yaml:"again"`
}

// Adopt names a session that somebody else made.
type Adopt struct {
	// SessionID of the session to join.
	SessionID string `yaml:"session_id"`
	// ConnectionID takes a connection that was registered for this program; 0
	// registers one.
	ConnectionID uint32 `yaml:"connection_id"`
}

// Budget bounds how many sessions are made.
type Budget struct {
	// Sessions that may be made in any span of time that is as long as per.
	Sessions int `yaml:"sessions" range:"1.."`
	// Per is that span.
	Per Duration `yaml:"per"`
	// File remembers when sessions were made, so that the bound holds over
	// restarts of the program. By default it is one for each pipeline and session
	// in $STATE_DIRECTORY or $XDG_STATE_HOME/reactorpipe, or in
	// ~/.local/state/reactorpipe; where there is none of these, and for the
	// simulator, nothing is remembered.
	File string `yaml:"file"`
}

// Commands bounds and records the commands of a session.
type Commands struct {
	// Rate is how many commands a second go to the model in the long run,
	// whoever sends them: by default as many as are decided on. One that would
	// be too many waits its turn, for as long as its sink's ttl allows; by hand
	// it is refused.
	Rate Rate `yaml:"rate"`
	// Burst is how many may go at once after a rest.
	Burst int `yaml:"burst" range:"1.."`
	// Ledger is a file, relative to the working directory, that every command of
	// the session, every decision that became none, and what came of it is
	// appended to, as a line of JSON. {{ date }} and {{ time }} stand for the
	// start.
	Ledger expr.Template `yaml:"ledger"`
	// Effect measures what each command does to the picture.
	Effect Effect `yaml:"effect"`
	// Cycle breaks a circle of commands that cause each other.
	Cycle Cycle `yaml:"cycle"`
}

// Effect says how the effect of a command is looked for in the pictures of the
// session's sources.
type Effect struct {
	// Within is how long after a command its effect is looked for; 0s does not
	// look.
	Within Duration `yaml:"within"`
}

// Cycle says what a circle of commands is, and for how long it is broken.
type Cycle struct {
	// Repeats is how often the same two to four different commands, or values of
	// one command, follow each other in the same order before that is taken for
	// a circle; 0 never does.
	Repeats int `yaml:"repeats" range:"0..100"`
	// Within is the longest from one of them to the next: what takes longer has
	// other causes than the command before it.
	Within Duration `yaml:"within"`
	// Pause is how long the commands of a circle are then held back. It doubles
	// each time that the circle comes back at once, up to sixteen times.
	Pause Duration `yaml:"pause"`
}

// SessionCommand is a command that is written for a moment of a session's life.
type SessionCommand struct {
	Command string
	// Data holds constants only.
	Data expr.Value
	// Wait is the type of the message to wait for; "" waits for the reply only.
	Wait string
	Line int
}

// Sim describes a simulated model.
type Sim struct {
	// Clip is the video that the model shows; "" is a test pattern.
	Clip string `yaml:"clip"`
	// Loop is a video that is sent over and over as it is, without decoding or
	// encoding: H.264, H.265, VP8, VP9 or AV1, without B-frames.
	Loop string `yaml:"loop"`
	// Schema is a file with the schema of the model that the simulator stands in
	// for, as model show --json writes it; "" is a model of its own.
	Schema string `yaml:"schema"`
	// Model is what it calls itself.
	Model string `yaml:"model"`
	// Codec of its picture; the simulator chooses where nothing is said.
	Codec string `yaml:"codec" oneof:"vp8,vp9,h264,av1"`
	// Width in pixels; 0 is the clip's own.
	Width int `yaml:"width"`
	// Height in pixels; 0 is the clip's own.
	Height int `yaml:"height"`
	// FPS is the frames a second; 0 is 30, whatever the rate of the clip.
	FPS float64 `yaml:"fps" range:"0..240"`
	// NeedsImage has it show nothing before it was given a picture by set_image.
	NeedsImage bool `yaml:"needs_image"`
	// Loss is the share of its packets that get lost, 0 to 1.
	Loss float64 `yaml:"loss" range:"0..1"`
}

// Source is where frames come from.
type Source struct {
	Name string
	Line int
	Type pipeline.SourceType
	// Config is a pointer to the kind's configuration.
	Config any
	// Session that it belongs to, "" for none.
	Session string
}

// Node is what stages and sinks have in common.
type Node struct {
	Name string
	Line int
	// From is the node whose frames come in; With are those whose annotations
	// are joined.
	From string
	With []string
	// Session that it may use, "" for none.
	Session string
	// When is nil where the node sees every frame.
	When *expr.Program
	// Rate is the most frames a second that the node sees; 0 is all.
	Rate float64
	// OnError says what becomes of a frame that the node fails on: "drop",
	// "pass" or "stop".
	OnError string
	// Pixels is what the kind does with them, refined by its configuration.
	Pixels pipeline.Pixels
}

// Stage is a checked stage.
type Stage struct {
	Node
	Type pipeline.StageType
	// Config is a pointer to the kind's configuration.
	Config any
	// Sets are the kinds of annotation that it sets, refined by its
	// configuration.
	Sets []pipeline.AnyKind
	// Async stages work beside the line, on the newest frame.
	Async bool
	// TTL is how long results of an async or rated stage are held.
	TTL time.Duration
	// Workers is how many instances run side by side, at least one.
	Workers  int
	Deadline time.Duration
}

// Sink is a checked sink.
type Sink struct {
	Node
	Type pipeline.SinkType
	// Config is a pointer to the kind's configuration.
	Config any
	// Queue is nil where the kind's own applies.
	Queue          *pipeline.Queue
	Edge           pipeline.Edge
	Hold, Cooldown time.Duration
	// Encoded says that it takes the access units of From, a source.
	Encoded bool
	// Audio is the source whose sound it takes, "" for none.
	Audio string
}

// ActualQueue returns the queue that the sink has: the file's, or else its
// kind's.
func (s Sink) ActualQueue() pipeline.Queue {
	if s.Queue != nil {
		return *s.Queue
	}
	return s.Type.Queue
}

// Scope returns what names mean in the expressions of a stage or a sink.
func (s *Spec) Scope(node string) *expr.Scope {
	scope := &expr.Scope{Stages: make(map[string][]pipeline.AnyKind)}
	root := s.collect(node, scope.Stages)
	delete(scope.Stages, node)
	for _, source := range s.Sources {
		if !source.Type.Messages {
			continue
		}
		scope.Messages = append(scope.Messages, source.Name)
		if source.Name == root {
			scope.Self = root
		}
	}
	for _, stage := range s.Stages {
		if _, upstream := scope.Stages[stage.Name]; !upstream {
			scope.Elsewhere = append(scope.Elsewhere, stage.Name)
		}
	}
	return scope
}

// collect adds a stage and those upstream of it to stages, with what they set.
// It returns the source that they come from.
func (s *Spec) collect(name string, stages map[string][]pipeline.AnyKind) (root string) {
	node := s.node(name)
	if node == nil {
		return name
	}
	if i := slices.IndexFunc(s.Stages, func(stage Stage) bool { return stage.Name == name }); i >= 0 {
		if _, seen := stages[name]; seen {
			return ""
		}
		stages[name] = s.Stages[i].Sets
	}
	for _, with := range node.With {
		s.collect(with, stages)
	}
	return s.collect(node.From, stages)
}

// node returns what the stage or sink of that name has in common with others.
func (s *Spec) node(name string) *Node {
	for i := range s.Stages {
		if s.Stages[i].Name == name {
			return &s.Stages[i].Node
		}
	}
	for i := range s.Sinks {
		if s.Sinks[i].Name == name {
			return &s.Sinks[i].Node
		}
	}
	return nil
}
