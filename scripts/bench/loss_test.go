package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The test program is also the processes that it measures.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childFlag {
		os.Exit(childMain(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

func TestWatch(t *testing.T) {
	times := []int64{0, 100, 250, 401, 500}
	for i := range times {
		times[i] *= int64(time.Millisecond)
	}
	got := watch(times, int64(time.Second))
	want := watched{FPS: 5, Freezes: 2, Frozen: 651 * time.Millisecond, Longest: 500 * time.Millisecond}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(watched{}, watch(nil, 5)); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
}

// What was measured is kept, and not measured again.
func TestResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "loss.jsonl")
	all := cells(2, time.Second)
	first, err := openResults(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.add(outcome{all[0], watched{Freezes: 3}}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.file.WriteString(`{"Server": "run`); err != nil { // cut off
		t.Fatal(err)
	}
	first.close()
	again, err := openResults(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if !again.has(all[0]) || again.has(all[1]) {
		t.Errorf("kept %+v, want the first cell alone", again.all)
	}
}

// The short form of the table: with a packet in twenty lost, in both directions,
// the picture goes on.
func TestLoss(t *testing.T) {
	if os.Getenv("REACTORPIPE_INTEROP") == "" {
		t.Skip("needs the published runtime and client: make interop")
	}
	h, err := newHarness(filepath.Join("..", ".."), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	h.seconds = 6 * time.Second
	wire, err := newLossy(t.Context())
	if errors.Is(err, errNoNamespaces) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := wire.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, server := range []string{onRuntime, onSimulator} {
		for _, client := range []string{"ours", "theirs"} {
			seen, err := h.lose(t.Context(), wire, cell{Server: server, Percent: 5, Client: client})
			if err != nil {
				t.Fatalf("%s, %s: %v", server, client, err)
			}
			t.Logf("%s, %s: %+v", server, client, seen)
			if client == "ours" && (seen.Frozen > h.seconds/2 || seen.FPS < 5) {
				t.Errorf("%s: the picture stands: %+v", server, seen)
			}
		}
	}
}
