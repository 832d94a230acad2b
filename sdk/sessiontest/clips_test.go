package sessiontest_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// recordedServer records in chunks of a fifth of a second.
func recordedServer(t *testing.T, m sessiontest.Model) *sessiontest.Server {
	t.Helper()
	return sessiontest.NewConfig(t, sessiontest.Config{
		Model: m, Recording: sessiontest.Recording{Enabled: true, Chunk: 200 * time.Millisecond},
	})
}

// requestClip asks until there is media, and returns the answer.
func requestClip(c *client, seconds float64) *wire.ClipReady {
	c.t.Helper()
	for {
		c.send(&wire.ControlClientMessage{
			RequestId: "ctrl_9", Kind: 1,
			Payload: &wire.ControlClientMessage_RequestClip{RequestClip: &wire.RequestClip{DurationSeconds: seconds}},
		})
		m := take(c.t, c.control, "answer to the clip")
		if ready := m.GetClipReady(); ready != nil {
			return ready
		}
		if reason := m.GetClipFailed().GetReason(); reason != "no media generated yet" {
			c.t.Fatalf("no clip: %q", reason)
		}
	}
}

// fetchClip waits for a playlist and puts its segments together.
func fetchClip(t *testing.T, srv *sessiontest.Server, playlist string) []byte {
	t.Helper()
	var list string
	for deadline := time.Now().Add(patience); ; {
		status, header, body := request(t, "GET", srv.URL()+playlist, "")
		if status == http.StatusOK {
			if got := header.Get("Content-Type"); got != "application/vnd.apple.mpegurl" {
				t.Errorf("the playlist is %s", got)
			}
			list = body
			break
		}
		if status != http.StatusAccepted || header.Get("Retry-After") != "0.1" || time.Now().After(deadline) {
			t.Fatalf("playlist: %d %v %s", status, header, body)
		}
	}
	var file []byte
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if uri, ok := strings.CutPrefix(line, `#EXT-X-MAP:URI="`); ok {
			line = strings.TrimSuffix(uri, `"`)
		}
		if strings.HasPrefix(line, "/") {
			_, _, body := request(t, "GET", srv.URL()+line, "")
			file = append(file, body...)
		}
	}
	return file
}

// boxes are the types of the boxes of a file, at its top.
func boxes(t *testing.T, file []byte) []string {
	t.Helper()
	var all []string
	for len(file) > 0 {
		size := binary.BigEndian.Uint32(file)
		if size < 8 || int(size) > len(file) {
			t.Fatalf("box of %d bytes in %d", size, len(file))
		}
		all = append(all, string(file[4:8]))
		file = file[size:]
	}
	return all
}

func TestClip(t *testing.T) {
	for _, codec := range []string{"h264", "vp9"} {
		t.Run(codec, func(t *testing.T) {
			clip := sessiontest.H264Clip()
			if codec == "vp9" {
				clip = sessiontest.VP9Clip()
			}
			m := sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Loop: []*sessiontest.Clip{sessiontest.VP8Clip(), clip}}}}
			srv := recordedServer(t, m)
			start(t, srv)
			c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
			c.resume("main_video")
			var ready *wire.ClipReady
			for ready == nil || ready.GetNowMarker() < 0.7 {
				ready = requestClip(c, 0.3)
			}
			if got := ready.GetEndMarker() - ready.GetStartMarker(); got < 0.29 || got > 0.31 || ready.GetKind() != "snap" {
				t.Errorf("a clip of %v s: %v", got, ready)
			}
			file := fetchClip(t, srv, ready.GetPlaylistUrl())
			// Of chunks of 0.2 s, 0.3 s touch two or three.
			got := strings.Join(boxes(t, file), " ")
			if got != "ftyp moov moof mdat moof mdat" && got != "ftyp moov moof mdat moof mdat moof mdat" {
				t.Errorf("the file is %s", got)
			}
			checkPlayable(t, file, codec)
		})
	}
}

// checkPlayable has ffprobe look at a file, where there is one.
func checkPlayable(t *testing.T, file []byte, codec string) {
	t.Helper()
	probe, err := exec.LookPath("ffprobe")
	if err != nil {
		return
	}
	path := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), probe, "-v", "warning", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames,width,height", "-of", "json", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var seen struct {
		Streams []struct {
			Codec         string `json:"codec_name"`
			Width, Height int
			Frames        string `json:"nb_read_frames"`
		}
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(seen.Streams) != 2 || seen.Streams[0].Codec != codec || seen.Streams[0].Width != 160 || seen.Streams[0].Height != 120 || seen.Streams[1].Codec != "opus" {
		t.Fatalf("ffprobe sees %s", out)
	}
	if n := seen.Streams[0].Frames; len(n) == 0 || n == "0" {
		t.Errorf("%s pictures", n)
	}
}

