package rehearsal

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// file is a file of tests.
type file struct {
	// Pipeline that is tested, relative to this file. For crosswalk_test.yaml it
	// is crosswalk.yaml.
	Pipeline string `yaml:"pipeline"`
	// Set changes the pipeline for all tests, as `--set` does: people.rate=2fps.
	Set []string `yaml:"set"`
	// Env are variables for ${…} in the pipeline. They go before those of the
	// environment.
	Env map[string]string `yaml:"env"`
	// Tests of the pipeline. Each begins anew.
	Tests []test `yaml:"tests"`
}

// test is one of them.
type test struct {
	// Name that the test is known by.
	Name string `yaml:"name"`
	// Set changes the pipeline for this test.
	Set []string `yaml:"set"`
	// Env are variables for this test.
	Env map[string]string `yaml:"env"`
	// Schema is a file with the model's OpenAPI document. With it commands are
	// checked as the model would check them.
	Schema string `yaml:"schema"`
	// Duration of the test on the virtual clock. Without it a test lasts until
	// the last picture, and all that is scripted, are over.
	Duration config.Duration `yaml:"duration"`
	// Sources are the pictures that come in, by the name of the pipeline's source.
	// One that shows the model's video has to be here; a file plays by itself.
	Sources map[string]picturesFile `yaml:"sources"`
	// Messages that the model says.
	Messages []messageFile `yaml:"messages"`
	// Replies of the model. A command gets the first that fits it; without one
	// the model takes it at once.
	Replies []replyFile `yaml:"replies"`
	// Outages are times in which the session is not ready and no picture comes.
	Outages []outageFile `yaml:"outages"`
	// Stages by name: what stands in for a stage, or how long its calls take.
	Stages map[string]stageFile `yaml:"stages"`
	// Expect is what has to come of it. Who expects nothing still wants the
	// pipeline to run and no stage to fail.
	Expect expectFile `yaml:"expect"`
}

// picturesFile is what comes in instead of a source's own pictures.
type picturesFile struct {
	// File is a video or a picture, relative to this file.
	File string `yaml:"file"`
	// Frames is how many plain pictures come, without a file; with one, the most
	// that are taken of it.
	Frames int `yaml:"frames" range:"0.."`
	// FPS are the plain pictures a second, 25 by default.
	FPS config.Rate `yaml:"fps"`
	// Width of the plain pictures in pixels, 320 by default.
	Width int `yaml:"width" range:"0..8192"`
	// Height of the plain pictures in pixels, 240 by default.
	Height int `yaml:"height" range:"0..8192"`
	// Color of the plain pictures, such as "#204060"; gray by default.
	Color color `yaml:"color"`
	// After is when the first picture comes.
	After config.Duration `yaml:"after"`
}

// messageFile is something that the model says.
type messageFile struct {
	// At is when, from the begin of the test.
	At config.Duration `yaml:"at"`
	// Type of the message.
	Type string `yaml:"type"`
	// Data of the message.
	Data map[string]any `yaml:"data"`
	// Session that says it, where there are several.
	Session string `yaml:"session"`
}

// replyFile is how the model answers a command.
type replyFile struct {
	// Command that is answered.
	Command string `yaml:"command"`
	// Data that the command has, as far as it matters.
	Data map[string]any `yaml:"data"`
	// Session that answers, where there are several.
	Session string `yaml:"session"`
	// Times is how often this reply is given: as often as it fits by default.
	Times int `yaml:"times" range:"1.."`
	// After is how long the model takes.
	After config.Duration `yaml:"after"`
	// Type of the reply; a bare acknowledgement without.
	Type string `yaml:"type"`
	// Reply is the data of the reply.
	Reply map[string]any `yaml:"reply"`
	// Refuse has the model refuse the command, with this reason.
	Refuse string `yaml:"refuse"`
	// Lost has no reply come at all.
	Lost bool `yaml:"lost"`
	// Says is a message that the model says to it, by its type.
	Says string `yaml:"says"`
}

// outageFile is a time without the session.
type outageFile struct {
	// At is when the session is lost.
	At config.Duration `yaml:"at"`
	// For is how long it takes until it is back.
	For config.Duration `yaml:"for"`
	// Reason says how it comes back: over a new connection, or as a new session.
	Reason string `yaml:"reason" oneof:"reconnect,renewal"`
	// Session that is lost, where there are several.
	Session string `yaml:"session"`
}

