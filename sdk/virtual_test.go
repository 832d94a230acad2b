package sdk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// world is a model, a client and a network between them, all in virtual time.
type world struct {
	*sessiontest.Memory
	srv *sessiontest.Server
}

// inWorld runs a test in a bubble.
func inWorld(t *testing.T, cfg sessiontest.Config, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, err := sessiontest.NewMemory()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		cfg.Memory = m
		cfg.Model = sessiontest.Model{
			Tracks: []sessiontest.Track{
				{Name: "main_video", Loop: sessiontest.TestClips()},
				{Name: "source", Direction: sessiontest.SendOnly},
			},
			Commands: []sessiontest.Command{{Name: "reset"}},
		}
		test(t, &world{Memory: m, srv: sessiontest.NewConfig(t, cfg)})
	})
}

func (w *world) config(cfg Config) Config {
	cfg.BaseURL = w.srv.URL()
	cfg.Local = cfg.APIKey == "" && cfg.Token == ""
	cfg.hooks = hooks{net: w.Client(), dial: w.DialContext}
	if cfg.Model == "" && !cfg.Local {
		cfg.Model = "acme/m"
	}
	return cfg
}

func (w *world) connect(t *testing.T, cfg Config) *Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Connect(ctx, w.config(cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestVirtual(t *testing.T) {
	inWorld(t, sessiontest.Config{}, func(t *testing.T, w *world) {
		begun := time.Now()
		s := w.connect(t, Config{})
		t.Log(time.Since(begun))
		tr, _ := s.Track("main_video")
		p, err := tr.ReadRTP(t.Context())
		t.Log(time.Since(begun), p, err)
	})
}
