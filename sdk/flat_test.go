package sdk_test

import (
	"flag"
	"os"
	"runtime"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// rounds is few for every day; go test ./sdk -run Flat -rounds 1000 -timeout 1h
// is the long form.
var rounds = flag.Int("rounds", 24, "how often TestFlat does each thing, a third of it under the race detector")

// TestFlat does again and again what a client does for days: nothing piles up.
func TestFlat(t *testing.T) {
	tests := []struct {
		name string
		// begin returns what one round is.
		begin func(t *testing.T, srv *sessiontest.Server) (round func(t *testing.T))
	}{
		{"reconnect", func(t *testing.T, srv *sessiontest.Server) func(*testing.T) {
			s := connect(t, srv, sdk.Config{})
			tr := track(t, s, "main_video")
			epoch := read(t, tr).Epoch
			return func(t *testing.T) {
				if err := s.Reconnect(within(t)); err != nil {
					t.Fatal(err)
				}
				epoch++
				for read(t, tr).Epoch < epoch {
				}
			}
		}},
		{"connect and close", func(t *testing.T, srv *sessiontest.Server) func(*testing.T) {
			return func(t *testing.T) {
				s := connect(t, srv, sdk.Config{})
				read(t, track(t, s, "main_video"))
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"renewal", func(t *testing.T, srv *sessiontest.Server) func(*testing.T) {
			begin := func(t *testing.T) *sdk.Session {
				next, err := sdk.Connect(within(t), sdk.Config{BaseURL: srv.URL(), Model: "lamp", APIKey: "k"})
				if err != nil {
					t.Fatal(err)
				}
				read(t, track(t, next, "main_video"))
				return next
			}
			old := begin(t)
			t.Cleanup(func() { _ = old.Close() })
			return func(t *testing.T) {
				next := begin(t)
				if err := old.Close(); err != nil {
					t.Fatal(err)
				}
				old = next
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			round := tt.begin(t, sessiontest.New(t, lamp()))
			measured := *rounds
			if sdk.Raced {
				measured /= 3
			}
			for range measured / 4 {
				once(t, round)
			}
			before := count()
			for range measured {
				once(t, round)
			}
			// The server's ends of connections go a moment after the client's.
			var after usage
			eventually(t, "goroutines and files are as many as before", func() bool {
				after = count()
				return after.goroutines <= before.goroutines+slackGoroutines && after.files <= before.files+slackFiles
			})
			// A connection of both ends holds about half a megabyte.
			if grown := after.heap - before.heap; grown > int64(measured)*32<<10+slackHeap {
				t.Errorf("the heap grew by %d KiB in %d rounds", grown>>10, measured)
			}
			t.Logf("before %+v, after %+v", before, after)
		})
	}
}

// What may differ without anything being lost: keep-alive connections, timers
// under way, the allocator's mood.
const (
	slackGoroutines = 10
	slackFiles      = 4
	slackHeap       = 4 << 20
)

// once runs a round with a context of its own, which ends with it.
func once(t *testing.T, round func(*testing.T)) {
	t.Helper()
	if !t.Run("round", round) {
		t.FailNow()
	}
}

// usage is what a leak would show in.
type usage struct {
	goroutines, files int
	heap              int64 // bytes that are in use
}

func count() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no /proc
	return usage{runtime.NumGoroutine(), len(files), int64(m.HeapAlloc)}
}
