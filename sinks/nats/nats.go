package nats

import (
	"context"
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outbox"
)

// Sink publishes frames. They wait in an outbox, whose goroutine publishes them.
type Sink struct {
	env     pipeline.Env
	subject expr.Template
	absent  func(float64)
	conn    *connection
	outbox  *outbox.Outbox
}

var _ pipeline.Sink = (*Sink)(nil)

// atOnce is how many messages are published before the server is asked, where
// it does not confirm each.
const atOnce = 256

// New opens the buffer, so that a folder that cannot be written is found before
// frames flow, and starts goroutines that connect and publish, which Close ends.
// A server that is not there is waited for.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	conn, err := connect(env, cfg)
	if err != nil {
		return nil, fatal.Error(err)
	}
	out, err := outbox.Open(env, cfg.Buffer, atOnce, conn.deliver)
	if err != nil {
		conn.Close()
		return nil, fatal.Error(fmt.Errorf("buffer.path: %w", err))
	}
	return &Sink{
		env: env, subject: cfg.Subject, conn: conn, outbox: out,
		absent: env.Metrics.Counter("absent_total", "Frames not published because a value of the subject was absent."),
	}, nil
}

// Write leaves f to be published, in the one JSON form.
func (s *Sink) Write(ctx context.Context, f *pipeline.Frame) error {
	now := s.env.Clock.Now()
	subject, ok, err := s.subject.Text(expr.Input{Frame: f, LastMessage: s.env.LastMessage, Now: now})
	if err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	if !ok {
		s.absent(1)
		return nil
	}
	if err := validateSubject(subject); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	body, err := f.JSON(now)
	if err != nil {
		return err
	}
	return s.outbox.Put(ctx, subject, body)
}

// Close publishes what waits, if the server takes it and that does not take
// long. The rest is published by the next run.
func (s *Sink) Close() error {
	err := s.outbox.Close()
	s.conn.Close()
	return err
}
