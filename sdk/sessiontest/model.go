package sessiontest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// Model is what a simulated model is: what it shows, takes, understands and
// says. The zero Model has no tracks and refuses every command.
//
// Handle functions and the hooks run one at a time, in the order of what they
// answer to, on a goroutine of the session; their context ends with the
// session. They may call any method of the [Server] but Close. The sessions of
// a cloud run side by side.
type Model struct {
	Name        string // "model" if empty
	Description string
	// Tracks the model takes and shows, in any order. A descriptor lists
	// inputs first.
	Tracks   []Track
	Commands []Command
	// Messages that the model may send; for the schema only.
	Messages []MessageType

	// EffectDelay is how long after a command its Effect shows.
	EffectDelay time.Duration

	// Handle answers commands that have no Handle of their own. Without it they
	// are acknowledged.
	Handle func(ctx context.Context, c *Call) (*Message, error)
	// Receive takes the media of one published track on one connection. It runs
	// on a goroutine of its own from the first packet on and returns when
	// reading fails. Without it packets are read and thrown away.
	Receive func(ctx context.Context, in *Input)

	// Step makes one step of a stepped session: a client asks for it, gets what
	// was put out, and nothing is shown meanwhile. A [StepRefusal] takes no turn;
	// any other error is a step that ran and failed. A model without Step cannot
	// be stepped.
	Step func(ctx context.Context, s *Step) error

	// Hooks, all optional.
	Started      func(session string)
	Connected    func(session string, connection uint32)
	Disconnected func(session string, connection uint32) // not when the session ends
	Uploaded     func(u *Upload)                         // a client announced an upload, and it is here
	Ended        func(session, reason string)            // stopped, moderated, timed_out, error, start_refused
	// Reported takes a client's statistics: one report a second at most.
	Reported func(session string, connection uint32, stats *wire.ClientStats)
}

// Kind is what a track carries.
type Kind string

// The kinds of tracks.
const (
	Video Kind = "video"
	Audio Kind = "audio"
)

// Direction of a track as the client sees it.
type Direction string

// The directions of tracks.
const (
	RecvOnly Direction = "recvonly" // an output of the model
	SendOnly Direction = "sendonly" // an input of the model
)

// Track is an input or output of a model.
type Track struct {
	Name      string
	Kind      Kind      // [Video] if empty
	Direction Direction // [RecvOnly] if empty
	// Codecs that an output can be sent in, in the server's order of
	// preference, out of vp8, vp9, h264, h265, av1 and opus. Empty: those of
	// Loop, else [Config.Codecs]; opus for audio. The first that the client
	// offered is the codec of a connection.
	Codecs []string
	// Loop is played to whoever watches the track, without further ado: one
	// clip for each codec.
	Loop []*Clip
}

// Command is what a client may tell the model.
type Command struct {
	Name    string
	Summary string // "Trigger <name>" if empty
	Args    []Arg
	// Open accepts arguments that are not declared, and any type for all of
	// them.
	Open bool
	// Reply names the type of the message that answers; empty for a bare ack.
	// It is for the schema, what Handle returns is sent in any case.
	Reply string
	// Moderate is the mark of the schema.
	Moderate bool
	// Effect is what the first output with a Loop plays once the command was
	// carried out, [Model.EffectDelay] later.
	Effect []*Clip
	// Handle answers the command: with a message, with nil for a bare ack, or
	// with an error. A [CommandError] reaches the client as it is, any other
	// error and a panic as "internal_error".
	Handle func(ctx context.Context, c *Call) (*Message, error)
}

// Arg is an argument of a command or a field of a message or record.
type Arg struct {
	Name        string
	Description string
	Type
	// Default is what an absent argument becomes. An argument without it is
	// required, unless it is Optional.
	Default any
	// Optional lets an argument without a default be absent.
	Optional bool
}

func (a Arg) required() bool { return a.Default == nil && !a.Optional }

// MessageType declares what the model may send.
type MessageType struct {
	Name    string // in snake_case
	Summary string
	Fields  []Arg
}

// Message is one message of the model.
type Message struct {
	Type string
	Data map[string]any
}

