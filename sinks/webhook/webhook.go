package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outbox"
)

// Sink posts frames. They wait in an outbox, whose goroutine posts them.
type Sink struct {
	clock  pipeline.Clock
	client *http.Client
	outbox *outbox.Outbox
}

var _ pipeline.Sink = (*Sink)(nil)

// New opens the buffer, so that a folder that cannot be written is found before
// frames flow, and starts a goroutine that posts, which Close ends.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	client := &http.Client{
		Timeout: cfg.Timeout.Std(),
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		},
		// A redirect would turn the request into another one, and show the
		// headers to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p := &poster{cfg: cfg, client: client, now: env.Clock.Now}
	out, err := outbox.Open(env, cfg.Buffer, max(cfg.Batch, 1), p.deliver)
	if err != nil {
		return nil, fatal.Error(fmt.Errorf("buffer.path: %w", err))
	}
	return &Sink{clock: env.Clock, client: client, outbox: out}, nil
}

// Write leaves f to be posted, in the one JSON form.
func (s *Sink) Write(ctx context.Context, f *pipeline.Frame) error {
	body, err := f.JSON(s.clock.Now())
	if err != nil {
		return err
	}
	return s.outbox.Put(ctx, "", body)
}

// Close posts what waits, if the server takes it and that does not take long.
// The rest is posted by the next run.
func (s *Sink) Close() error {
	err := s.outbox.Close()
	s.client.CloseIdleConnections()
	return err
}