// stageFile is what a test does to a stage.
type stageFile struct {
	// Takes is how long a call lasts on the virtual clock. Otherwise it takes no
	// time there, however long it lasts.
	Takes config.Duration `yaml:"takes"`
	// Outside says that the stage runs a program or keeps a connection: it then works
	// by real time, and the virtual clock stands still while it is called. It has
	// no session.
	Outside bool `yaml:"outside"`
	// Results stand in for the stage, which then is not made: from each time on,
	// what it sets.
	Results []resultFile `yaml:"results"`
	// Fails are the frames that the stage fails on, by number: the first is 0.
	Fails []count `yaml:"fails"`
}

// resultFile is what a stand-in sets from some time on.
type resultFile struct {
	// At is from when on, by the time stamps of the frames.
	At config.Duration `yaml:"at"`
	// Sets are annotations by their kind, as in the JSON form of a frame, in the
	// pixels that the stage is given: {detections: [{label: person, score: 0.9}]}.
	Sets map[string]any `yaml:"sets"`
}

// expectFile is what has to come of a test.
type expectFile struct {
	// Commands are all that sinks decided to send, in their order, with what came
	// of them. Duplicates that were left out count only where one is expected,
	// and the commands of `start` do not count.
	Commands *[]commandFile `yaml:"commands"`
	// Frames that reach a sink, and what they carry.
	Frames []frameFile `yaml:"frames"`
	// Sinks are how many frames each of them gets: 30, 25..30 or 1.. for at
	// least one.
	Sinks map[string]count `yaml:"sinks"`
	// Drops are all frames that are given up, by node and reason: {cam: {no_slot: 3}}.
	// {} allows none.
	Drops *map[string]map[string]count `yaml:"drops"`
	// Skips are frames that pass a node by, by node and reason; those of nodes
	// that are not named are of no interest.
	Skips map[string]map[string]count `yaml:"skips"`
	// Errors are how often a stage or sink fails. One that is not named must not.
	Errors map[string]count `yaml:"errors"`
	// Fails is a part of the error that the run ends with.
	Fails string `yaml:"fails"`
}

// commandFile is an expected command. What it does not name is of no interest.
type commandFile struct {
	// Command that is sent.
	Command string `yaml:"command"`
	// Data are its arguments, as far as they matter. A number may be a range, as
	// "3..5" or "0.8 ± 0.1".
	Data map[string]any `yaml:"data"`
	// At is when it is decided on: 2s, 1s..3s, ..3s or 1s.. .
	At times `yaml:"at"`
	// Node that decides on it: a sink, by its name.
	Node string `yaml:"node"`
	// Outcome is what comes of it: sent by default.
	Outcome string `yaml:"outcome" oneof:"sent,refused,failed,expired,superseded,deduped,dry_run"`
	// Reason is a part of why it is not sent.
	Reason string `yaml:"reason"`
}

// frameFile is an expected frame, or several.
type frameFile struct {
	// Sink that it reaches.
	Sink string `yaml:"sink"`
	// Frame is its number, 12, or that of several, 3..7. Without frame and at, all
	// that the sink gets.
	Frame count `yaml:"frame"`
	// At is its time stamp: 2s, 1s..3s, ..3s or 1s.. .
	At times `yaml:"at"`
	// Annotations that it carries, as in the JSON form of a frame and as far as
	// they matter, by stage and kind. A number may be a range, as "10..20" or
	// "15 ± 2".
	Annotations map[string]any `yaml:"annotations"`
	// Message is what a frame of a message source has: type and data.
	Message map[string]any `yaml:"message"`
	// That is an expression, as for `when`, that is true for it.
	That string `yaml:"that"`
	// Tolerance is how much the numbers may differ.
	Tolerance float64 `yaml:"tolerance" range:"0.."`
}

// Validate says what is wrong with the file by itself.
func (f *file) Validate() error {
	var errs []error
	if len(f.Tests) == 0 {
		errs = append(errs, mistake("tests", "a file has at least one"))
	}
	seen := make(map[string]bool)
	for i := range f.Tests {
		t := &f.Tests[i]
		at := item("tests", i)
		if t.Name == "" {
			errs = append(errs, mistake(at, "name is missing"))
		}
		if seen[t.Name] && t.Name != "" {
			errs = append(errs, mistake(at+".name", "%q is the name of another test already", t.Name))
		}
		seen[t.Name] = true
		errs = append(errs, expr.Under(at, t.validate()))
	}
	return errors.Join(errs...)
}