// Call is one command of a client.
type Call struct {
	Server     *Server
	Session    string
	Connection uint32
	Name       string
	// Args are the checked arguments with the defaults filled in: nil, bool,
	// float64, string, []any, map[string]any and, for uploads, *[Upload]. A
	// default keeps the type that the model declared it with.
	Args map[string]any
}

// Upload is a file that a client uploaded.
type Upload struct {
	ID, Name, MIMEType string
	Data               []byte // not to be changed
}

// MarshalJSON writes the reference to the upload, as clients write it.
func (u *Upload) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"upload_id": u.ID, "name": u.Name, "mime_type": u.MIMEType, "size": len(u.Data)})
}

// CommandError refuses a command with a code and text of the model's choice.
type CommandError struct {
	Code, Message string
}

// Error returns "<code>: <message>".
func (e *CommandError) Error() string { return e.Code + ": " + e.Message }

// complete checks the model and fills in the defaults; codecs is the server's
// order of video codecs.
func (m Model) complete(codecs []string) (Model, error) {
	if m.Name == "" {
		m.Name = "model"
	}
	tracks := make([]Track, 0, len(m.Tracks))
	for _, direction := range []Direction{SendOnly, RecvOnly} {
		for i, t := range m.Tracks {
			t, err := t.complete(codecs)
			if err != nil {
				return m, fmt.Errorf("tracks[%d]: %w", i, err)
			}
			if t.Direction == direction {
				tracks = append(tracks, t)
			}
		}
	}
	m.Tracks = tracks
	return m, m.validate()
}

// validate looks at what the names of tracks and commands are, and at the
// effects of commands.
func (m Model) validate() error {
	seen := map[string]bool{}
	for _, t := range m.Tracks {
		if seen[t.Name] {
			return fmt.Errorf("track %q is declared twice", t.Name)
		}
		seen[t.Name] = true
	}
	return validateCommands(m.Commands)
}

func validateCommands(commands []Command) error {
	seen := map[string]bool{}
	for _, c := range commands {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("command %q has no name or is declared twice", c.Name)
		}
		seen[c.Name] = true
		for i, effect := range c.Effect {
			if err := effect.validate(); err != nil {
				return fmt.Errorf("command %q: effect[%d]: %w", c.Name, i, err)
			}
		}
	}
	return nil
}

func (t Track) complete(codecs []string) (Track, error) {
	if t.Kind == "" {
		t.Kind = Video
	}
	if t.Direction == "" {
		t.Direction = RecvOnly
	}
	switch {
	case t.Name == "":
		return t, fmt.Errorf("name: must not be empty")
	case t.Kind != Video && t.Kind != Audio:
		return t, fmt.Errorf("kind: must be video or audio, got %q", t.Kind)
	case t.Direction != RecvOnly && t.Direction != SendOnly:
		return t, fmt.Errorf("direction: must be recvonly or sendonly, got %q", t.Direction)
	}
	if len(t.Codecs) == 0 {
		t.Codecs = t.defaultCodecs(codecs)
	}
	for _, name := range t.Codecs {
		if c, ok := codecNamed(name); !ok || c.kind != t.Kind {
			return t, fmt.Errorf("codecs: %q is not a codec for %s", name, t.Kind)
		}
	}
	for i, c := range t.Loop {
		if err := c.validate(); err != nil {
			return t, fmt.Errorf("loop[%d]: %w", i, err)
		}
	}
	return t, nil
}

func (t Track) defaultCodecs(codecs []string) []string {
	switch {
	case len(t.Loop) > 0:
		names := make([]string, len(t.Loop))
		for i, c := range t.Loop {
			names[i] = c.Codec
		}
		return names
	case t.Kind == Audio:
		return []string{"opus"}
	}
	return codecs
}

// command returns the named command.
func (m Model) command(name string) (Command, bool) {
	for _, c := range m.Commands {
		if c.Name == name {
			return c, true
		}
	}
	return Command{}, false
}

// track returns the named track.
func (m Model) track(name string) (Track, bool) {
	for _, t := range m.Tracks {
		if t.Name == name {
			return t, true
		}
	}
	return Track{}, false
}
