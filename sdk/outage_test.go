package sdk

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// silence is how long a model shows nothing.
var silence = map[bool]time.Duration{false: 10 * time.Minute, true: time.Minute}[Raced]

// TestOutages takes away one thing after the other for a while. What is noticed
// is mended; the session stays.
func TestOutages(t *testing.T) {
	tests := []struct {
		name   string
		happen func(t *testing.T, w *world, s *Session)
		lost   bool   // noticed, and mended by a reconnect
		cause  string // part of the loss
	}{
		{"the path, for a moment", func(_ *testing.T, w *world, _ *Session) { w.outage(2 * time.Second) }, false, ""},
		{"the path, for seconds", func(_ *testing.T, w *world, _ *Session) { w.outage(20 * time.Second) }, true, "peer connection state: disconnected"},
		{"the path, almost too long", func(_ *testing.T, w *world, _ *Session) { w.outage(50 * time.Second) }, true, "peer connection state: disconnected"},
		{"the path, again and again", func(_ *testing.T, w *world, _ *Session) {
			for range 5 {
				w.outage(8 * time.Second)
				pass(time.Second)
			}
		}, true, "peer connection state: disconnected"},
		{"the server's peer, without a word", func(_ *testing.T, w *world, _ *Session) { w.srv.Drop() }, true, "peer connection state: disconnected"},
		{"both peers' sockets", func(_ *testing.T, w *world, _ *Session) { w.srv.Mute() }, true, "peer connection state: disconnected"},
		{"the channels, silently", func(_ *testing.T, w *world, _ *Session) {
			w.CutChannels()
			pass(40 * time.Second)
			w.Mend()
		}, true, "the server has confirmed nothing for "},
		{"the data channel", func(t *testing.T, _ *world, s *Session) {
			c, err := s.ready("test")
			if err != nil {
				t.Fatal(err)
			}
			if err := c.data.dc.Close(); err != nil {
				t.Error(err)
			}
		}, true, "data channel closed by the server"},
		{"the picture", func(_ *testing.T, w *world, _ *Session) {
			w.srv.Show(sessiontest.Stopped)
			pass(silence)
			w.srv.Show(sessiontest.Live)
		}, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.connect(t, Config{})
				flows(t, s)
				source, err := s.Track("source")
				if err != nil {
					t.Fatal(err)
				}
				pub, err := source.Publish(t.Context(), PublishConfig{Codec: "vp8"})
				if err != nil {
					t.Fatal(err)
				}
				events := follow(t, s)
				tt.happen(t, w, s)
				if tt.lost {
					if e := events.await(t, EventLost); !errors.Is(e.Err, ErrDisconnected) || !strings.Contains(e.Err.Error(), tt.cause) {
						t.Errorf("lost: %v", e.Err)
					}
					if e := events.await(t, EventReconnected); e.Attempts < 1 {
						t.Errorf("%+v", e)
					}
					pass(10 * time.Second) // the last of several outages is over, too
				}
				flows(t, s)
				if err := pub.WriteSample(Sample{Data: sessiontest.VP8Clip().Frames[0]}); err != nil {
					t.Errorf("published: %v", err)
				}
				if err := s.Close(); err != nil || w.srv.Sessions() != 0 {
					t.Errorf("close: %v, %d sessions left", err, w.srv.Sessions())
				}
				for e := range events.ch {
					if e.Type == EventLost && !tt.lost {
						t.Errorf("lost: %v", e.Err)
					}
				}
			})
		})
	}
}

func (w *world) outage(d time.Duration) {
	w.Cut()
	pass(d)
	w.Mend()
}

// TestServerLeavesBeforeTheChannelsOpen: that is known as soon as it is so.
func TestServerLeavesBeforeTheChannelsOpen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.CutChannels()
		_, err := w.open(t, Config{Trace: func(s Step) {
			if s == StepDTLS {
				pass(100 * time.Millisecond) // the first try to open them is lost
				w.Mend()
				w.srv.Crash()
			}
		}})
		if got := message(err); got != "connect: [TRANSPORT_ERROR] peer connection not established: channels closed by the server" {
			t.Errorf("got %s", got)
		}
	})
}

// TestOutageBeyondTheWindow: the session is given up when the server has, and
// not long after.
func TestOutageBeyondTheWindow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.connect(t, Config{})
		begun := time.Now()
		w.Cut()
		<-s.Done()
		if took := time.Since(begun); took < localWindow || took > localWindow+attemptTimeout+10*time.Second {
			t.Errorf("given up after %v", took)
		}
		if err := s.Err(); !errors.Is(err, ErrDisconnected) || !strings.Contains(err.Error(), "not restored within 1m0s") {
			t.Errorf("got %v", err)
		}
		if _, err := s.Command(t.Context(), "reset", nil); !errors.Is(err, ErrDisconnected) {
			t.Errorf("a command after the end: %v", err)
		}
		w.Mend()
	})
}

// TestCloseDuringOutage gives the server's word five seconds, not more.
func TestCloseDuringOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.connect(t, Config{})
		w.Cut()
		begun := time.Now()
		if err := s.Close(); err == nil {
			t.Error("closed as if the server knew")
		}
		if took := time.Since(begun); took > farewell+time.Second {
			t.Errorf("close took %v", took)
		}
		w.Mend()
	})
}

