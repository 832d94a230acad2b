package session_test

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// Whoever sends: start and stop commands, sinks, people by hand, and what never
// became a command, all stand in one file.
func TestLedgerFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "made", "commands.jsonl")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{\"torn\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := sessiontest.New(t, lamp())
	spec := local(srv.URL())
	spec.Commands.Ledger = expr.Literal(path)
	spec.Start = []config.SessionCommand{{Command: "reset"}}
	spec.Stop = []config.SessionCommand{{Command: "reset"}}
	s := session.New(session.Config{Spec: spec, Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}})
	if err := s.Open(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(within(t)); err != nil {
		t.Fatal(err)
	}
	cause := pipeline.Cause{Node: "steer", Stream: "cam", Seq: 7, Frame: json.RawMessage(`{"annotations":{"people":{}}}`)}
	if _, err := s.Command(pipeline.WithCause(within(t), cause), "set_brightness", map[string]any{"brightness": 0.5}); err != nil {
		t.Fatal(err)
	}
	s.Note(pipeline.CommandRecord{Command: "reset", Outcome: pipeline.CommandExpired, Args: map[string]any{"x": math.NaN()}})
	if err := s.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var r struct {
			Command, Outcome, Reason string
			Cause                    struct {
				Node  string
				Seq   uint64
				Frame map[string]any
			}
			RoundTripMS float64 `json:"round_trip_ms"`
		}
		if json.Unmarshal([]byte(line), &r) != nil {
			got = append(got, "torn")
			continue
		}
		entry := strings.TrimSpace(strings.Join([]string{r.Command, r.Outcome, r.Cause.Node, r.Reason}, " "))
		if r.Cause.Frame["annotations"] != nil {
			entry += " with its frame"
		}
		if (r.RoundTripMS > 0) != (r.Outcome == "sent") {
			t.Errorf("%s: round trip %v ms", entry, r.RoundTripMS)
		}
		got = append(got, entry)
	}
	want := []string{
		"torn", "reset sent start", "set_brightness sent steer with its frame",
		"reset expired  its arguments are none that JSON has words for", "reset sent stop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestLedgerWithoutAPlace(t *testing.T) {
	t.Parallel()
	spec := local("http://127.0.0.1:1")
	spec.Commands.Ledger = expr.Literal(t.TempDir())
	err := newSession(t, spec).Open(within(t))
	if !strings.HasPrefix(text(err), "commands.ledger: open ") {
		t.Errorf("got %v", err)
	}
}