func (t *test) validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) { errs = append(errs, mistake(field, format, args...)) }
	for name, s := range t.Sources {
		at := "sources." + name
		switch {
		case s.File == "" && s.Frames == 0:
			wrong(at, "must be {file: …} or {frames: …}")
		case s.File != "" && (s.FPS != 0 || s.Width != 0 || s.Height != 0 || s.Color != ""):
			wrong(at, "fps, width, height and color are for plain pictures, without a file")
		}
	}
	for i, m := range t.Messages {
		if m.Type == "" {
			wrong(item("messages", i), "type is missing")
		}
	}
	for i, r := range t.Replies {
		at := item("replies", i)
		if r.Command == "" {
			wrong(at, "command is missing")
		}
		if r.Refuse != "" && (r.Lost || r.Type != "" || r.Reply != nil) || r.Lost && (r.Type != "" || r.Reply != nil) {
			wrong(at, "must be one of a refusal (refuse), no reply (lost) and a reply (type, reply)")
		}
	}
	for i, o := range t.Outages {
		if !oneOf(o.Reason, "", string(pipeline.Reconnect), string(pipeline.Renewal)) {
			wrong(item("outages", i)+".reason", "must be reconnect or renewal, got %s", o.Reason)
		}
	}
	for name, s := range t.Stages {
		if s.Outside && s.Results != nil {
			wrong("stages."+name, "outside is for the stage itself, and results stand in for it")
		}
		for i := 1; i < len(s.Results); i++ {
			if s.Results[i].At <= s.Results[i-1].At {
				wrong(fmt.Sprintf("stages.%s.results[%d].at", name, i), "must be later than %s of the one before, got %s", s.Results[i-1].At, s.Results[i].At)
			}
		}
	}
	return errors.Join(append(errs, expr.Under("expect", t.Expect.validate()))...)
}

func (e *expectFile) validate() error {
	var errs []error
	if e.Commands != nil {
		for i, c := range *e.Commands {
			if c.Command == "" {
				errs = append(errs, mistake(item("commands", i), "command is missing"))
			}
			if !oneOf(c.Outcome, append(outcomes(), "")...) {
				errs = append(errs, mistake(item("commands", i)+".outcome", "must be one of %s, got %s", strings.Join(outcomes(), ", "), c.Outcome))
			}
		}
	}
	for i, f := range e.Frames {
		if f.Sink == "" {
			errs = append(errs, mistake(item("frames", i), "sink is missing"))
		}
	}
	return errors.Join(errs...)
}

// mistake is an error in a field, to be put under others.
func mistake(field, format string, args ...any) error {
	return expr.Under(field, fmt.Errorf(format, args...))
}

func outcomes() []string {
	return []string{
		string(pipeline.CommandSent), string(pipeline.CommandRefused), string(pipeline.CommandFailed), string(pipeline.CommandExpired),
		string(pipeline.CommandSuperseded), string(pipeline.CommandDeduped), string(pipeline.CommandDryRun),
	}
}

func oneOf(word string, words ...string) bool { return slices.Contains(words, word) }

func item(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// color is a colour such as "#ffcc88".
type color string

var colourForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// UnmarshalText reads a colour.
func (c *color) UnmarshalText(text []byte) error {
	if !colourForm.Match(text) {
		return fmt.Errorf(`must be a colour such as "#204060", got %s`, text)
	}
	*c = color(text)
	return nil
}

// Title is that of the schema of a file of tests.
const Title = "Tests of a pipeline of reactorpipe"

// Describe tells what a file of tests may hold.
func Describe(texts config.Texts) []config.Field {
	fields := config.DescribeKeys(file{}, texts)
	require(fields, "tests", "name")
	return fields
}

// require marks fields that a file cannot leave out: a list, and a key of each
// of its items.
func require(fields []config.Field, list, key string) {
	for i := range fields {
		f := &fields[i]
		if f.Key == list && f.Form.Of != nil {
			f.Required = true
			require(f.Form.Of.Fields, key, "")
		}
		if list == f.Key && key == "" {
			f.Required = true
		}
	}
}
