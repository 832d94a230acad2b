// Package webhook is the sink that posts frames, without their pixels, to a web
// server as JSON: each at least once, in order, over outages and restarts.
package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outbox"
)

// Config says where frames are posted, and how.
type Config struct {
	// URL that is posted to: http:// or https://. What may be secret in it, the
	// user, the query and the path, is not logged.
	URL string `yaml:"url"`
	// Batch is how many frames are posted at once at most, as a list; 0 posts
	// each by itself, as an object. A batch waits for nothing: it is what has
	// come since the last one was taken.
	Batch int `yaml:"batch" range:"0..1000"`
	// Headers of each request. Their values are not logged.
	Headers map[string]string `yaml:"headers"`
	// Secret to sign requests with, so that the server knows whom they are
	// from: X-Reactorpipe-Signature is then "sha256=" and the HMAC of the body
	// in hexadecimals.
	Secret string `yaml:"secret"`
	// Timeout of a request.
	Timeout config.Duration `yaml:"timeout"`
	// Buffer is where frames wait for the server.
	Buffer outbox.Config `yaml:"buffer"`
}

// Default is ten seconds for each request.
func Default() Config {
	return Config{Timeout: config.Duration(10 * time.Second), Buffer: outbox.Default()}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if err := validateURL(c.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	for name, value := range c.Headers {
		if err := validateHeader(name, value); err != nil {
			return fmt.Errorf("headers: %w", err)
		}
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("timeout: must be positive, got %s", c.Timeout)
	}
	if err := c.Buffer.Validate(); err != nil {
		return fmt.Errorf("buffer.%w", err)
	}
	return nil
}

// validateURL does not repeat the URL, which may hold a secret.
func validateURL(text string) error {
	if text == "" {
		return errors.New("is required")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("must be like https://example.com/hook")
	}
	return nil
}

// tokenCharacters are those that a header's name consists of: RFC 9110 §5.6.2.
const tokenCharacters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func validateHeader(name, value string) error {
	switch {
	case name == "" || strings.Trim(name, tokenCharacters) != "":
		return fmt.Errorf("%q is no name of a header", name)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("the value of %s holds what no header can", name)
	}
	for _, ours := range []string{"Content-Type", "Content-Length", "Transfer-Encoding", "Connection", idHeader, signatureHeader} {
		if strings.EqualFold(name, ours) {
			return fmt.Errorf("%s is set by the sink itself", http.CanonicalHeaderKey(name))
		}
	}
	return nil
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "webhook", Default: Default, New: New,
		Queue: pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest},
	})
}
