package session_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// keeping is a session that is kept beside the test.
type keeping struct {
	*session.Session
	ready chan error // of each time that it was ready again
	over  chan error // what Keep returned
	stop  context.CancelFunc
}

func keep(t *testing.T, s *session.Session) *keeping {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	k := &keeping{Session: s, ready: make(chan error, 100), over: make(chan error, 1), stop: cancel}
	var kept sync.WaitGroup
	kept.Go(func() {
		k.over <- s.Keep(ctx, func(_ context.Context, err error) { k.ready <- err })
	})
	t.Cleanup(func() {
		cancel()
		kept.Wait()
	})
	return k
}

// back waits until the session is ready again.
func (k *keeping) back(t *testing.T) {
	t.Helper()
	select {
	case err := <-k.ready:
		if err != nil {
			t.Fatal(err)
		}
	case err := <-k.over:
		t.Fatalf("it is over: %v", err)
	case <-time.After(patience):
		t.Fatal("it did not come back")
	}
}

// ended waits until it is over for good.
func (k *keeping) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-k.over:
		return err
	case <-time.After(patience):
		t.Fatal("it goes on")
		return nil
	}
}

// creations counts the sessions that a server made, and what they were told.
type creations struct {
	mu    sync.Mutex // guards what follows
	made  []string
	ended []string // why
	told  []string // commands, with the first letter of their session
}

// count has a model say what happens to its sessions.
func (c *creations) count(m sessiontest.Model) sessiontest.Model {
	m.Started = func(id string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.made = append(c.made, id)
	}
	m.Ended = func(_, reason string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended = append(c.ended, reason)
	}
	for i := range m.Commands {
		handle := m.Commands[i].Handle
		m.Commands[i].Handle = func(ctx context.Context, call *sessiontest.Call) (*sessiontest.Message, error) {
			c.mu.Lock()
			c.told = append(c.told, string(rune('A'+slices.Index(c.made, call.Session)))+" "+call.Name)
			c.mu.Unlock()
			if handle == nil {
				return nil, nil
			}
			return handle(ctx, call)
		}
	}
	return m
}

func (c *creations) seen() (made int, told []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.made), slices.Clone(c.told)
}

func renewing(spec config.Session) config.Session {
	spec.Renew = &config.Renew{}
	return spec
}

// Without renew a session that the server ended is over, and so are its messages.
func TestKeepEndsWithTheSession(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := open(t, local(srv.URL()))
	k := keep(t, s)
	messages := s.Messages(within(t))
	live, err := s.Live()
	if err != nil {
		t.Fatal(err)
	}
	srv.EndSessions("that was all")
	if err := k.ended(t); !errors.Is(err, sdk.ErrSessionEnded) {
		t.Errorf("got %v", err)
	}
	for m := range messages {
		t.Errorf("%+v", m)
	}
	if _, _, err := s.Hold(within(t), live); !errors.Is(err, sdk.ErrSessionEnded) {
		t.Errorf("what follows: %v", err)
	}
}

func TestKeepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	k := keep(t, open(t, local(srv.URL())))
	k.stop()
	if err := k.ended(t); err != nil {
		t.Errorf("got %v", err)
	}
}

// waking is a clock whose waits end when the test says so.
type waking struct {
	pipeline.SystemClock
	waits chan struct{} // one token for each wait
	ready chan time.Time
}

func (c waking) After(time.Duration) <-chan time.Time {
	c.waits <- struct{}{}
	return c.ready
}

// After a reconnect the schema is read anew, and whoever cares is told.
func TestKeepTellsOfAReconnect(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	k := keep(t, open(t, local(srv.URL())))
	srv.Drop()
	k.back(t)
	if _, err := k.Command(within(t), "reset", nil); err != nil {
		t.Error(err)
	}
	if n := k.Renewals(); n != 0 {
		t.Errorf("%d renewals", n)
	}
}