// A recording in another codec than the client's goes on with the first picture
// of the next clip, not with one that needs the pictures before it.
func TestRecordingOfAnotherClip(t *testing.T) {
	loop := []*sessiontest.Clip{sessiontest.VP8Clip(), sessiontest.H264Clip()}
	srv := sessiontest.NewConfig(t, sessiontest.Config{
		Model:     sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Loop: loop}}},
		Recording: sessiontest.Recording{Enabled: true, Chunk: time.Minute},
	})
	want(t, 200, nil, "POST", srv.URL()+"/start_session", `{"session_id":"`+recordingID+`"}`)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	var ready *wire.ClipReady
	recorded := func(seconds float64) {
		t.Helper()
		for ready == nil || ready.GetNowMarker() < seconds {
			ready = requestClip(c, 1)
		}
	}
	recorded(0.3)
	srv.Output("main_video").Play(sessiontest.NegativeClips())
	recorded(ready.GetNowMarker() + 0.5)
	srv.EndSessions("")
	_, _, chunk := request(t, "GET", srv.URL()+"/clips/chunks/"+recordingID+"/chunk_00000.m4s", "")
	for n, frame := range sessiontest.NegativeClips()[1].Frames {
		slice := frame[bytes.LastIndex(frame, []byte{0, 0, 1})+3:]
		if strings.Contains(chunk, string(slice)) {
			if n > 0 {
				t.Errorf("the next clip begins with its frame %d", n)
			}
			return
		}
	}
	t.Errorf("the next clip is not in the recording of %d bytes", len(chunk))
}

func TestRecordingOutlivesItsSession(t *testing.T) {
	srv := recordedServer(t, brightness())
	const id = "0a1b2c3d-0000-4000-8000-000000000001"
	want(t, 200, nil, "POST", srv.URL()+"/start_session", `{"session_id":"`+id+`"}`)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	requestClip(c, 1)
	c.send(&wire.ControlClientMessage{
		RequestId: "ctrl_10", Kind: 1,
		Payload: &wire.ControlClientMessage_RequestRecording{RequestRecording: &wire.RequestRecording{}},
	})
	ready := take(c.t, c.control, "answer to the clip").GetClipReady()
	if ready.GetSessionId() != id || ready.GetKind() != "recording" || ready.GetStartMarker() != 0 {
		t.Errorf("got %v", ready)
	}
	srv.EndSessions("")
	file := fetchClip(t, srv, ready.GetPlaylistUrl())
	if !bytes.Contains(file, []byte("moof")) {
		t.Errorf("no fragments in %d bytes", len(file))
	}
	status, header, body := request(t, "GET", srv.URL()+"/clips/chunks/"+id+"/init.mp4", "", "Range", "bytes=4-7")
	if status != http.StatusPartialContent || header.Get("Content-Type") != "video/mp4" || body != "ftyp" {
		t.Errorf("a part of the head: %d %v %q", status, header, body)
	}
}

func TestClipRefusals(t *testing.T) {
	srv := recordedServer(t, brightness())
	const id = "0a1b2c3d-0000-4000-8000-000000000001"
	want(t, 200, nil, "POST", srv.URL()+"/start_session", `{"session_id":"`+id+`"}`)
	for _, tt := range []struct {
		name, path string
		status     int
		want       string
	}{
		{"unknown", "/clips?session_id=x&start=0&end=1", 410, `{"detail":"Recording unknown or aged out"}`},
		{"no start", "/clips?session_id=" + id + "&end=1", 422, `"loc":["query","start"]`},
		{"before the beginning", "/clips?session_id=" + id + "&start=-1&end=1", 400, `{"detail":"start must be a finite non-negative number"}`},
		{"not a number", "/clips?session_id=" + id + "&start=nan&end=1", 400, `{"detail":"start must be a finite non-negative number"}`},
		{"backwards", "/clips?session_id=" + id + "&start=2&end=1", 400, `{"detail":"end must be a finite number greater than start"}`},
		{"pending", "/clips?session_id=" + id + "&start=0&end=1", 202, ""},
		{"segment", "/clips/chunks/" + id + "/chunk_00000.m4s", 404, `{"detail":"Segment not found"}`},
		{"way out", "/clips/chunks/" + id + "/..%2Finit.mp4", 404, `{"detail":"Segment not found"}`},
		{"segment of nothing", "/clips/chunks/x/init.mp4", 410, `{"detail":"Recording unknown or aged out"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := request(t, "GET", srv.URL()+tt.path, "")
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestClipFails(t *testing.T) {
	vp8Only := sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Loop: []*sessiontest.Clip{sessiontest.VP8Clip()}}}}
	for _, tt := range []struct {
		name    string
		srv     *sessiontest.Server
		seconds float64
		want    string
	}{
		{"no recorder", sessiontest.New(t, brightness()), 1, "recorder disabled or encoder crashed"},
		{"no codec for it", recordedServer(t, vp8Only), 1, "recorder disabled or encoder crashed"},
		{"nothing", recordedServer(t, brightness()), 0, "duration_seconds must be positive"},
		{"no media", recordedServer(t, sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video"}}}), 1, "no media generated yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start(t, tt.srv)
			c := connect(t, tt.srv, clientConfig{})
			c.send(&wire.ControlClientMessage{
				RequestId: "ctrl_1", Kind: 1,
				Payload: &wire.ControlClientMessage_RequestClip{RequestClip: &wire.RequestClip{DurationSeconds: tt.seconds}},
			})
			if diff := cmp.Diff(tt.want, take(c.t, c.control, "answer to the clip").GetClipFailed().GetReason()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