// A model acknowledges a command, and refuses it a moment later, to everybody:
// the ledger says both, with what caused the command.
func TestLateRefusal(t *testing.T) {
	t.Parallel()
	m := lamp()
	m.Commands = append(m.Commands, sessiontest.Command{
		Name: "set_mood", Args: []sessiontest.Arg{{Name: "mood", Type: sessiontest.String()}},
	})
	srv := sessiontest.New(t, m)
	s := open(t, renewing(local(srv.URL())))
	cause := pipeline.Cause{Node: "steer", Stream: "cam", Seq: 7}
	if _, err := s.Command(pipeline.WithCause(within(t), cause), "set_mood", map[string]any{"mood": "grim"}); err != nil {
		t.Fatal(err)
	}
	next, stop := iter.Pull(s.Messages(within(t)))
	defer stop()
	refuse := func(command string) { // and wait until that was heard
		srv.Broadcast("command_error", map[string]any{"command": command, "reason": "too grim"})
		srv.Broadcast("heard", nil)
		for m, ok := next(); ok && m.Type != "heard"; m, ok = next() {
			continue
		}
	}
	refuse("reset")                                              // nobody sent it
	if _, err := s.Command(within(t), "hush", nil); err == nil { // refused while its reply is waited for
		t.Error("hush was taken")
	}
	refuse("hush") // its own refusal, as everybody hears it
	refuse("set_mood")
	refuse("set_mood") // once is enough
	records, _ := s.Commands(0)
	var got []string
	for _, r := range records {
		reason, _, _ := strings.Cut(r.Reason, " (told ")
		got = append(got, strings.TrimSpace(strings.Join([]string{r.Command, string(r.Outcome), r.Cause.Node, reason}, " ")))
	}
	want := []string{"set_mood sent steer", "hush refused  no prompt", "set_mood refused steer too grim"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	if last := records[len(records)-1]; last.Cause.Seq != 7 || last.Args["mood"] != "grim" {
		t.Errorf("the late one: %+v", last)
	}
	k := keep(t, s)
	srv.EndSessions("the next one")
	k.back(t)
	if records, _ := s.Commands(0); len(records) != len(want) {
		t.Errorf("what was refused was set again: %+v", records[len(want):])
	}
}

// A refusal that a command had for an answer is not another's, however late it is heard
// that the model said it to everybody.
func TestRefusalOfALaterCommand(t *testing.T) {
	t.Parallel()
	m := lamp()
	refuses := false
	m.Commands = append(m.Commands, sessiontest.Command{Name: "set_mood", Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
		if refuses = !refuses; !refuses {
			c.Server.Broadcast("command_error", map[string]any{"command": "set_mood", "reason": "not again"})
		}
		return nil, nil
	}})
	srv := sessiontest.New(t, m)
	s := open(t, local(srv.URL()))
	next, stop := iter.Pull(s.Messages(within(t)))
	defer stop()
	for n := range 20 {
		if _, err := s.Command(within(t), "set_mood", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Command(within(t), "set_mood", nil); err == nil {
			t.Fatal("the second was taken")
		}
		srv.Broadcast("heard", nil)
		for m, ok := next(); ok && m.Type != "heard"; m, ok = next() {
			continue
		}
		if records, _ := s.Commands(0); len(records) != 2*n+2 {
			t.Fatalf("%d records of %d commands: the last is %+v", len(records), 2*n+2, records[len(records)-1])
		}
	}
}

// More commands than the session allows are not sent, nor entered.
func TestThrottled(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	spec := local(srv.URL())
	spec.Commands.Rate, spec.Commands.Burst = 0.001, 2
	s := open(t, spec)
	for i := range 3 {
		_, err := s.Command(within(t), "reset", nil)
		throttled, ok := err.(*pipeline.Throttled) //nolint:errorlint // nothing wraps it
		if ok != (i == 2) || err != nil && !ok {
			t.Fatalf("command %d: %v", i, err)
		}
		if ok && (throttled.After < 15*time.Minute || throttled.After > 17*time.Minute) {
			t.Errorf("again in %v, want 16m40s", throttled.After)
		}
	}
	if records, _ := s.Commands(0); len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}

// A circle is held back by the session, and says so in the ledger.
func TestSuppressed(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	spec := local(srv.URL())
	spec.Commands.Cycle = config.Cycle{Repeats: 2, Within: config.Duration(time.Minute), Pause: config.Duration(time.Hour)}
	s := open(t, spec)
	ctx := pipeline.WithCause(within(t), pipeline.Cause{Node: "light", Stream: "cam"})
	var outcomes []pipeline.Outcome
	for i := range 6 {
		_, _ = s.Command(ctx, "set_brightness", map[string]any{"brightness": float64(i % 2)}) // what comes of it is in the ledger
	}
	if _, err := s.Command(context.WithoutCancel(t.Context()), "set_brightness", map[string]any{"brightness": 1.0}); err != nil {
		t.Errorf("by hand: %v", err)
	}
	records, _ := s.Commands(0)
	for _, r := range records {
		outcomes = append(outcomes, r.Outcome)
	}
	sent, held := pipeline.CommandSent, pipeline.CommandSuppressed
	if diff := cmp.Diff([]pipeline.Outcome{sent, sent, sent, held, held, held, sent}, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
