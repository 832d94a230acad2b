package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// Surface is what a simulated model can be asked for beyond its own: the
// built-in model's outputs main_video and main_audio, inputs source and mic, and commands that change the
// picture, or what the schema says.
type Surface struct {
	// Outputs and Inputs are names of video tracks, in place of the built-in
	// model's.
	Outputs, Inputs []string
	// AudioOutputs and AudioInputs are those of audio tracks. An output sounds
	// once a second.
	AudioOutputs, AudioInputs []string
	// Commands are taken with arguments of any type; their names and arguments
	// are shown in the picture.
	Commands []string
	// Messages are said after each of these commands, with its arguments.
	Messages []string
}

// stateName is the message in which models say what they do.
const stateName = "state"

// model makes what sessiontest serves.
func (s *Server) model() sessiontest.Model {
	m := s.builtIn()
	if s.other != nil {
		m = s.other.playedBy(s)
	}
	m.Name = cmp.Or(s.cfg.Name, m.Name)
	for _, name := range s.cfg.Surface.Outputs {
		m.Tracks = addTrack(m.Tracks, sessiontest.Track{Name: name, Kind: sessiontest.Video})
	}
	for _, name := range s.cfg.Surface.Inputs {
		m.Tracks = addTrack(m.Tracks, sessiontest.Track{Name: name, Kind: sessiontest.Video, Direction: sessiontest.SendOnly})
	}
	for _, name := range s.cfg.Surface.AudioOutputs {
		m.Tracks = addTrack(m.Tracks, sessiontest.Track{Name: name, Kind: sessiontest.Audio})
	}
	for _, name := range s.cfg.Surface.AudioInputs {
		m.Tracks = addTrack(m.Tracks, sessiontest.Track{Name: name, Kind: sessiontest.Audio, Direction: sessiontest.SendOnly})
	}
	for i := range m.Tracks {
		s.fill(&m.Tracks[i])
	}
	for _, name := range s.cfg.Surface.Commands {
		m.Commands = replaceCommand(m.Commands, s.openCommand(name))
	}
	m.Receive = s.receive
	m.Connected = func(string, uint32) { s.visit.Do(func() { close(s.visited) }) }
	if s.cfg.StepFrames > 0 {
		m.Step, m.Ended = s.step, s.forget
	}
	return m
}

// builtIn is the model that there is without a schema.
func (s *Server) builtIn() sessiontest.Model {
	m := sessiontest.Model{
		Name: "sim", Description: "A simulated model: it shows a clip and changes it as it is told.",
		Messages: []sessiontest.MessageType{stateMessage(), promptMessage(), imageMessage()}, Commands: s.commands(),
	}
	if len(s.cfg.Surface.Outputs) == 0 {
		m.Tracks = append(m.Tracks, sessiontest.Track{Name: "main_video"})
	}
	if len(s.cfg.Surface.Inputs) == 0 {
		m.Tracks = append(m.Tracks, sessiontest.Track{Name: "source", Direction: sessiontest.SendOnly})
	}
	if len(s.cfg.Surface.Outputs)+len(s.cfg.Surface.AudioOutputs) == 0 {
		m.Tracks = append(m.Tracks, sessiontest.Track{Name: "main_audio", Kind: sessiontest.Audio})
	}
	if len(s.cfg.Surface.Inputs)+len(s.cfg.Surface.AudioInputs) == 0 {
		m.Tracks = append(m.Tracks, sessiontest.Track{Name: "mic", Kind: sessiontest.Audio, Direction: sessiontest.SendOnly})
	}
	return m
}

// addTrack adds a track that is not there yet.
func addTrack(all []sessiontest.Track, t sessiontest.Track) []sessiontest.Track {
	if slices.ContainsFunc(all, func(e sessiontest.Track) bool { return e.Name == t.Name }) {
		return all
	}
	return append(all, t)
}

// fill gives a track what there is to send on it: the picture, or a beat.
func (s *Server) fill(t *sessiontest.Track) {
	switch {
	case t.Direction == sessiontest.SendOnly:
	case t.Kind == sessiontest.Audio:
		t.Loop = []*sessiontest.Clip{s.beat}
	default:
		t.Codecs = s.sent()
		if s.loop != nil {
			t.Loop = []*sessiontest.Clip{s.loop}
		}
	}
}

