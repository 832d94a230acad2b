package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// protocolVersion is said in hello. It grows when older programs would break.
const protocolVersion = 1

// maxLine is the longest line that a program may send, in bytes: room for ten
// thousand detections.
const maxLine = 1 << 20

// hello is the first line that a program gets.
type hello struct {
	Type    string `json:"type"` // "hello"
	Version int    `json:"version"`
	Stage   string `json:"stage"`
	Pixels  string `json:"pixels"`
	Writes  bool   `json:"writes"`
	// Memory is the size of the shared memory in bytes.
	Memory   int      `json:"memory,omitempty"`
	Sets     []string `json:"sets"`
	Commands []string `json:"commands"`
}

// question is a frame, for which the program owes an answer.
type question struct {
	Type string `json:"type"` // "frame"
	Seq  uint64 `json:"seq"`
	// Picture lies at the start of the shared memory.
	Picture *picture `json:"picture,omitempty"`
	// Reset says why the frame does not follow the last.
	Reset pipeline.Reason `json:"reset,omitempty"`
	// Frame is the one JSON form, with positions in the pixels of the picture.
	Frame json.RawMessage `json:"frame"`
}

type picture struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	Stride int `json:"stride"` // of a row in bytes
}

// envelope is what a program's lines have in common.
type envelope struct {
	Type string  `json:"type"`
	Seq  *uint64 `json:"seq"`
}

// answer is what a program says of a frame.
type answer struct {
	Type string `json:"type"` // "result"
	Seq  uint64 `json:"seq"`
	// Drop ends the frame.
	Drop bool `json:"drop"`
	// Pixels says that the picture in the shared memory is the frame's now.
	Pixels bool `json:"pixels"`
	// Error is what went wrong with this frame.
	Error string `json:"error"`

	Detections   *[]pipeline.Detection `json:"detections"`
	Events       *[]pipeline.Event     `json:"events"`
	Measurements *map[string]float64   `json:"measurements"`
	Texts        *[]pipeline.Text      `json:"texts"`
}

// order is a command that a program wants sent.
type order struct {
	Type    string         `json:"type"` // "command"
	Command string         `json:"command"`
	Data    map[string]any `json:"data"`
}

// kinds are the kinds of annotation that a sets.
func (a *answer) kinds() []string {
	var kinds []string
	for _, k := range []struct {
		kind pipeline.AnyKind
		set  bool
	}{
		{pipeline.Detections, a.Detections != nil},
		{pipeline.Events, a.Events != nil},
		{pipeline.Measurements, a.Measurements != nil},
		{pipeline.Texts, a.Texts != nil},
	} {
		if k.set {
			kinds = append(kinds, k.kind.Name())
		}
	}
	return kinds
}

// check compares a with what the configuration lets the program do.
func (a *answer) check(cfg *Config) error {
	for _, kind := range a.kinds() {
		if len(cfg.Kinds) > 0 && !slices.Contains(cfg.Kinds, kind) {
			return fmt.Errorf("%s: the stage sets %s only", kind, cfg.Kinds)
		}
	}
	if a.Pixels && !cfg.Writes {
		return errors.New("pixels: they come back with writes: true only")
	}
	return nil
}

// annotate puts what a says on f.
func (a *answer) annotate(f *pipeline.Frame) {
	if a.Detections != nil {
		pipeline.Set(f, pipeline.Detections, *a.Detections)
	}
	if a.Events != nil {
		pipeline.Set(f, pipeline.Events, *a.Events)
	}
	if a.Measurements != nil {
		pipeline.Set(f, pipeline.Measurements, *a.Measurements)
	}
	if a.Texts != nil {
		pipeline.Set(f, pipeline.Texts, *a.Texts)
	}
}

// decode reads a line strictly.
func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return plain(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("a line is one JSON object, and this has more")
	}
	return nil
}

// plain says in the protocol's words what json says in Go's.
func plain(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	if wrong.Field == "" {
		return fmt.Errorf("a line is one JSON object, got a %s", wrong.Value)
	}
	return fmt.Errorf("%s: a %s does not belong there", wrong.Field, wrong.Value)
}
