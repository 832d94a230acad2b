package sessiontest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// StepModel is a model to try stepped generation with. Its state is prompt (at
// most 20 characters), frames (1 to 200), size (16 to 4000) and mode; say {text}
// is answered by echoed {text}, fail {code} by an error of that code. A step says
// prog {n} and puts out frames pictures of size×size, whose shade is the step's
// number and whose metadata is {"i":<n>,"n":<step>}, with 2000 samples of sound
// each. Its mode may be normal, echo (the pictures that came in on webcam go
// out), refuse, fail, files (with notes.txt) or silent (nothing is put out).
func StepModel() Model {
	var mu sync.Mutex // guards what follows
	state := map[string]any{}
	set := func(name string, t Type, initial any) Command {
		state[name] = initial
		return Command{
			Name: "set_" + name, Summary: "Set " + name + ".",
			Args: []Arg{{Name: name, Type: t, Default: initial}},
			Handle: func(_ context.Context, c *Call) (*Message, error) {
				mu.Lock()
				defer mu.Unlock()
				state[name] = c.Args[name]
				return nil, nil //nolint:nilnil // a bare ack
			},
		}
	}
	return Model{
		Name: "steps",
		Tracks: []Track{
			{Name: "webcam", Direction: SendOnly},
			{Name: "mic", Kind: Audio, Direction: SendOnly},
			{Name: "main_video"},
			{Name: "main_audio", Kind: Audio},
		},
		Commands: []Command{
			set("prompt", String().Length(0, 20), ""),
			set("frames", Integer().Between(1, 200), 1),
			set("size", Integer().Between(16, 4000), 64),
			set("mode", OneOf("normal", "echo", "refuse", "fail", "files", "silent"), "normal"),
			{
				Name: "say", Reply: "echoed", Args: []Arg{{Name: "text", Type: String(), Default: ""}},
				Handle: func(_ context.Context, c *Call) (*Message, error) {
					return &Message{Type: "echoed", Data: c.Args}, nil
				},
			},
			{
				Name: "fail", Args: []Arg{{Name: "code", Type: String()}},
				Handle: func(_ context.Context, c *Call) (*Message, error) {
					code := c.Args["code"].(string)
					return nil, &CommandError{Code: code, Message: "nope: " + code}
				},
			},
		},
		Messages: []MessageType{
			{Name: "echoed", Fields: []Arg{{Name: "text", Type: String()}}},
			{Name: "prog", Fields: []Arg{{Name: "n", Type: Integer()}}},
		},
		Step: func(_ context.Context, s *Step) error {
			mu.Lock()
			frames, _ := asFloat(state["frames"])
			size, _ := asFloat(state["size"])
			mode := state["mode"]
			mu.Unlock()
			return stepFixture(s, mode.(string), int(frames), int(size))
		},
	}
}

func stepFixture(s *Step, mode string, frames, size int) error {
	const fps, samples = 24, 2000
	if mode == "refuse" {
		return &StepRefusal{Reason: "no step while refusing"}
	}
	s.Say("prog", map[string]any{"n": s.Number})
	switch mode {
	case "fail":
		return errors.New("gen failed")
	case "silent":
		return nil
	case "echo":
		s.Emit("main_video", fps, s.Inputs["webcam"]...)
		return nil
	case "files":
		s.Attach(StepFile{Name: "notes.txt", ContentType: "text/plain", Data: []byte("notes.\n")})
	}
	for i := range frames {
		p := Picture(size, size, bytes.Repeat([]byte{byte(s.Number)}, 3*size*size))
		p.Metadata, _ = json.Marshal(map[string]any{"i": i, "n": s.Number})
		s.Emit("main_video", fps, p)
	}
	s.Emit("main_audio", audioScale, Sound(make([]int16, samples*frames)))
	return nil
}
