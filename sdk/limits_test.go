package sdk

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// TestLyingSession is what the answer about a session may claim.
func TestLyingSession(t *testing.T) {
	many := strings.Repeat(`{"name": "x", "kind": "video", "direction": "recvonly"},`, 1000)
	capable := func(tracks string) string {
		return `{"session_id": "s1", "state": "ACTIVE", "selected_transport": {}, "capabilities": {"tracks": [` + tracks + `]}}`
	}
	tests := []struct{ name, body, want string }{
		{"an id with a slash", `{"session_id": "../../tokens"}`, "connect: [DECODE_FAILED] the answer names a session by 12 bytes that are no id"},
		{"an id with a newline", `{"session_id": "s1\nHost: x"}`, "connect: [DECODE_FAILED] the answer names a session by 10 bytes that are no id"},
		{"an endless id", `{"session_id": "` + strings.Repeat("x", 1<<20) + `"}`, "connect: [DECODE_FAILED] the answer names a session by 1048576 bytes that are no id"},
		{"a dot", `{"session_id": ".."}`, "connect: [DECODE_FAILED] the answer names a session by 2 bytes that are no id"},
		{"a thousand tracks", capable(strings.TrimSuffix(many, ",")), "connect: [DECODE_FAILED] capabilities: 1000 tracks, more than 64"},
		{"a track twice", capable(strings.TrimSuffix(many[:2*len(many)/1000], ",")), `connect: [DECODE_FAILED] capabilities: track 2: a second "x"`},
		{"a track without a name", capable(`{"kind": "video", "direction": "recvonly"}`), "connect: [DECODE_FAILED] capabilities: track 1: name of 0 bytes"},
		{"a track of another kind", capable(`{"name": "x", "kind": "smell", "direction": "recvonly"}`), `connect: [DECODE_FAILED] capabilities: track 1: unknown kind "smell"`},
		{"a track to nowhere", capable(`{"name": "x", "kind": "video", "direction": "up\ndown"}`), `connect: [DECODE_FAILED] capabilities: track 1: unknown direction "up\ndown"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, answers{"POST /sessions": respond(201, tt.body), "DELETE /sessions/s1": deleted})
			err := connect(t, Config{Model: "m", Token: jwt, BaseURL: srv.URL})
			if message(err) != tt.want {
				t.Errorf("got  %.300v\nwant %s", err, tt.want)
			}
			for _, line := range srv.lines() {
				if line != "POST /sessions" && line != "DELETE /sessions/s1" {
					t.Errorf("asked %q", line)
				}
			}
		})
	}
}

// TestEndlessAnswer: an answer of ten gigabytes costs what its limit says.
func TestEndlessAnswer(t *testing.T) {
	block := []byte(strings.Repeat("x", 1<<20))
	sent := 0
	srv := serve(t, answers{"POST /sessions": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"session_id": "`))
		for range 10 << 10 {
			if _, err := w.Write(block); err != nil {
				return
			}
			sent++
		}
	}})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := connect(t, Config{Model: "m", Token: jwt, BaseURL: srv.URL})
	runtime.ReadMemStats(&after)
	if want := fmt.Sprintf("connect: [DECODE_FAILED] answer to create session: larger than %d bytes", maxBody); message(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	srv.Close()
	if sent > 1000 {
		t.Errorf("%d MB were taken", sent)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 10*maxBody {
		t.Errorf("%d bytes were allocated", used)
	}
}

func TestSessionID(t *testing.T) {
	for id, ok := range map[string]bool{
		"00000000-0000-0000-0000-000000000000": true, "s1": true, "a.b_c~d:e-f": true,
		"": false, "-x": false, "..": false, "a/b": false, "a\nb": false, "a b": false, "ä": false, strings.Repeat("x", 129): false,
	} {
		if got := sessionID.MatchString(id); got != ok {
			t.Errorf("%.40q: %v", id, got)
		}
	}
}

// TestHugeMessage: a message that says it is enormous is dropped by the chunk, and
// the channel goes on.
func TestHugeMessage(t *testing.T) {
	var in wire.Reassembler
	frame := make([]byte, 1<<20)
	frame[0] = 1 // more follows
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1 << 10 { // a gigabyte
		if _, _, done, err := in.Push(frame); done || err != nil {
			t.Fatal(done, err)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*wire.MaxChunkedMessage {
		t.Errorf("%d bytes were allocated", used)
	}
	if _, _, _, err := in.Push([]byte{0}); err == nil {
		t.Error("a gigabyte was taken")
	}
	if message, _, done, err := in.Push([]byte{0, 'x'}); string(message) != "x" || !done || err != nil {
		t.Errorf("the next message: %q, %v, %v", message, done, err)
	}
}
