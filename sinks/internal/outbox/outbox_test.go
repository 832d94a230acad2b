package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the other side. It answers each call as the script says, and takes
// everything once that is over.
type peer struct {
	mu     sync.Mutex // guards what follows
	script []func(n int) (int, error)
	calls  []time.Time
	got    []string
	ids    map[string]string
}

func (p *peer) deliver(ctx context.Context, batch []Message) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, time.Now())
	n, err := len(batch), error(nil)
	if len(p.script) > 0 {
		n, err = p.script[0](n)
		p.script = p.script[1:]
	}
	for _, m := range batch[:n] {
		if p.ids == nil {
			p.ids = make(map[string]string)
		}
		if other, again := p.ids[m.ID]; again && other != string(m.Body) {
			return 0, fmt.Errorf("%s is %s, and was %s", m.ID, m.Body, other)
		}
		p.ids[m.ID] = string(m.Body)
		p.got = append(p.got, m.Key+string(m.Body))
	}
	return n, errors.Join(err, ctx.Err())
}

func (p *peer) taken() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...)
}

func fail(n int) func(int) (int, error) {
	return func(int) (int, error) { return n, errors.New("nobody there") }
}

func refuse(n int) func(int) (int, error) {
	return func(int) (int, error) { return 0, &Refused{Count: n, Err: errors.New("no")} }
}

func later(d time.Duration) func(int) (int, error) {
	return func(int) (int, error) { return 0, &Later{After: d, Err: errors.New("busy")} }
}

func testEnv(log *bytes.Buffer) (pipeline.Env, *pipetest.Counters) {
	m := new(pipetest.Counters)
	return pipeline.Env{Name: "hook", Log: slog.New(slog.NewTextHandler(log, nil)), Clock: pipeline.SystemClock{}, Metrics: m}, m
}

func TestOutbox(t *testing.T) {
	tests := []struct {
		name   string
		batch  int
		script []func(int) (int, error)
		want   []string
		counts map[string]float64
		atMost time.Duration // and at least half of it
	}{
		{"one by one", 1, nil, []string{"a", "b", "c", "d"}, map[string]float64{"delivered_total": 4}, 0},
		{"in batches", 3, nil, []string{"a", "b", "c", "d"}, map[string]float64{"delivered_total": 4}, 0},
		{
			"an outage", 2,
			[]func(int) (int, error){fail(0), fail(0), fail(0), fail(0)},
			[]string{"a", "b", "c", "d"},
			map[string]float64{"delivered_total": 4, "retries_total": 4},
			11250 * time.Millisecond,
		},
		{
			"taken in part", 3,
			[]func(int) (int, error){fail(2)},
			[]string{"a", "b", "c", "d"},
			map[string]float64{"delivered_total": 4, "retries_total": 1},
			750 * time.Millisecond,
		},
		{
			"refused", 2,
			[]func(int) (int, error){refuse(2)},
			[]string{"c", "d"},
			map[string]float64{"delivered_total": 2, "refused_total": 2},
			0,
		},
		{
			"refused in part", 4,
			[]func(int) (int, error){refuse(1)},
			[]string{"b", "c", "d"},
			map[string]float64{"delivered_total": 3, "refused_total": 1},
			0,
		},
		{
			"later", 4,
			[]func(int) (int, error){later(time.Minute)},
			[]string{"a", "b", "c", "d"},
			map[string]float64{"delivered_total": 4, "retries_total": 1},
			2 * time.Minute,
		},
		{
			"far too late", 4,
			[]func(int) (int, error){later(1000 * time.Hour)},
			[]string{"a", "b", "c", "d"},
			map[string]float64{"delivered_total": 4, "retries_total": 1},
			2 * mostPatience,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				p := &peer{script: tt.script}
				env, counts := testEnv(new(bytes.Buffer))
				cfg := Default()
				cfg.Path = dir
				o, err := openHeld(env, cfg, tt.batch, p.deliver, "a", "b", "c", "d")
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Hour)
				if err := errors.Join(o.Close(), o.Close()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(p.taken(), tt.want); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(counts.All(), tt.counts); diff != "" {
					t.Error(diff)
				}
				took := p.calls[len(p.calls)-1].Sub(p.calls[0])
				if took > tt.atMost || took < tt.atMost/4 {
					t.Errorf("it took %s, want no more than %s", took, tt.atMost)
				}
			})
		})
	}
}

// openHeld opens an outbox in which messages wait already.
func openHeld(env pipeline.Env, cfg Config, batch int, deliver Deliver, bodies ...string) (*Outbox, error) {
	s, err := openSpool(cfg.Path, int64(cfg.Size))
	if err != nil {
		return nil, err
	}
	for _, body := range bodies {
		if _, err := s.put(append([]byte{0}, body...)); err != nil {
			return nil, err
		}
	}
	if err := s.close(); err != nil {
		return nil, err
	}
	return Open(env, cfg, batch, deliver)
}