// TestCloseDuringShortOutage: the server's word comes through when the path does.
func TestCloseDuringShortOutage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.connect(t, Config{})
		w.Cut()
		time.AfterFunc(3*time.Second, w.Mend)
		if err := s.Close(); err != nil || w.srv.Sessions() != 0 {
			t.Errorf("%v, %d sessions left", err, w.srv.Sessions())
		}
	})
}

// TestReconnectAnswers is what the HTTP side may say while a lost connection is
// made anew.
func TestReconnectAnswers(t *testing.T) {
	type failure struct {
		status int
		after  string // Retry-After
		over   error  // nil: it goes on
		wait   time.Duration
	}
	failures := []failure{
		{status: 500},
		{status: 502},
		{status: 503},
		{status: 429},
		{status: 429, after: "7", wait: 7 * time.Second},
		{status: 503, after: "4", wait: 4 * time.Second},
		{status: 401, over: ErrUnauthorized},
		{status: 403, over: ErrUnauthorized},
		{status: 404, over: ErrDisconnected}, // there is no such session any more
		{status: 409, over: ErrConflict},
		{status: 410, over: ErrDisconnected},
	}
	for _, route := range []sessiontest.Route{sessiontest.RouteICEServers, sessiontest.RouteReoffer, sessiontest.RouteAnswer} {
		for _, f := range failures {
			name := string(route) + " " + http.StatusText(f.status) + " " + f.after
			t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
				inCloud(t, func(t *testing.T, w *world) {
					s := w.connect(t, Config{Token: w.srv.Token()})
					events := follow(t, s)
					w.srv.Fail(route, sessiontest.Fault{Status: f.status, RetryAfter: f.after, Times: 2})
					w.srv.Drop()
					events.await(t, EventLost)
					if f.over != nil {
						<-s.Done()
						if err := s.Err(); !errors.Is(err, f.over) {
							t.Errorf("got %v, want %v", err, f.over)
						}
						return
					}
					if e := events.await(t, EventReconnected); e.Attempts != 3 || e.Outage < 2*f.wait {
						t.Errorf("%d attempts in %v", e.Attempts, e.Outage)
					}
					flows(t, s)
				})
			})
		}
	}
}

// TestTokenEndsEarly: the server refuses a token that by our clock still holds.
// A minted one is minted again; a given one is never replaced.
func TestTokenEndsEarly(t *testing.T) {
	refused := sessiontest.Fault{Status: 401, Times: 1}
	t.Run("minted", func(t *testing.T) {
		inCloud(t, func(t *testing.T, w *world) {
			s := w.connect(t, Config{})
			events := follow(t, s)
			w.passDark(time.Minute)
			w.srv.Fail(sessiontest.RouteICEServers, refused)
			w.srv.Drop()
			if e := events.await(t, EventReconnected); e.Attempts != 1 {
				t.Errorf("%d attempts", e.Attempts)
			}
			flows(t, s)
		})
	})
	t.Run("given", func(t *testing.T) {
		inCloud(t, func(t *testing.T, w *world) {
			s := w.connect(t, Config{Token: w.srv.Token(), APIKey: key})
			w.passDark(time.Minute)
			w.srv.Fail(sessiontest.RouteICEServers, refused)
			w.srv.Drop()
			<-s.Done()
			if !errors.Is(s.Err(), ErrUnauthorized) {
				t.Errorf("got %v", s.Err())
			}
		})
	})
}

// TestBackOff: the tries of an outage are spread over it, more and more widely,
// and not two sessions alike.
func TestBackOff(t *testing.T) {
	inCloud(t, func(t *testing.T, w *world) {
		var outages []time.Duration
		for range 2 {
			s := w.connect(t, Config{})
			events := follow(t, s)
			w.srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 503, Times: 7})
			w.srv.Drop()
			e := events.await(t, EventReconnected)
			if e.Attempts != 8 || e.Outage < 7*time.Second || e.Outage > 27*time.Second {
				t.Errorf("%d attempts in %v", e.Attempts, e.Outage)
			}
			outages = append(outages, e.Outage)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if outages[0] == outages[1] {
			t.Errorf("twice the same pauses: %v", outages)
		}
	})
}

// TestRenewal is a second session beside the first, before that is ended.
func TestRenewal(t *testing.T) {
	inCloud(t, func(t *testing.T, w *world) {
		old := w.connect(t, Config{})
		next := w.connect(t, Config{})
		flows(t, old)
		flows(t, next)
		if old.ID() == next.ID() || w.srv.Sessions() != 2 {
			t.Fatalf("%s and %s, %d sessions", old.ID(), next.ID(), w.srv.Sessions())
		}
		if err := old.End(t.Context()); err != nil {
			t.Error(err)
		}
		flows(t, next)
		if n := w.srv.Sessions(); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestAdoptAndLeave joins a session and leaves it to the one that made it.
func TestAdoptAndLeave(t *testing.T) {
	inCloud(t, func(t *testing.T, w *world) {
		host := w.connect(t, Config{})
		guest := w.connect(t, Config{SessionID: host.ID()})
		flows(t, guest)
		if err := guest.Close(); err != nil {
			t.Error(err)
		}
		pass(20 * time.Second) // what a server needs to miss a peer
		if n := w.srv.Connections(); n != 1 || w.srv.Sessions() != 1 {
			t.Errorf("%d connections, %d sessions", n, w.srv.Sessions())
		}
		flows(t, host)
	})
}
