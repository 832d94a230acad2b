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
	messages chan heard
	once     sync.Once
	cancel   context.CancelFunc
	done     chan struct{}
	readies  atomic.Uint64 // how often the session was ready

	begun    time.Time
	seq      uint64
	last     connection // that the last message came by
	received atomic.Uint64
	dropped  atomic.Uint64
}

// heard is a message and what it came by.
type heard struct {
	pipeline.Message
	by connection
}

// connection tells one session from the one before, and one connection to it from
// the one before.
type connection struct{ renewals, readies uint64 }

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
		messages: make(chan heard, maxMessages), done: make(chan struct{}), cancel: func() {},
	}, nil
}

// SessionReady begins to listen, or notes that the session is back.
func (s *messageSource) SessionReady(context.Context) error {
	s.readies.Add(1)
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

func (s *messageSource) frame(m heard) *pipeline.Frame {
	if s.begun.IsZero() {
		s.begun, s.last = m.At, m.by
	}
	f := pipeline.NewFrame(pipeline.Meta{
		Stream: s.env.Name, Seq: s.seq, PTS: m.At.Sub(s.begun), Arrival: m.At, Message: &m.Message,
		Discontinuity: m.by.since(s.last),
	}, nil)
	s.seq++
	s.last = m.by
	return f
}

// since says what lies between two messages.
func (c connection) since(last connection) pipeline.Reason {
	switch {
	case c.renewals != last.renewals:
		return pipeline.Renewal
	case c.readies != last.readies:
		return pipeline.Reconnect
	}
	return ""
}

// connection returns what is there now.
func (s *messageSource) connection() connection {
	c := connection{readies: s.readies.Load()}
	if r, ok := s.env.Session.(interface{ Renewals() uint64 }); ok {
		c.renewals = r.Renewals()
	}
	return c
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
				s.put(heard{m, s.connection()})
			}
		}
	}()
}

// put makes room for the newest.
func (s *messageSource) put(m heard) {
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
