package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// TestChannelTrouble is what may become of the answers on both channels. A call
// whose answer does not come says so in time, what comes too much or too late
// disturbs nobody, and the session goes on.
func TestChannelTrouble(t *testing.T) {
	command := func(t *testing.T, s *Session) error {
		t.Helper()
		_, err := s.Command(t.Context(), "reset", nil)
		return err
	}
	schema := func(t *testing.T, s *Session) error {
		t.Helper()
		_, err := s.Schema(t.Context())
		return err
	}
	publish := func(t *testing.T, s *Session) error {
		t.Helper()
		source, err := s.Track("source")
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Publish(t.Context(), PublishConfig{Codec: "vp8"})
		return err
	}
	calls := []struct {
		name, of string
		channel  wire.Channel
		do       func(*testing.T, *Session) error
		late     string
	}{
		{"command", "ack", wire.DataChannel, command, "command reset: [REQUEST_TIMEOUT] timed out: no reply within 10s"},
		{"schema", "model_schema", wire.ControlChannel, schema, "request_schema: [REQUEST_TIMEOUT] timed out: no answer within 10s"},
		{"publish", "publish_track", wire.ControlChannel, publish, "publish_track: [REQUEST_TIMEOUT] timed out: no answer within 10s"},
	}
	faults := []struct {
		name    string
		fault   sessiontest.MessageFault
		arrives bool
	}{
		{"lost", sessiontest.MessageFault{Lose: true}, false},
		{"late", sessiontest.MessageFault{Delay: time.Minute}, false},
		{"slow", sessiontest.MessageFault{Delay: 5 * time.Second}, true},
		{"twice", sessiontest.MessageFault{Twice: true}, true},
		{"malformed", sessiontest.MessageFault{Malformed: true}, false},
	}
	for _, call := range calls {
		for _, f := range faults {
			t.Run(call.name+" "+f.name, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					s := w.connect(t, Config{})
					events := follow(t, s)
					f.fault.Of, f.fault.Times = call.of, 1
					w.srv.Garble(call.channel, f.fault)
					begun := time.Now()
					err := call.do(t, s)
					switch {
					case f.arrives && err != nil:
						t.Errorf("got %v", err)
					case !f.arrives && (message(err) != call.late || !errors.Is(err, ErrTimeout)):
						t.Errorf("got %v, want %s", err, call.late)
					}
					if took := time.Since(begun); took > replyTimeout+time.Second {
						t.Errorf("took %v", took)
					}
					w.passDark(time.Minute) // what was late has come
					flows(t, s)
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					for e := range events.ch {
						if e.Type == EventLost {
							t.Errorf("lost: %v", e.Err)
						}
					}
				})
			})
		}
	}
	t.Run("enormous", func(t *testing.T) {
		bubble(t, true, sessiontest.Config{PlainChannels: true}, func(t *testing.T, w *world) {
			s := w.connect(t, Config{})
			w.srv.Garble(wire.DataChannel, sessiontest.MessageFault{Of: "ack", Size: 2 * wire.MaxPlainMessage, Times: 1})
			if err := command(t, s); !errors.Is(err, ErrTimeout) {
				t.Errorf("got %v", err)
			}
			flows(t, s)
		})
	})
	t.Run("out of order", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.connect(t, Config{})
			w.srv.Garble(wire.DataChannel, sessiontest.MessageFault{Of: "ack", Swap: true, Times: 1})
			answered := make(chan error, 2)
			for range 2 {
				go func() { answered <- command(t, s) }()
			}
			for range 2 {
				if err := <-answered; err != nil {
					t.Error(err)
				}
			}
			flows(t, s)
		})
	})
}

// TestNetworkTrouble is what a bad network does to media: the session stays, and
// the picture with it, as far as the network carries it.
func TestNetworkTrouble(t *testing.T) {
	tests := []struct {
		name    string
		network sessiontest.Network
		whole   bool // nothing is missing in the end
	}{
		{"loss", sessiontest.Network{Drop: 0.2}, false},
		{"reordering", sessiontest.Network{Reorder: 0.3}, true},
		{"duplicates", sessiontest.Network{Duplicate: 0.5}, true},
		{"delay", sessiontest.Network{Delay: 300 * time.Millisecond}, true},
		{"jitter", sessiontest.Network{Delay: 20 * time.Millisecond, Jitter: 100 * time.Millisecond}, true},
		{"too little room", sessiontest.Network{Bandwidth: 50_000}, false},
		{"all of it", sessiontest.Network{Drop: 0.1, Reorder: 0.1, Duplicate: 0.1, Delay: 50 * time.Millisecond, Jitter: 30 * time.Millisecond}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				tt.network.Seed = 1
				w.srv.SetNetwork(tt.network)
				s := w.connect(t, Config{})
				events := follow(t, s)
				tr, err := s.Track("main_video")
				if err != nil {
					t.Fatal(err)
				}
				seen := map[uint16]int{}
				var first, last uint16
				for i := range 600 {
					p, err := tr.ReadRTP(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if i == 0 {
						first, last = p.SequenceNumber, p.SequenceNumber
					}
					if int16(p.SequenceNumber-last) > 0 {
						last = p.SequenceNumber
					}
					seen[p.SequenceNumber]++
				}
				for n, times := range seen {
					if times > 1 {
						t.Errorf("packet %d came %d times", n, times)
					}
				}
				const onTheWay = 12 // at the end
				if missing := int(last-first) + 1 - len(seen); tt.whole && missing > onTheWay {
					t.Errorf("%d packets are missing", missing)
				}
				w.srv.SetNetwork(sessiontest.Network{})
				flows(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				for e := range events.ch {
					if e.Type == EventLost {
						t.Errorf("lost: %v", e.Err)
					}
				}
			})
		})
	}
}