// What is not delivered by the end is delivered by the next run.
func TestOutboxOverRestarts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var script []func(int) (int, error)
		for range 1000 {
			script = append(script, fail(0))
		}
		p := &peer{script: script}
		log := new(bytes.Buffer)
		env, _ := testEnv(log)
		cfg := Default()
		cfg.Path = dir
		var want []string
		for run := range 3 {
			o, err := Open(env, cfg, 2, p.deliver)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				body := fmt.Sprint(run, i)
				if err := o.Put(t.Context(), "key ", []byte(body)); err != nil {
					t.Fatal(err)
				}
				want = append(want, "key "+body)
				<-time.After(time.Second)
			}
			<-time.After(10 * time.Minute)
			if run == 2 {
				p.mu.Lock()
				p.script = nil
				p.mu.Unlock()
				<-time.After(time.Minute)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(p.taken(), want); diff != "" {
			t.Error(diff)
		}
		for message, want := range map[string]int{"messages wait for the next run": 2, "messages of an earlier run wait": 2, "delivering again": 1} {
			if got := strings.Count(log.String(), message); got != want {
				t.Errorf("%q is logged %d times, want %d", message, got, want)
			}
		}
	})
}

// A reload makes the next outbox before the last has ended.
func TestOutboxWaitsForItsFolder(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := new(peer)
		env, _ := testEnv(new(bytes.Buffer))
		cfg := Default()
		cfg.Path = dir
		first, err := Open(env, cfg, 1, p.deliver)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Open(env, cfg, 1, p.deliver)
		if err != nil {
			t.Fatal(err)
		}
		third, err := Open(env, cfg, 1, p.deliver)
		if err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := second.Put(impatient, "", []byte("0")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := errors.Join(third.Close(), first.Put(t.Context(), "", []byte("1")), first.Close()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(second.Put(t.Context(), "", []byte("2")), second.Close()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.taken(), []string{"1", "2"}); diff != "" {
			t.Error(diff)
		}
	})
}

// A delivery that hangs does not hold up the end.
func TestOutboxClosesInTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		env, _ := testEnv(new(bytes.Buffer))
		cfg := Default()
		cfg.Path = dir
		o, err := Open(env, cfg, 1, func(ctx context.Context, _ []Message) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Put(t.Context(), "", []byte("1")); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != closeGrace {
			t.Errorf("it took %s", took)
		}
	})
}

func TestOutboxOverflows(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		env, counts := testEnv(log)
		cfg := Config{Path: dir, Size: smallest}
		p := &peer{script: []func(int) (int, error){later(time.Minute)}}
		o, err := Open(env, cfg, 1, p.deliver)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 3000 {
			if err := o.Put(t.Context(), "", fmt.Appendf(nil, "%01000d", n)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Hour)
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		got := counts.All()
		if got["delivered_total"]+got["overflowed_total"] != 3000 || got["overflowed_total"] < 1900 {
			t.Errorf("got %v", got)
		}
		if n := strings.Count(log.String(), "some are thrown away"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, log)
		}
	})
}

// TestOutboxOnAFullDisk: that it is full is said once, and so is that it has room again.
func TestOutboxOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, "1m")
	log := new(bytes.Buffer)
	env, counts := testEnv(log)
	p := &peer{script: []func(int) (int, error){later(time.Hour)}}
	o, err := Open(env, Config{Path: filepath.Join(dir, "buffer"), Size: smallest}, 1, p.deliver)
	if err != nil {
		t.Fatal(err)
	}
	put := func() {
		t.Helper()
		if err := o.Put(t.Context(), "", make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	put()
	other := fill(t, dir)
	put()
	put()
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	put()
	put()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	for message, want := range map[string]int{"cannot buffer on the disk": 1, "buffering on the disk again": 1, "no space left on device": 1} {
		if got := strings.Count(log.String(), message); got != want {
			t.Errorf("%q is logged %d times, want %d:\n%s", message, got, want, log)
		}
	}
	if got := counts.All(); got["overflowed_total"] != 0 {
		t.Errorf("got %v", got)
	}
}

func TestOutboxFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env, _ := testEnv(new(bytes.Buffer))
	cfg := Default()
	cfg.Path = filepath.Join(file, "buffer")
	_, err := Open(env, cfg, 1, new(peer).deliver)
	if want := "mkdir " + file + ": not a directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := (&Config{Size: 5}).Validate(); err == nil || err.Error() != "size: must be 1MiB at least, got 5" {
		t.Errorf("got %v", err)
	}
}
