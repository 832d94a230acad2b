package sim

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// maxSchema bounds a schema, in bytes: those of public models are some ten
// kilobytes.
const maxSchema = 16 << 20

// standIn stands in for a model of which only the surface is known. It
// remembers what commands set and says so in answers and states. Commands that
// are called start, pause, resume and reset do what such commands of models do.
type standIn struct {
	model sessiontest.Model

	mu              sync.Mutex // guards what follows
	values          map[string]any
	started, paused bool
}

// readSchema makes the stand-in of a model from the file with its OpenAPI
// document.
func readSchema(path string) (*standIn, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	document, err := io.ReadAll(io.LimitReader(f, maxSchema+1))
	if err != nil {
		return nil, err
	}
	if len(document) > maxSchema {
		return nil, fmt.Errorf("%s: longer than %d MiB", path, maxSchema>>20)
	}
	m, err := sessiontest.ModelFromSchema(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &standIn{model: m, values: map[string]any{}}, nil
}

// message is the declaration of the named message, if there is one.
func (m *standIn) message(name string) (sessiontest.MessageType, bool) {
	i := slices.IndexFunc(m.model.Messages, func(t sessiontest.MessageType) bool { return t.Name == name })
	if i < 0 {
		return sessiontest.MessageType{}, false
	}
	return m.model.Messages[i], true
}

// note remembers what a command sets.
func (m *standIn) note(command string, args map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch command {
	case "start":
		m.started, m.paused = true, false
	case "pause":
		m.paused = true
	case "resume":
		m.paused = false
	case "reset":
		m.started, m.paused = false, false
		clear(m.values)
	}
	maps.Copy(m.values, args)
}

// say makes a message out of the arguments of a command, what else the model
// knows, and what has been set before: current_prompt is the last prompt,
// has_prompt and prompt_set say that there is one. What is left is plain.
func (m *standIn) say(t sessiontest.MessageType, args, known map[string]any) map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := map[string]any{"started": m.started, "paused": m.paused, "running": m.started && !m.paused}
	data := map[string]any{}
	for _, f := range t.Fields {
		of := strings.TrimSuffix(strings.TrimPrefix(f.Name, "has_"), "_set")
		candidates := []any{
			args[f.Name], known[f.Name], state[f.Name], m.values[f.Name], m.values[strings.TrimPrefix(f.Name, "current_")],
			of != f.Name && m.values[of] != nil, f.Default,
		}
		i := slices.IndexFunc(candidates, func(v any) bool { return v != nil && f.Accepts(v) })
		switch {
		case i >= 0:
			data[f.Name] = candidates[i]
		case !f.Optional:
			data[f.Name] = f.Plain()
		}
	}
	return data
}

// playedBy is the model with commands that s carries out.
func (m *standIn) playedBy(s *Server) sessiontest.Model {
	played := m.model
	played.Commands = slices.Clone(played.Commands)
	for i := range played.Commands {
		c := &played.Commands[i]
		c.Handle = func(_ context.Context, call *sessiontest.Call) (*sessiontest.Message, error) {
			return s.standIn(*c, call.Args), nil
		}
	}
	return played
}

// standIn carries out a command of the model that s stands in for, and answers
// as it does: with the reply that the command has, if any, and a state to
// everybody.
func (s *Server) standIn(c sessiontest.Command, args map[string]any) *sessiontest.Message {
	s.other.note(c.Name, args)
	s.effect(func(st *state) {
		if prompt, ok := args["prompt"].(string); ok {
			st.imagine(prompt)
			return
		}
		st.imagine(strings.TrimSpace(c.Name + " " + describe(args)))
	})
	if of := turns()[c.Name]; of != c.Reply {
		s.say(of, args)
	}
	s.say(stateName, nil)
	reply, ok := s.other.message(c.Reply)
	if !ok {
		return nil
	}
	return &sessiontest.Message{Type: c.Reply, Data: s.other.say(reply, args, s.known())}
}

// turns are the messages that tell of a turn in a model's life, by the commands
// that bring it.
func turns() map[string]string {
	return map[string]string{
		"start": "generation_started", "pause": "generation_paused", "resume": "generation_resumed", "reset": "generation_reset",
	}
}

// say broadcasts a message of the model that s stands in for, if it has that one.
func (s *Server) say(message string, args map[string]any) {
	if t, ok := s.other.message(message); ok {
		s.server.Broadcast(message, s.other.say(t, args, s.known()))
	}
}