// TestPictureTrouble: what is shown is the model's business; the session stays.
func TestPictureTrouble(t *testing.T) {
	for _, show := range []sessiontest.Showing{sessiontest.Still, sessiontest.Black, sessiontest.Large} {
		t.Run(string(show), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.connect(t, Config{})
				flows(t, s)
				w.srv.Show(show)
				pass(time.Minute)
				flows(t, s)
				w.srv.Show(sessiontest.Live)
				flows(t, s)
			})
		})
	}
}

// TestPictureComesBack: after a pause, whoever made it, it goes on with a keyframe.
func TestPictureComesBack(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name       string
		stop, cont func(*testing.T, *world, *Track)
	}{
		{
			"stopped by the model",
			func(_ *testing.T, w *world, _ *Track) { w.srv.Show(sessiontest.Stopped) },
			func(_ *testing.T, w *world, _ *Track) { w.srv.Show(sessiontest.Live) },
		},
		{
			"paused by the client",
			func(t *testing.T, _ *world, tr *Track) { t.Helper(); must(t, tr.Pause(t.Context())) },
			func(t *testing.T, _ *world, tr *Track) { t.Helper(); must(t, tr.Resume(t.Context())) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.connect(t, Config{Codecs: []string{"vp8"}})
				flows(t, s)
				tr, err := s.Track("main_video")
				must(t, err)
				tt.stop(t, w, tr)
				rest, cancel := context.WithTimeout(t.Context(), time.Second) // of what was on its way
				defer cancel()
				for err == nil {
					_, err = tr.ReadRTP(rest)
				}
				pass(time.Minute)
				tt.cont(t, w, tr)
				p, err := tr.ReadRTP(t.Context())
				must(t, err)
				const descriptor = 4 // RFC 7741 section 4.2, with a 15-bit picture id
				if p.Payload[0]&0x10 == 0 || p.Payload[descriptor]&1 != 0 {
					t.Errorf("it goes on without a keyframe: % x", p.Payload[:descriptor+1])
				}
			})
		})
	}
}

// TestEnds is how a session may end from the other side: it is over at once, or
// as soon as nobody answers for it any more, and says why.
func TestEnds(t *testing.T) {
	tests := []struct {
		name   string
		happen func(*world)
		is     error
		want   string
	}{
		{"ended", func(w *world) { w.srv.EndSessions("maintenance") }, ErrSessionEnded, "[SESSION_TERMINAL] the server ended the session: maintenance"},
		{"ended without a reason", func(w *world) { w.srv.EndSessions("") }, ErrSessionEnded, "[SESSION_TERMINAL] the server ended the session"},
		{"moderated", func(w *world) { w.srv.Moderate() }, ErrSessionEnded, "[SESSION_TERMINAL] the server ended the session: Session terminated due to policy violation."},
		{"crashed", func(w *world) { w.srv.Crash() }, ErrSessionEnded, "[SESSION_TERMINAL] "},
	}
	for _, local := range []bool{true, false} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, local %t", tt.name, local), func(t *testing.T) {
				bubble(t, local, sessiontest.Config{APIKey: key}, func(t *testing.T, w *world) {
					s := w.connect(t, Config{})
					flows(t, s)
					begun := time.Now()
					tt.happen(w)
					<-s.Done()
					if err := s.Err(); !errors.Is(err, tt.is) || !strings.HasPrefix(message(err), tt.want) {
						t.Errorf("got %v, want %s", err, tt.want)
					}
					if took := time.Since(begun); took > 10*time.Second {
						t.Errorf("noticed after %v", took)
					}
				})
			})
		}
	}
	t.Run("time limit", func(t *testing.T) {
		bubble(t, false, sessiontest.Config{APIKey: key, SessionLimit: 20 * time.Minute}, func(t *testing.T, w *world) {
			begun := time.Now()
			s := w.connect(t, Config{})
			w.srv.Show(sessiontest.Stopped) // pictures would be most of the work
			<-s.Done()
			if want := "[SESSION_TERMINAL] the server ended the session: Session ended: the time limit was reached."; message(s.Err()) != want {
				t.Errorf("got %v, want %s", s.Err(), want)
			}
			if took := time.Since(begun); took < 19*time.Minute || took > 21*time.Minute {
				t.Errorf("over after %v", took)
			}
		})
	})
}