// The server ends the session: another takes its place, started and set as the
// one before, and nobody who listens or publishes has to do anything.
func TestRenewAfterTheEnd(t *testing.T) {
	t.Parallel()
	var c creations
	srv := sessiontest.New(t, c.count(lamp()))
	spec := renewing(local(srv.URL()))
	spec.Start = []config.SessionCommand{{Command: "reset"}}
	s := open(t, spec)
	if err := s.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	k := keep(t, s)
	messages := s.Messages(within(t))
	w, err := s.Publish(within(t), pipeline.Publish{Track: "source", Codec: "vp8"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, brightness := range []float64{0.5, 1.5} {
		if _, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": brightness}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": 7.0}); err == nil {
		t.Fatal("7 was taken")
	}

	srv.EndSessions("that was all")
	k.back(t)
	srv.Broadcast("state", map[string]any{"of": "the next"})
	for m := range messages {
		if m.Type == "state" {
			break
		}
	}
	made, told := c.seen()
	want := []string{"A reset", "A set_brightness", "A set_brightness", "A reset", "A set_brightness"} // a local session has one name
	if diff := cmp.Diff(want, told); diff != "" || made != 2 {
		t.Errorf("%d sessions, told (-want +got):\n%s", made, diff)
	}
	records, _ := s.Commands(0)
	last := records[len(records)-1]
	if last.Cause.Node != "renew" || last.Args["brightness"] != 1.5 || last.Outcome != pipeline.CommandSent {
		t.Errorf("set again: %+v", last)
	}
	if s.Renewals() != 1 || s.Status() != sdk.StatusReady {
		t.Errorf("%d renewals, %s", s.Renewals(), s.Status())
	}
	published(t, srv, w)
}

// published waits until samples reach the model.
func published(t *testing.T, srv *sessiontest.Server, w pipeline.SampleWriter) {
	t.Helper()
	ctx := within(t)
	for {
		err := w.WriteSample(pipeline.Sample{Data: sessiontest.VP8Clip().Frames[0]})
		if err == nil {
			return
		}
		if !errors.Is(err, pipeline.ErrNotReady) {
			t.Fatalf("write: %v", err)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still %v", err)
		case <-time.After(time.Millisecond):
		}
	}
}

// cloud is a session with the cloud's routes of a server, of a limit that its
// renewal is near.
func cloud(url string, limit, before time.Duration) config.Session {
	return config.Session{
		URL: url, Model: "owner/lamp", APIKey: "key", Wait: patience, OnExit: "end",
		Limit: limit, AskLimit: true, Renew: &config.Renew{Before: config.Duration(before)},
	}
}

// stepping is a clock of which a test ends the longest waits.
type stepping struct {
	pipeline.SystemClock
	least time.Duration // shorter waits take their time
	mu    sync.Mutex    // guards what follows
	waits []chan time.Time
	asked []time.Duration
	begun chan struct{} // a token for each
}

func newStepping(least time.Duration) *stepping {
	return &stepping{least: least, begun: make(chan struct{}, 100)}
}

func (c *stepping) After(d time.Duration) <-chan time.Time {
	if d < c.least {
		return time.After(d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := make(chan time.Time, 1)
	c.waits, c.asked = append(c.waits, w), append(c.asked, d)
	c.begun <- struct{}{}
	return w
}

// pass ends the oldest wait, once there is one.
func (c *stepping) pass(t *testing.T) (waited time.Duration) {
	t.Helper()
	select {
	case <-c.begun:
	case <-time.After(patience):
		t.Fatal("nobody waits")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits[0] <- time.Now()
	waited = c.asked[0]
	c.waits, c.asked = c.waits[1:], c.asked[1:]
	return waited
}

// Near its limit a session is followed by another beside it, where the account
// has room for both: the one before ends when nobody holds it any more.
func TestRenewBeside(t *testing.T) {
	t.Parallel()
	var c creations
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: c.count(lamp()), MaxSessions: 2})
	clock := newStepping(time.Minute)
	spec := cloud(srv.URL(), 20*time.Minute, time.Minute)
	spec.Stop = []config.SessionCommand{{Command: "fail"}, {Command: "reset"}} // the first is refused
	s := session.New(session.Config{Spec: spec, Log: slog.New(slog.DiscardHandler), Clock: clock})
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil && !closed {
			t.Error(err)
		}
	})
	k := keep(t, s)
	first, release, err := s.Hold(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if waited := clock.pass(t); waited > 19*time.Minute || waited < 18*time.Minute {
		t.Errorf("renewed after %v, want 19m", waited)
	}
	k.back(t)
	second, _, err := s.Hold(within(t), first)
	if err != nil || second.ID() == first.ID() {
		t.Fatalf("%v follows %v, %v", second, first, err)
	}
	if n := srv.Sessions(); n != 2 || first.Err() != nil {
		t.Errorf("%d sessions, the first is over: %v", n, first.Err())
	}
	if _, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": 1.0}); err != nil {
		t.Error(err)
	}
	release()
	select {
	case <-first.Done():
	case <-time.After(patience):
		t.Fatal("the first goes on")
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	closed = true
	made, told := c.seen()
	if diff := cmp.Diff([]string{"B set_brightness", "A fail", "B fail"}, told); diff != "" || made != 2 {
		t.Errorf("%d sessions, told (-want +got):\n%s", made, diff)
	}
	k.stop()
}

// Where there is no room for two, the one ends and the other begins.
func TestRenewOneAfterTheOther(t *testing.T) {
	t.Parallel()
	var c creations
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: c.count(lamp()), MaxSessions: 1})
	clock := newStepping(time.Minute)
	s := session.New(session.Config{
		Spec: cloud(srv.URL(), 20*time.Minute, time.Second), // half of that for more tries
		Log:  slog.New(slog.DiscardHandler), Clock: clock,
	})
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	k := keep(t, s)
	first, release, err := s.Hold(within(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	clock.pass(t)
	k.back(t)
	if made, _ := c.seen(); made != 2 || srv.Sessions() != 1 || !errors.Is(first.Err(), sdk.ErrClosed) {
		t.Errorf("%d made, %d running, the first: %v", made, srv.Sessions(), first.Err())
	}
	k.stop()
}

// A model that ends as soon as it begins is given longer and longer to come to
// itself: nothing before the second time, then about a second, two, four.
func TestSessionsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	clock := waking{waits: make(chan struct{}, 100), ready: make(chan time.Time)}
	close(clock.ready) // nobody waits
	var log pipetest.Log
	s := session.New(session.Config{
		Spec: renewing(local(srv.URL())), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})), Clock: clock,
	})
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	k := keep(t, s)
	for range 4 {
		srv.EndSessions("it falls over")
		k.back(t)
	}
	k.stop()
	said := regexp.MustCompile(`sessions end as soon as they begin, waiting before the next" for=(\S+) in_a_row=(\d)`).FindAllStringSubmatch(log.String(), -1)
	if len(said) != 3 {
		t.Fatalf("it waited %d times, want 3:\n%s", len(said), log.String())
	}
	for i, m := range said {
		waited, err := time.ParseDuration(m[1])
		usual := time.Second << i
		if err != nil || waited < usual/2 || waited > usual*3/2 || m[2] != strconv.Itoa(i+2) {
			t.Errorf("it waited %s after %s in a row, want about %s after %d", m[1], m[2], usual, i+2)
		}
	}
}

