package ingest

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// MessageConfig is the source that yields the messages of the model, as frames
// without pixels.
type MessageConfig struct {
	// Message is the type of the messages, "*" for all.
	Message string `yaml:"message"`
}

// Validate reports a missing type.
func (c *MessageConfig) Validate() error {
	if c.Message == "" {
		return errors.New(`message: must be the type of a message, or "*" for all`)
	}
	return nil
}

// SessionUse says which messages are read. All of them are none in particular.
func (c *MessageConfig) SessionUse() pipeline.Use {
	if c.Message == "*" {
		return pipeline.Use{}
	}
	return pipeline.Use{Messages: []string{c.Message}}
}

// maxMessages is how many messages may wait for the graph: several seconds of
// a talkative model. The oldest give way.
const maxMessages = 256

// messageSource yields what the model says.
type messageSource struct {
	env      pipeline.Env
	cfg      MessageConfig
	messages chan pipeline.Message
	once     sync.Once
	cancel   context.CancelFunc
	done     chan struct{}

	begun    time.Time
	seq      uint64
	received atomic.Uint64
	dropped  atomic.Uint64
}

var (
	_ pipeline.Source         = (*messageSource)(nil)
	_ pipeline.SessionUser    = (*messageSource)(nil)
	_ pipeline.CountingSource = (*messageSource)(nil)
)

// NewMessage returns a source of messages. It listens from the first
// SessionReady on, so as to hear what answers the start commands, or else from
// the first Read.
func NewMessage(env pipeline.Env, cfg MessageConfig) (pipeline.Source, error) {
	return &messageSource{
		env: env, cfg: cfg,
		messages: make(chan pipeline.Message, maxMessages), done: make(chan struct{}), cancel: func() {},
	}, nil
}

// SessionReady begins to listen.
func (s *messageSource) SessionReady(context.Context) error {
	s.once.Do(s.listen)
	return nil
}

// Read waits for the next message of the type.
func (s *messageSource) Read(ctx context.Context) (*pipeline.Frame, error) {
	s.once.Do(s.listen)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case m, ok := <-s.messages:
		if !ok {
			return nil, io.EOF
		}
		return s.frame(m), nil
	}
}

func (s *messageSource) frame(m pipeline.Message) *pipeline.Frame {
	if s.begun.IsZero() {
		s.begun = m.At
	}
	f := pipeline.NewFrame(pipeline.Meta{
		Stream: s.env.Name, Seq: s.seq, PTS: m.At.Sub(s.begun), Arrival: m.At, Message: &m,
	}, nil)
	s.seq++
	return f
}

func (s *messageSource) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	messages := s.env.Session.Messages(ctx)
	go func() {
		defer close(s.done)
		defer close(s.messages)
		for m := range messages {
			if s.cfg.Message == "*" || m.Type == s.cfg.Message {
				s.received.Add(1)
				s.put(m)
			}
		}
	}()
}

// put makes room for the newest.
func (s *messageSource) put(m pipeline.Message) {
	for {
		select {
		case s.messages <- m:
			return
		default:
		}
		select {
		case <-s.messages:
			s.dropped.Add(1)
		default:
		}
	}
}

// Live is true: the model does not wait.
func (s *messageSource) Live() bool { return true }

// Counts returns how many messages came and how many were not read in time.
func (s *messageSource) Counts() pipeline.SourceCounts {
	n := s.received.Load()
	return pipeline.SourceCounts{Received: n, Decoded: n, Dropped: map[string]uint64{"behind": s.dropped.Load()}}
}

// Close ends the subscription and waits for it. Read returns io.EOF, after what
// waits.
func (s *messageSource) Close() error {
	s.once.Do(func() {
		close(s.messages)
		close(s.done)
	})
	s.cancel()
	<-s.done
	return nil
}
