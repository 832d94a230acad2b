// Package preview is the sink that shows the live picture on a web page of its
// own, with what the stages saw and the commands that were sent.
package preview

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
)

// Config says where the page is and what its picture costs.
type Config struct {
	// Addr is where the page is served: 127.0.0.1:8090 by default, or the next port
	// that is free. Beyond loopback anybody who reaches the port can watch.
	Addr string `yaml:"addr"`
	// Width that larger pictures are scaled down to, in pixels; 0 shows every
	// pixel.
	Width int `yaml:"width" live:"true"`
	// FPS is how often the picture changes at most.
	FPS config.Rate `yaml:"fps" live:"true"`
	// Quality of the JPEG pictures, 1 to 100.
	Quality int `yaml:"quality" live:"true"`
}

// Default serves this machine only.
func Default() Config {
	return Config{Width: 960, FPS: 20, Quality: 80}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); c.Addr != "" && err != nil {
		return fmt.Errorf("addr: must be host:port, got %q", c.Addr)
	}
	if c.Width < 0 || c.Width > maxWidth {
		return fmt.Errorf("width: must be 0 to %d, got %d", maxWidth, c.Width)
	}
	if c.FPS <= 0 {
		return fmt.Errorf("fps: must be positive, got %g", float64(c.FPS))
	}
	if c.Quality < 1 || c.Quality > 100 {
		return fmt.Errorf("quality: must be 1 to 100, got %d", c.Quality)
	}
	return nil
}

// maxWidth is the widest picture that JPEG can hold.
const maxWidth = 65535

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "preview", Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.BGR},
		Queue:  pipeline.Queue{Depth: 1, OnFull: pipeline.DropOldest},
	})
}

// Sink shows frames on a page.
type Sink struct {
	cfg    Config
	clock  pipeline.Clock
	status *status
	live   *live
	server *server
	next   time.Time // when the picture may change again
}

var (
	_ pipeline.Sink                 = (*Sink)(nil)
	_ pipeline.Reconfigurer[Config] = (*Sink)(nil)
)

// New listens, so that a port that is taken is found before frames flow, and
// starts the server, which Close ends. The log says how to reach it.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	listener, err := listen(cfg.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fatal.Error(fmt.Errorf("addr: another program listens on %s: name another port, or leave addr out for one that is free", cfg.Addr))
	}
	if err != nil {
		return nil, fatal.Error(fmt.Errorf("addr: %w", err))
	}
	s := &Sink{cfg: cfg, clock: env.Clock, live: newLive(), status: newStatus(env)}
	s.server = serve(listener, env.Log, &http.Server{Handler: handler(s.status, s.live, env.Clock)})
	announce(env, listener.Addr().(*net.TCPAddr))
	return s, nil
}

// The ports that are tried where none is named: several pipelines have a page each.
const (
	firstPort = 8090
	lastPort  = 8099
)

// listen listens on addr or, if that is empty, on the first port that is free.
func listen(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp", addr)
	}
	for port := firstPort; port <= lastPort; port++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// announce says where the page is, and how a laptop reaches it when only this
// machine does.
func announce(env pipeline.Env, addr *net.TCPAddr) {
	machine, err := os.Hostname()
	if err != nil {
		machine = "HOST"
	}
	if addr.IP.IsUnspecified() {
		env.Log.Info("live page", "url", fmt.Sprintf("http://%s:%d", machine, addr.Port))
		return
	}
	if !addr.IP.IsLoopback() {
		env.Log.Info("live page", "url", fmt.Sprintf("http://%s", addr))
		return
	}
	env.Log.Info("live page", "url", fmt.Sprintf("http://%s", addr),
		"from_elsewhere", fmt.Sprintf("ssh -L %d:%s %s", addr.Port, addr, machine))
}

// Write shows f. It encodes only what somebody watches.
func (s *Sink) Write(_ context.Context, f *pipeline.Frame) error {
	now := s.clock.Now()
	if err := s.status.saw(f, now); err != nil {
		return err
	}
	if f.Image() == nil || !s.live.watched() || now.Before(s.next) {
		return nil
	}
	s.next = due(s.next, now, time.Duration(float64(time.Second)/float64(s.cfg.FPS)))
	picture, err := encodeJPEG(f, s.cfg.Width, s.cfg.Quality)
	if err != nil {
		return err
	}
	s.live.show(picture)
	return nil
}

// due returns the time after now at which the next picture is due, on the grid
// that last began so that frames which come a little early are not left out.
func due(last, now time.Time, period time.Duration) time.Time {
	next := last.Add(period)
	if next.Before(now) {
		return now.Add(period / 2)
	}
	return next
}

// Reconfigure shows other pictures from here on. Viewers stay.
func (s *Sink) Reconfigure(cfg Config) error {
	s.cfg = cfg
	return nil
}

// Close ends the viewers' streams and the server.
func (s *Sink) Close() error { return s.server.Close() }