// A crash loop makes no more sessions than the budget has, over restarts of the
// program too.
func TestBudget(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state", "lamp.main.sessions")
	var c creations
	m := c.count(lamp())
	srv := sessiontest.New(t, m)
	spec := renewing(local(srv.URL()))
	spec.Budget = &config.Budget{Sessions: 3, Per: config.Duration(time.Hour), File: file}
	clock := waking{waits: make(chan struct{}, 100), ready: make(chan time.Time)}
	close(clock.ready) // nobody waits
	run := func() error {
		s := session.New(session.Config{Spec: spec, Log: slog.New(slog.DiscardHandler), Clock: clock})
		defer func() { _ = s.Close(context.Background()) }()
		if err := s.Open(within(t)); err != nil {
			return err
		}
		k := keep(t, s)
		srv.EndSessions("it falls over")
		for {
			select {
			case <-k.ready:
				srv.EndSessions("it falls over")
			case err := <-k.over:
				return err
			}
		}
	}
	if err := run(); !errors.Is(err, session.ErrBudget) || !strings.HasPrefix(text(err), "renew: no more sessions may be made: budget: 3 in 1h0m0s are used up, the next is free in ") {
		t.Errorf("the first run: %v", err)
	}
	if err := run(); !errors.Is(err, session.ErrBudget) {
		t.Errorf("the second run: %v", err)
	}
	if made, _ := c.seen(); made != 3 {
		t.Errorf("%d sessions were made, want 3", made)
	}
}

// What the server refused to make is not spent.
func TestBudgetCountsWhatWasMade(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	srv.Fail(sessiontest.RouteStart, sessiontest.Fault{Status: 503, Times: 2})
	spec := local(srv.URL())
	spec.Budget = &config.Budget{Sessions: 1, Per: config.Duration(time.Hour)}
	s := open(t, spec)
	if s.Status() != sdk.StatusReady {
		t.Errorf("status %s", s.Status())
	}
}

// A session of somebody else is joined, told nothing, and left.
func TestAdopt(t *testing.T) {
	t.Parallel()
	var c creations
	srv := sessiontest.New(t, c.count(lamp()))
	owner, err := sdk.Connect(within(t), sdk.Config{BaseURL: srv.URL(), Local: true})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	spec := local(srv.URL())
	spec.Adopt, spec.OnExit = &config.Adopt{SessionID: owner.ID()}, "leave"
	spec.Start = []config.SessionCommand{{Command: "reset"}}
	spec.Stop, spec.OnStall = spec.Start, spec.Start
	s := session.New(session.Config{Spec: spec, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}})
	if err := errors.Join(s.Open(within(t)), s.Start(within(t)), s.Stalled(within(t))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Command(within(t), "set_brightness", map[string]any{"brightness": 1.0}); err != nil {
		t.Error(err)
	}
	if err := s.Close(within(t)); err != nil {
		t.Error(err)
	}
	made, told := c.seen()
	if diff := cmp.Diff([]string{"A set_brightness"}, told); diff != "" || made != 1 || srv.Sessions() != 1 || owner.Err() != nil {
		t.Errorf("%d made, %d running, owner: %v, told (-want +got):\n%s", made, srv.Sessions(), owner.Err(), diff)
	}
}

func TestAdoptNobody(t *testing.T) {
	t.Parallel()
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: lamp()})
	spec := cloud(srv.URL(), 0, 0)
	spec.Renew, spec.AskLimit = nil, false
	spec.Adopt = &config.Adopt{SessionID: "00000000-0000-0000-0000-000000000001"}
	err := newSession(t, spec).Open(within(t))
	if !errors.Is(err, pipeline.ErrInvalid) || !strings.HasPrefix(text(err), "session 00000000-0000-0000-0000-000000000001: ") {
		t.Errorf("got %v", err)
	}
}
