package sdk

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// gathering is how long the server waits for a STUN server that does not answer.
const gathering = 3 * time.Second

// TestStart: from the first request to the first packet the client adds at most
// 50 ms to what the server needs itself, or a twentieth of it where that is more.
// In virtual time neither side computes: what passes is waiting.
func TestStart(t *testing.T) {
	silent := "stun:10.9.0.99:3478" // nobody is there
	ofServer := []sessiontest.ICEServer{{URLs: []string{silent}}}
	ofCaller := []ICEServer{{URLs: []string{silent}}}
	tests := []struct {
		name   string
		local  bool
		server sessiontest.Config
		client Config
		own    time.Duration // what the server needs
		added  time.Duration
	}{
		{"a local runtime", true, sessiontest.Config{}, Config{}, 0, 50 * time.Millisecond},
		{"a local runtime whose STUN server is out of reach", true, sessiontest.Config{ICEServers: ofServer}, Config{}, 0, 50 * time.Millisecond},
		// Packets from our loopback address do not reach the server's others.
		{"a local runtime, called by an address where no packet leads", true, sessiontest.Config{}, Config{BaseURL: "http://localhost"}, 0, 50 * time.Millisecond},
		{"the cloud", false, sessiontest.Config{}, Config{}, 0, 50 * time.Millisecond},
		{"the cloud, the caller's STUN server out of reach", false, sessiontest.Config{}, Config{ICEServers: ofCaller}, 0, 50 * time.Millisecond},
		{"the cloud, making a session in 0.4 s", false, sessiontest.Config{Provisioning: 400 * time.Millisecond}, Config{}, 400 * time.Millisecond, 50 * time.Millisecond},
		{"the cloud, making a session in 20 s", false, sessiontest.Config{Provisioning: 20 * time.Second}, Config{}, 20 * time.Second, time.Second + 50*time.Millisecond},
		{"the cloud, its STUN server out of reach", false, sessiontest.Config{ICEServers: ofServer}, Config{}, gathering, 200 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.server.APIKey, tt.server.NoLoopback = key, true
			bubble(t, tt.local, tt.server, func(t *testing.T, w *world) {
				begun := time.Now()
				s := w.connect(t, tt.client)
				tr, err := s.Track("main_video")
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				p, err := tr.ReadRTP(ctx)
				if err != nil {
					t.Fatal(err)
				}
				added := p.Arrival.Sub(begun) - tt.own
				if added < 0 || added > tt.added {
					t.Errorf("the client added %v, at most %v", added, tt.added)
				}
				t.Logf("added %v", added)
			})
		})
	}
}

// TestPathComesLate: a server that answers the offer and then is busy for as long
// as ICE gives it (a model that loads holds Python's lock) is reached when it listens.
func TestPathComesLate(t *testing.T) {
	for _, late := range []time.Duration{2 * time.Second, 4 * time.Second, 20 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.CutPackets()
				time.AfterFunc(late, w.Mend)
				begun := time.Now()
				flows(t, w.connect(t, Config{}))
				if took := time.Since(begun); took > late+2*time.Second {
					t.Errorf("connected after %v, the path was there after %v", took, late)
				}
			})
		})
	}
}

// TestPathBreaksWhileConnecting: a server that is busy for as long as ICE takes to
// miss it is not given up either, whether that is before its part of the handshake or
// before it has heard the end of ours.
func TestPathBreaksWhileConnecting(t *testing.T) {
	const silence = 12 * time.Second
	for _, tt := range []struct {
		name   string
		record byte
		done   bool // we are, with the handshake, when the silence begins
	}{
		{"handshake", sessiontest.DTLSHandshake, false},
		{"channels", sessiontest.DTLSChangeCipherSpec, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.CutPacketsAt(tt.record)
				time.AfterFunc(silence, w.Mend)
				begun := time.Now()
				var done atomic.Bool
				s := w.connect(t, Config{Trace: func(s Step) {
					if s == StepDTLS {
						done.Store(time.Since(begun) < silence)
					}
				}})
				if took := time.Since(begun); took < silence || done.Load() != tt.done {
					t.Errorf("connected after %v; the handshake was over before the silence: %t", took, done.Load())
				}
				flows(t, s)
			})
		})
	}
}
