package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

func listening(t *testing.T, s pipeline.Session, messageType string) pipeline.Source {
	t.Helper()
	source, err := NewMessage(pipeline.Env{Name: "state", Session: s}, MessageConfig{Message: messageType})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return source
}

// waiting returns the messages that are there.
func waiting(t *testing.T, s pipeline.Source) []*pipeline.Frame {
	t.Helper()
	var out []*pipeline.Frame
	for {
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		f, err := s.Read(ctx)
		cancel()
		if err != nil {
			return out
		}
		out = append(out, f)
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

func TestMessages(t *testing.T) {
	tests := []struct{ of, want string }{
		{"state", "state 0 0s, state 1 2s, "},
		{"*", "state 0 0s, other 1 1s, state 2 2s, "},
		{"silence", ""},
	}
	for _, tt := range tests {
		t.Run(tt.of, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				session := &pipetest.Session{}
				source := listening(t, session, tt.of)
				waiting(t, source) // begins to listen
				for _, name := range []string{"state", "other", "state"} {
					session.Say(pipeline.Message{Type: name, At: time.Now()})
					time.Sleep(time.Second)
				}
				got := ""
				for _, f := range waiting(t, source) {
					got += fmt.Sprintf("%s %d %v, ", f.Message.Type, f.Seq, f.PTS)
					if f.Image() != nil || f.Width != 0 || f.Stream != "state" || !f.Arrival.Equal(f.Message.At) {
						t.Errorf("got %+v", f.Meta)
					}
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// What is said between the session's being ready and the first Read is heard.
func TestMessagesBeforeTheFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &pipetest.Session{}
		source := listening(t, session, "state")
		for range 2 { // once for each connection
			if err := source.(pipeline.SessionUser).SessionReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		session.Say(pipeline.Message{Type: "state"})
		if got := waiting(t, source); len(got) != 1 {
			t.Errorf("got %v, want what was said", got)
		}
	})
}

// Of too many messages the newest are kept, in order.
func TestMessagesThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &pipetest.Session{}
		source := listening(t, session, "state")
		waiting(t, source)
		const said = maxMessages + 40
		for i := range said {
			session.Say(pipeline.Message{Type: "state", Data: map[string]any{"n": i}})
			synctest.Wait()
		}
		got := waiting(t, source)
		if len(got) != maxMessages {
			t.Fatalf("got %d, want %d", len(got), maxMessages)
		}
		for i, f := range got {
			if f.Message.Data["n"] != 40+i || f.Seq != uint64(i) {
				t.Fatalf("message %d: %+v", i, f.Message)
			}
		}
		if c := source.(pipeline.CountingSource).Counts(); c.Received != said || c.Dropped["behind"] != 40 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestMessagesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &pipetest.Session{}
		source := listening(t, session, "*")
		waiting(t, source)
		session.Say(pipeline.Message{Type: "goodbye"})
		synctest.Wait()
		session.End()
		if got := waiting(t, source); len(got) != 1 {
			t.Errorf("got %v, want the last message", got)
		}
		if _, err := source.Read(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
	})
}

func TestMessagesClose(t *testing.T) {
	for _, begun := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			source := listening(t, &pipetest.Session{}, "*")
			if begun {
				waiting(t, source)
			}
			for range 2 {
				if err := source.Close(); err != nil {
					t.Error(err)
				}
			}
			if _, err := source.Read(t.Context()); !errors.Is(err, io.EOF) {
				t.Errorf("got %v from a closed source", err)
			}
		})
	}
}

func TestMessageUse(t *testing.T) {
	for of, want := range map[string]pipeline.Use{
		"state": {Messages: []string{"state"}},
		"*":     {},
	} {
		if diff := cmp.Diff(want, (&MessageConfig{Message: of}).SessionUse()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", of, diff)
		}
	}
}

func TestMessageConfig(t *testing.T) {
	err := (&MessageConfig{}).Validate()
	if want := `message: must be the type of a message, or "*" for all`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// renewed is a session that another takes the place of.
type renewed struct {
	pipetest.Session
	renewals uint64
}

func (s *renewed) Renewals() uint64 { return s.renewals }

// The first message after a break says so.
func TestMessagesAfterABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &renewed{}
		source := listening(t, session, "state")
		back := func() {
			if err := source.(pipeline.SessionUser).SessionReady(t.Context()); err != nil {
				t.Error(err)
			}
		}
		breaks := func() (breaks []pipeline.Reason) {
			for range 2 {
				session.Say(pipeline.Message{Type: "state", At: time.Now()})
			}
			for _, f := range waiting(t, source) {
				breaks = append(breaks, f.Discontinuity)
			}
			return breaks
		}
		back()
		got := [][]pipeline.Reason{breaks()}
		back()
		got = append(got, breaks())
		session.renewals++
		back()
		got = append(got, breaks())
		if diff := cmp.Diff(got, [][]pipeline.Reason{{"", ""}, {pipeline.Reconnect, ""}, {pipeline.Renewal, ""}}); diff != "" {
			t.Errorf("breaks: %s", diff)
		}
	})
}
