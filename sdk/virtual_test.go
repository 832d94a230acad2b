package sdk

import (
	"cmp"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// world is a model, its clients and the network between them, in virtual time.
type world struct {
	*sessiontest.Memory
	srv   *sessiontest.Server
	local bool
}

// inWorld runs a test against a local runtime in a bubble, inCloud against the
// cloud's routes.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	bubble(t, true, sessiontest.Config{}, test)
}

func inCloud(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	bubble(t, false, sessiontest.Config{APIKey: key}, test)
}

func bubble(t *testing.T, local bool, cfg sessiontest.Config, test func(*testing.T, *world)) {
	t.Helper()
	t.Parallel() // a bubble keeps one core busy
	synctest.Test(t, func(t *testing.T) {
		m, err := sessiontest.NewMemory()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		cfg.Memory = m
		cfg.Model = lamp()
		test(t, &world{Memory: m, srv: sessiontest.NewConfig(t, cfg), local: local})
	})
}

// pass lets virtual time go by.
func pass(d time.Duration) { time.Sleep(d) }

// passDark lets it go by without a picture, most of what a minute costs.
func (w *world) passDark(d time.Duration) {
	w.srv.Show(sessiontest.Stopped)
	pass(d)
	w.srv.Show(sessiontest.Live)
}

func (w *world) open(t *testing.T, cfg Config) (*Session, error) {
	t.Helper()
	cfg.BaseURL, cfg.Local = cmp.Or(cfg.BaseURL, w.srv.URL()), w.local
	cfg.hooks = hooks{net: w.Client(), dial: w.DialContext, proxy: noProxy, settle: w.Settle}
	if !w.local && cfg.Token == "" {
		cfg.APIKey = key
	}
	if !w.local && cfg.SessionID == "" {
		cfg.Model = "acme/m"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := Connect(ctx, cfg)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func (w *world) connect(t *testing.T, cfg Config) *Session {
	t.Helper()
	s, err := w.open(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// journal collects the events of a session until it is over.
type journal struct {
	ch chan Event
}

func follow(t *testing.T, s *Session) *journal {
	t.Helper()
	j := &journal{ch: make(chan Event, 1000)}
	events := s.Events(context.WithoutCancel(t.Context()))
	go func() {
		defer close(j.ch)
		for e := range events {
			j.ch <- e
		}
	}()
	return j
}

// await returns the next event of a type; the events before it are passed over.
func (j *journal) await(t *testing.T, typ EventType) Event {
	t.Helper()
	for e := range j.ch {
		if e.Type == typ {
			return e
		}
	}
	t.Fatalf("the session is over without the event %q", typ)
	return Event{}
}

// flows checks that a session does all it is for: it receives, sends and is
// obeyed.
func flows(t *testing.T, s *Session) {
	t.Helper()
	tr, err := s.Track("main_video")
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	epoch := s.epoch
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		p, err := tr.ReadRTP(ctx)
		if err != nil {
			t.Fatalf("no packets: %v", err)
		}
		if p.Epoch == epoch {
			break
		}
	}
	if _, err := s.Command(ctx, "reset", nil); err != nil {
		t.Fatalf("command: %v", err)
	}
}
