package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestLedgerKeepsTheNewest(t *testing.T) {
	l := pipeline.NewLedger(3)
	names := func(n uint64) ([]string, uint64) {
		records, next := l.Commands(n)
		got := []string{}
		for _, r := range records {
			got = append(got, r.Command)
		}
		return got, next
	}
	for _, name := range []string{"a", "b"} {
		l.Note(pipeline.CommandRecord{Command: name, Outcome: pipeline.CommandSent})
	}
	got, next := names(0)
	if diff := cmp.Diff(got, []string{"a", "b"}); diff != "" || next != 2 {
		t.Errorf("first look: next %d, %s", next, diff)
	}
	if got, _ = names(next); len(got) != 0 {
		t.Errorf("nothing new: got %v", got)
	}
	for _, name := range []string{"c", "d", "e", "f"} {
		l.Note(pipeline.CommandRecord{Command: name, Outcome: pipeline.CommandDeduped})
	}
	got, next = names(next)
	if diff := cmp.Diff(got, []string{"d", "e", "f"}); diff != "" || next != 6 {
		t.Errorf("after an overrun: next %d, %s", next, diff)
	}
	if got, next = names(99); len(got) != 0 || next != 6 {
		t.Errorf("a number from another ledger: got %v, next %d", got, next)
	}
	want := map[pipeline.Outcome]uint64{pipeline.CommandSent: 2, pipeline.CommandDeduped: 4}
	if diff := cmp.Diff(l.Counts(), want); diff != "" {
		t.Error(diff)
	}
}

func TestCommandRecordJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC)
	tests := []struct {
		name   string
		record pipeline.CommandRecord
		want   string
	}{
		{
			"sent",
			pipeline.CommandRecord{
				Time: at, Command: "set_prompt", Args: map[string]any{"prompt": "rain"}, Outcome: pipeline.CommandSent,
				Reply: pipeline.Reply{Type: "prompt_accepted"}, RoundTrip: 12345 * time.Microsecond,
				Cause: pipeline.Cause{Node: "steer", Stream: "cam", Seq: 7, Frame: json.RawMessage(`{"seq":7}`)},
			},
			`{"time":"2026-01-02T03:04:05.000006Z","command":"set_prompt","args":{"prompt":"rain"},"outcome":"sent",` +
				`"round_trip_ms":12.345,"reply":{"type":"prompt_accepted"},"cause":{"node":"steer","stream":"cam","seq":7,"frame":{"seq":7}}}`,
		},
		{
			"without a frame",
			pipeline.CommandRecord{Time: at, Command: "reset", Outcome: pipeline.CommandFailed, Reason: "no reply"},
			`{"time":"2026-01-02T03:04:05.000006Z","command":"reset","outcome":"failed","reason":"no reply"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.record)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(got), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSettle(t *testing.T) {
	refused := &pipeline.Refused{Command: "jump", Code: "invalid_command", Reason: "too high"}
	tests := []struct {
		name    string
		err     error
		outcome pipeline.Outcome
		reason  string
	}{
		{"accepted", nil, pipeline.CommandSent, ""},
		{"refused", fmt.Errorf("steer: %w", refused), pipeline.CommandRefused, "too high"},
		{"lost", errors.New("no reply"), pipeline.CommandFailed, "no reply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r pipeline.CommandRecord
			r.Settle(pipeline.Reply{}, tt.err, time.Second)
			if r.Outcome != tt.outcome || r.Reason != tt.reason || r.RoundTrip != time.Second {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestCause(t *testing.T) {
	if got := pipeline.CauseOf(t.Context()); got.Node != "" {
		t.Errorf("without a cause: got %v", got)
	}
	ctx := pipeline.WithCause(t.Context(), pipeline.Cause{Node: "steer", Seq: 3})
	if got := pipeline.CauseOf(ctx); got.Node != "steer" || got.Seq != 3 {
		t.Errorf("got %v", got)
	}
}
