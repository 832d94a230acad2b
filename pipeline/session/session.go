// Package session is a model session's life in a pipeline, on top of package
// sdk: it is opened with patience, checks commands against the model's live
// schema, runs the start commands, keeps the ledger, and ends it or leaves it.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Config is what a session is made with.
type Config struct {
	// Spec is what the file says of it.
	Spec config.Session
	// Codecs are the video codecs to offer for receiving, in order.
	Codecs []string
	Log    *slog.Logger
	Clock  pipeline.Clock
	// OnCommand, if set, is called with each record that goes into the ledger, and
	// the time, before what sent it goes on.
	OnCommand func(r pipeline.CommandRecord, now time.Time)
}

// Session implements pipeline.Session. Nothing but its name works before Open.
type Session struct {
	cfg    Config
	ledger *pipeline.CommandLedger

	mu     sync.Mutex   // guards what follows
	live   *sdk.Session // nil unless open
	opened *sdk.Session // the last one that was live
	schema *sdk.Schema
}

var (
	_ pipeline.Session = (*Session)(nil)
	_ pipeline.Ledger  = (*Session)(nil)
	_ pipeline.Noter   = (*Session)(nil)
)

// ledgerLength is how many commands are remembered for the page and the
// summary: minutes of a busy loop, a few hundred kilobytes.
const ledgerLength = 1000

// New returns a session that Open connects. It does nothing by itself.
func New(cfg Config) *Session {
	return &Session{cfg: cfg, ledger: pipeline.NewLedger(ledgerLength)}
}

// Open connects and learns the model's schema. A server that is not there, or
// that has no room, is tried again for the time the file allows. The error
// wraps sdk.ErrUnauthorized for a refused key, pipeline.ErrInvalid for a model
// that does not exist, or that sends in none of the codecs.
func (s *Session) Open(ctx context.Context) error {
	live, err := s.connect(ctx)
	if err != nil {
		return err
	}
	schema, err := s.readSchema(ctx, live)
	if err != nil {
		s.cfg.Log.Warn("model schema not available, commands are not checked", "err", err)
	}
	s.mu.Lock()
	s.live, s.opened, s.schema = live, live, schema
	s.mu.Unlock()
	s.cfg.Log.Info("session ready", "session_id", live.ID(), "model", s.model())
	return nil
}

func (s *Session) model() string {
	if s.cfg.Spec.Model != "" {
		return s.cfg.Spec.Model
	}
	return s.cfg.Spec.URL
}

// Start sends the start commands, one after the other, each with its wait.
func (s *Session) Start(ctx context.Context) error {
	for _, c := range s.cfg.Spec.Start {
		if err := s.start(ctx, c); err != nil {
			return fmt.Errorf("start: %w", err)
		}
	}
	return nil
}

func (s *Session) start(ctx context.Context, c config.StartCommand) error {
	args, err := arguments(c)
	if err != nil {
		return err
	}
	if err := s.Check(c.Command, args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Spec.Wait)
	defer cancel()
	said := s.await(ctx, c.Wait)
	if _, err := s.Command(pipeline.WithCause(ctx, pipeline.Cause{Node: "start"}), c.Command, args); err != nil {
		return err
	}
	return said()
}

// arguments returns a start command's data, which holds constants only.
func arguments(c config.StartCommand) (map[string]any, error) {
	data, _ := c.Data.Const()
	if data == nil {
		return nil, nil
	}
	args, ok := data.(map[string]any)
	if !ok {
		return nil, pipeline.Invalid(fmt.Errorf("command %q: data must be a map of arguments", c.Command))
	}
	return args, nil
}

// await subscribes to the messages of a type and returns what waits for the
// first one. An empty type is said at once.
func (s *Session) await(ctx context.Context, messageType string) func() error {
	if messageType == "" {
		return func() error { return nil }
	}
	live, err := s.ready()
	if err != nil {
		return func() error { return err }
	}
	messages := live.Messages(ctx)
	return func() error {
		for m := range messages {
			if m.Type == messageType {
				return nil
			}
		}
		switch err := ctx.Err(); {
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("the model did not say %q within %s", messageType, s.cfg.Spec.Wait)
		case err != nil:
			return err
		}
		return live.Err()
	}
}

// Close runs what the file says about leaving: the session ends if we made it,
// unless on_exit is leave. The server is told even if ctx is over.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	live := s.live
	s.live = nil
	s.mu.Unlock()
	if live == nil {
		return nil
	}
	if s.cfg.Spec.OnExit == "leave" {
		return live.Leave(ctx)
	}
	return live.Close()
}

func (s *Session) ready() (*sdk.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		return nil, pipeline.ErrNotReady
	}
	return s.live, nil
}

// Live returns the present connection to the server for those who need more
// than a pipeline.Session: received tracks.
func (s *Session) Live() (*sdk.Session, error) { return s.ready() }

// Status returns what the connection does now.
func (s *Session) Status() sdk.Status {
	live, err := s.ready()
	if err != nil {
		return sdk.StatusDisconnected
	}
	return live.Status()
}

// Schema returns the model's OpenAPI document.
func (s *Session) Schema(ctx context.Context) (json.RawMessage, error) {
	live, err := s.ready()
	if err != nil {
		return nil, err
	}
	return live.Schema(ctx)
}

// Messages yields what the model says from the call on.
func (s *Session) Messages(ctx context.Context) iter.Seq[pipeline.Message] {
	live, err := s.ready()
	if err != nil {
		return func(func(pipeline.Message) bool) {}
	}
	messages := live.Messages(ctx)
	return func(yield func(pipeline.Message) bool) {
		for m := range messages {
			if !yield(pipeline.Message{Type: m.Type, Data: m.Data, At: m.At}) {
				return
			}
		}
	}
}

// Upload sends a file.
func (s *Session) Upload(ctx context.Context, file pipeline.File) (pipeline.FileRef, error) {
	live, err := s.ready()
	if err != nil {
		return pipeline.FileRef{}, err
	}
	ref, err := live.Upload(ctx, file.Content, sdk.UploadInfo{Name: file.Name, MIMEType: file.MIMEType, Size: file.Size})
	if err != nil {
		return pipeline.FileRef{}, translate(err)
	}
	return pipeline.FileRef{UploadID: ref.UploadID, Name: ref.Name, MIMEType: ref.MIMEType, Size: ref.Size}, nil
}