func replaceCommand(all []sessiontest.Command, c sessiontest.Command) []sessiontest.Command {
	for i := range all {
		if all[i].Name == c.Name {
			all[i] = c
			return all
		}
	}
	return append(all, c)
}

func stateMessage() sessiontest.MessageType {
	return sessiontest.MessageType{
		Name: stateName, Summary: "What the model does, once a second.",
		Fields: []sessiontest.Arg{
			{Name: "current_frame", Type: sessiontest.Integer()},
			{Name: "current_prompt", Type: sessiontest.String()},
			{Name: "input_frames", Type: sessiontest.Integer(), Description: "Frames received on input tracks."},
		},
	}
}

func promptMessage() sessiontest.MessageType {
	return sessiontest.MessageType{
		Name: "prompt_accepted", Summary: "The prompt is in force.",
		Fields: []sessiontest.Arg{{Name: "prompt", Type: sessiontest.String()}},
	}
}

// maxPrompt bounds a prompt, in characters.
const maxPrompt = 500

// commands are those of the built-in model.
func (s *Server) commands() []sessiontest.Command {
	return []sessiontest.Command{
		{
			Name: "set_prompt", Summary: "Change the mood of the picture, and caption it.", Reply: "prompt_accepted",
			Args: []sessiontest.Arg{{Name: "prompt", Type: sessiontest.String().Length(0, maxPrompt)}},
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				prompt := fmt.Sprint(c.Args["prompt"])
				s.effect(func(st *state) { st.imagine(prompt) })
				return &sessiontest.Message{Type: "prompt_accepted", Data: map[string]any{"prompt": prompt}}, nil
			},
		},
		{
			Name: "set_brightness", Summary: "Brighten or darken the picture.",
			Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2), Default: 1.0}},
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				v, _ := c.Args["brightness"].(float64) // it was checked
				s.effect(func(st *state) { st.brightness = v })
				return nil, nil
			},
		},
		{
			Name: "set_tint", Summary: "Tint the picture.",
			Args: []sessiontest.Arg{
				{Name: "tint", Type: sessiontest.OneOf("none", "red", "green", "blue")},
				{Name: "strength", Type: sessiontest.Number().Between(0, 1), Default: moodStrength},
			},
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				strength, _ := c.Args["strength"].(float64) // it was checked
				s.effect(func(st *state) { st.paint(fmt.Sprint(c.Args["tint"]), strength) })
				return nil, nil
			},
		},
		{
			Name: "set_caption", Summary: "Write a line under the picture.",
			Args: []sessiontest.Arg{{Name: "caption", Type: sessiontest.String().Length(0, maxPrompt), Default: ""}},
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				s.effect(func(st *state) { st.caption = fmt.Sprint(c.Args["caption"]) })
				return nil, nil
			},
		},
		s.setImage(),
		{
			Name: "reset", Summary: "Show the picture as it was at first.",
			Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
				s.effect(func(st *state) { *st = state{brightness: 1} })
				return nil, nil
			},
		},
	}
}

func (st *state) paint(tint string, strength float64) {
	colours := map[string]color.RGBA{"red": {R: 255}, "green": {G: 255}, "blue": {B: 255}}
	c, ok := colours[tint]
	if !ok {
		strength = 0
	}
	st.tint, st.strength = c, strength
}

// openCommand stands for a command of a model that we know by name only. Its
// effect is a mood and a caption of its own.
func (s *Server) openCommand(name string) sessiontest.Command {
	return sessiontest.Command{
		Name: name, Open: true,
		Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
			text := strings.TrimSpace(name + " " + describe(c.Args))
			s.effect(func(st *state) { st.imagine(text) })
			for _, message := range s.cfg.Surface.Messages {
				if message != stateName {
					s.server.Broadcast(message, c.Args)
				}
			}
			return nil, nil
		},
	}
}

// describe puts arguments on one line.
func describe(args map[string]any) string {
	if len(args) == 0 {
		return ""
	}
	text, err := json.Marshal(args)
	if err != nil {
		return ""
	}
	return string(text)
}
