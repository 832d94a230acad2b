// Package nats is the sink that publishes frames, without their pixels, as JSON
// to a NATS server: each at least once, in order, over outages and restarts.
package nats

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outbox"
)

// Config says where frames are published, and how.
type Config struct {
	// URL of the server, or of several of a cluster with commas between: nats://
	// or tls://host:4222. A user and password in it are not logged.
	URL string `yaml:"url"`
	// Subject that a frame is published on. {{ expr }} computes; a frame for
	// which something in it is absent is not published.
	Subject expr.Template `yaml:"subject"`
	// JetStream says whether a stream stores what is published, and confirms
	// it: auto uses the stream that takes the subject, where there is one;
	// require waits until there is one; off publishes to whoever listens just
	// now.
	JetStream JetStream `yaml:"jetstream" oneof:"auto,require,off"`
	// Credentials is a file, relative to the pipeline's, with a user's JWT and
	// key.
	Credentials string `yaml:"credentials"`
	// Token that the server asks for.
	Token string `yaml:"token"`
	// CA is a file, relative to the pipeline's, with the certificates that the
	// server's is checked against; "" is the system's.
	CA string `yaml:"ca"`
	// Timeout is how long the server may take to confirm a message.
	Timeout config.Duration `yaml:"timeout"`
	// Buffer is where frames wait for the server.
	Buffer outbox.Config `yaml:"buffer"`
}

// JetStream says whether a stream is used.
type JetStream string

// The ways of a stream.
const (
	Auto    JetStream = "auto"
	Require JetStream = "require"
	Off     JetStream = "off"
)

// Default is a server on this machine.
func Default() Config {
	return Config{URL: "nats://127.0.0.1:4222", JetStream: Auto, Timeout: config.Duration(5 * time.Second), Buffer: outbox.Default()}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	for one := range strings.SplitSeq(c.URL, ",") {
		if !validURL(strings.TrimSpace(one)) {
			return errors.New("url: must be like nats://127.0.0.1:4222") // it may hold a password
		}
	}
	if c.Subject.String() == "" {
		return errors.New("subject: is required")
	}
	if text, ok := c.Subject.Const(); ok {
		if err := validateSubject(text); err != nil {
			return fmt.Errorf("subject: %w", err)
		}
	}
	if c.JetStream != Auto && c.JetStream != Require && c.JetStream != Off {
		return fmt.Errorf("jetstream: must be auto, require or off, got %q", c.JetStream)
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("timeout: must be positive, got %s", c.Timeout)
	}
	if c.Credentials != "" && c.Token != "" {
		return errors.New("token: is not for a server that takes credentials")
	}
	if err := c.Buffer.Validate(); err != nil {
		return fmt.Errorf("buffer.%w", err)
	}
	return nil
}

func validURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "nats" || u.Scheme == "tls")
}

// validateSubject says whether something may be published on.
func validateSubject(v any) error {
	subject := fmt.Sprint(v)
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" || strings.ContainsAny(token, " \t\r\n*>\x00") {
			return fmt.Errorf("must be words with dots between, without spaces, * and >, got %q", subject)
		}
	}
	return nil
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "nats", Default: Default, New: New,
		Queue: pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest},
	})
}