// TestClocksApart: neither side needs to know what time it is.
func TestClocksApart(t *testing.T) {
	for _, skew := range []time.Duration{-365 * 24 * time.Hour, -7 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			inCloud(t, func(t *testing.T, w *world) {
				if err := w.srv.SetTrouble(sessiontest.Trouble{ClockSkew: skew}); err != nil {
					t.Fatal(err)
				}
				s := w.connect(t, Config{})
				events := follow(t, s)
				flows(t, s)
				w.srv.Drop()
				events.await(t, EventReconnected)
				flows(t, s)
			})
		})
	}
}

// TestTokensExpire: a minted token is minted again when the server knows it no
// more; one that was given is at its end, and the session with it.
func TestTokensExpire(t *testing.T) {
	t.Run("minted", func(t *testing.T) {
		inCloud(t, func(t *testing.T, w *world) {
			s := w.connect(t, Config{})
			events := follow(t, s)
			w.passDark(time.Minute)
			w.srv.ExpireTokens()
			w.srv.Drop()
			events.await(t, EventReconnected)
			flows(t, s)
		})
	})
	t.Run("given", func(t *testing.T) {
		inCloud(t, func(t *testing.T, w *world) {
			s := w.connect(t, Config{Token: w.srv.Token()})
			w.srv.ExpireTokens()
			w.srv.Drop()
			<-s.Done()
			if !errors.Is(s.Err(), ErrUnauthorized) {
				t.Errorf("got %v", s.Err())
			}
		})
	})
}

// TestUploadTrouble is what may go wrong with a file: the call says so, and the
// session goes on.
func TestUploadTrouble(t *testing.T) {
	upload := func(t *testing.T, s *Session) error {
		t.Helper()
		_, err := s.Upload(t.Context(), strings.NewReader("png"), UploadInfo{Name: "a.png", MIMEType: "image/png", Size: 3})
		return err
	}
	for _, route := range []sessiontest.Route{sessiontest.RouteReserve, sessiontest.RouteUpload} {
		faults := map[string]sessiontest.Fault{
			"401": {Status: 401}, "403": {Status: 403}, "404": {Status: 404}, "413": {Status: 413}, "422": {Status: 422},
			"429": {Status: 429, RetryAfter: "2"}, "500": {Status: 500}, "503": {Status: 503},
			"never answered": {Hang: true}, "cut off": {Status: 200, Cut: true}, "a redirect": {Status: 302, Headers: map[string]string{"Location": "http://10.9.9.9/x"}},
		}
		if route == sessiontest.RouteReserve {
			faults["malformed"] = sessiontest.Fault{Status: 200, Body: "{"}
			faults["empty"] = sessiontest.Fault{Status: 200, Body: "{}"}
			faults["enormous"] = sessiontest.Fault{Status: 200, Body: `{"upload_id": "x"}`, Size: maxBody + 1}
			faults["to elsewhere"] = sessiontest.Fault{Status: 200, Body: `{"upload_id": "x", "presigned_url": "file:///etc/passwd"}`}
		} else {
			delete(faults, "cut off") // the status has said it all
		}
		for name, fault := range faults {
			t.Run(strings.ReplaceAll(string(route), "/", "_")+" "+name, func(t *testing.T) {
				inCloud(t, func(t *testing.T, w *world) {
					s := w.connect(t, Config{})
					fault.Times = 1
					w.srv.Fail(route, fault)
					err := upload(t, s)
					var e *Error
					if !errors.As(err, &e) || e.Operation == "" || len(e.Message) > 1000 {
						t.Errorf("got %.300v", err)
					}
					if err := upload(t, s); err != nil {
						t.Errorf("the next one: %v", err)
					}
					flows(t, s)
				})
			})
		}
	}
}

// TestEveryAnswerMayBeCutOff: half an answer is none.
func TestEveryAnswerMayBeCutOff(t *testing.T) {
	for _, h := range hops() {
		if h.name == "sdp offer" {
			continue // its answer is not read
		}
		t.Run(h.name, func(t *testing.T) {
			inProvisionedCloud(t, func(t *testing.T, w *world) {
				w.srv.Fail(h.route, sessiontest.Fault{Status: http.StatusOK, Body: `{"`, Cut: true})
				_, err := w.open(t, Config{})
				var e *Error
				if !errors.As(err, &e) || !strings.Contains(e.Message, h.name) {
					t.Errorf("got %v, want one of %s", err, h.name)
				}
				if n := w.srv.Sessions(); h.created && n != 0 {
					t.Errorf("%d sessions left", n)
				}
			})
		})
	}
}
