package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outbox"
)

const (
	// reconnectEvery is how often a server that is away is tried.
	reconnectEvery = time.Second
	// askEvery is how often it is asked whether a stream takes a subject that
	// none has taken.
	askEvery = time.Minute
	// mostSubjects bounds what is remembered of subjects.
	mostSubjects = 1024
)

// connection is that to the server, or the attempts at one.
type connection struct {
	env  pipeline.Env
	cfg  Config
	conn *client.Conn
	js   jetstream.JetStream

	// The client's own goroutine's.
	trouble string // that was said last

	// Those of the outbox's goroutine.
	stored   map[string]bool      // subjects that a stream has taken
	unstored map[string]time.Time // those that none did, when it was asked
}

// connect begins to connect.
func connect(env pipeline.Env, cfg Config) (*connection, error) {
	c := &connection{env: env, cfg: cfg, stored: make(map[string]bool), unstored: make(map[string]time.Time)}
	options := []client.Option{
		client.Name("reactorpipe " + env.Name),
		client.RetryOnFailedConnect(true),
		client.MaxReconnects(-1),
		client.ReconnectWait(reconnectEvery),
		client.ReconnectBufSize(-1), // the outbox is the buffer
		client.IgnoreAuthErrorAbort(),
		client.ConnectHandler(c.connected),
		client.ReconnectHandler(c.connected),
		client.DisconnectErrHandler(c.disconnected),
		client.ReconnectErrHandler(c.unreachable),
		client.ErrorHandler(c.failed),
	}
	if cfg.Credentials != "" {
		options = append(options, client.UserCredentials(env.ReadPath(cfg.Credentials)))
	}
	if cfg.Token != "" {
		options = append(options, client.Token(cfg.Token))
	}
	if cfg.CA != "" {
		options = append(options, client.RootCAs(env.ReadPath(cfg.CA)))
	}
	conn, err := client.Connect(cfg.URL, options...)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	if c.js, err = jetstream.New(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *connection) connected(conn *client.Conn) {
	c.env.Log.Info("connected", "server", conn.ConnectedUrlRedacted())
}

// unreachable says why a try to connect failed, if that is news.
func (c *connection) unreachable(_ *client.Conn, err error) {
	if err.Error() != c.trouble {
		c.trouble = err.Error()
		c.env.Log.Warn("not connected, trying on", "err", err)
	}
}

func (c *connection) disconnected(_ *client.Conn, err error) {
	if err != nil {
		c.env.Log.Warn("disconnected", "err", err)
	}
}

func (c *connection) failed(_ *client.Conn, _ *client.Subscription, err error) {
	c.env.Log.Warn("the server complains", "err", err)
}

// Close disconnects.
func (c *connection) Close() { c.conn.Close() }

// deliver publishes the first messages: those that a stream takes, or else those
// of one subject.
func (c *connection) deliver(ctx context.Context, batch []outbox.Message) (taken int, err error) {
	if !c.conn.IsConnected() {
		if err := c.conn.LastError(); err != nil {
			return 0, fmt.Errorf("not connected: %w", err)
		}
		return 0, errors.New("not connected")
	}
	subject := batch[0].Key
	store, err := c.stores(ctx, subject)
	if err != nil {
		return 0, err
	}
	n := 1
	for n < len(batch) && (batch[n].Key == subject || store && c.stored[batch[n].Key]) {
		n++
	}
	if store {
		return c.storeAll(ctx, batch[:n])
	}
	return c.sendAll(ctx, batch[:n])
}

// storeAll publishes messages to streams, each once the one before is stored:
// else a server that fails in the middle could store them out of order.
func (c *connection) storeAll(ctx context.Context, batch []outbox.Message) (taken int, err error) {
	for i, m := range batch {
		if err := c.store(ctx, m); err != nil {
			return i, permanent(err)
		}
	}
	return len(batch), nil
}

// sendAll publishes messages to whoever listens, and waits until the server has
// all of them.
func (c *connection) sendAll(ctx context.Context, batch []outbox.Message) (taken int, err error) {
	n := 0
	for n < len(batch) && err == nil {
		if err = c.conn.PublishMsg(message(batch[n])); err == nil {
			n++
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout.Std())
	defer cancel()
	if failed := c.conn.FlushWithContext(ctx); failed != nil {
		return 0, fmt.Errorf("not confirmed: %w", failed)
	}
	return n, permanent(err)
}

// message returns m as NATS has it.
func message(m outbox.Message) *client.Msg {
	msg := client.NewMsg(m.Key)
	msg.Data = m.Body
	msg.Header.Set(client.MsgIdHdr, m.ID)
	return msg
}

// store publishes m and waits until a stream has it.
func (c *connection) store(ctx context.Context, m outbox.Message) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout.Std())
	defer cancel()
	_, err := c.js.PublishMsg(ctx, message(m))
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("no stream takes %s any more", m.Key)
	case err != nil:
		return fmt.Errorf("not stored: %w", err)
	}
	return nil
}

// permanent marks errors that sending again does not mend.
func permanent(err error) error {
	const tooLargeForStream = 10054
	var api jetstream.JetStreamError
	if errors.Is(err, client.ErrMaxPayload) ||
		errors.As(err, &api) && api.APIError() != nil && api.APIError().ErrorCode == tooLargeForStream {
		return &outbox.Refused{Count: 1, Err: err}
	}
	return err
}

// stores says whether a stream takes a subject. Once one has, it has to: a
// stream that is gone does not make messages fleeting that were not.
func (c *connection) stores(ctx context.Context, subject string) (bool, error) {
	if c.cfg.JetStream == Off {
		return false, nil
	}
	if c.stored[subject] {
		return true, nil
	}
	now := c.env.Clock.Now()
	if asked, ok := c.unstored[subject]; ok && now.Sub(asked) < askEvery {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout.Std())
	defer cancel()
	_, err := c.js.StreamNameBySubject(ctx, subject)
	switch {
	case err == nil:
		c.remember()
		c.stored[subject] = true
		delete(c.unstored, subject)
		return true, nil
	case !noStream(err):
		return false, fmt.Errorf("streams not known: %w", err)
	case c.cfg.JetStream == Require:
		return false, fmt.Errorf("no stream takes %s: %w", subject, err)
	}
	if _, known := c.unstored[subject]; !known {
		c.env.Log.Warn("no stream takes this subject: who does not listen misses it", "subject", subject)
	}
	c.remember()
	c.unstored[subject] = now
	return false, nil
}

func noStream(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, client.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// remember keeps what is known of subjects within its bound.
func (c *connection) remember() {
	if len(c.stored)+len(c.unstored) >= mostSubjects {
		clear(c.stored)
		clear(c.unstored)
	}
}
