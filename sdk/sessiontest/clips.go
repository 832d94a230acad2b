package sessiontest

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// Reasons of the runtime for not making a clip.
const (
	textNoRecorder   = "recorder disabled or encoder crashed"
	textNoMedia      = "no media generated yet"
	textNotPositive  = "duration_seconds must be positive"
	textSteppedClips = "a stepped session is not recorded, so it has no clips"
)

// clip answers a request for the last of a recording, or for all of it.
func (c *connection) clip(id string, seconds float64, kind string) {
	ready, reason := c.session.clip(seconds, kind)
	if reason != "" {
		c.respond(id, &wire.ControlServerMessage{
			Payload: &wire.ControlServerMessage_ClipFailed{ClipFailed: &wire.ClipFailed{Reason: reason}},
		})
		return
	}
	c.respond(id, &wire.ControlServerMessage{Payload: &wire.ControlServerMessage_ClipReady{ClipReady: ready}})
	c.session.note(eventClipReady, object{
		"session_id": ready.GetSessionId(), "kind": kind, "start_marker": ready.GetStartMarker(), "end_marker": ready.GetEndMarker(),
		"now_marker": ready.GetNowMarker(), "predicted_ready_at_ms": ready.GetPredictedReadyAtMs(), "playlist_url": ready.GetPlaylistUrl(),
	})
}

func (x *session) clip(seconds float64, kind string) (ready *wire.ClipReady, reason string) {
	r := x.recorder
	switch {
	case x.stepped:
		return nil, textSteppedClips
	case r == nil || !r.usable():
		return nil, textNoRecorder
	case kind == clipSnap && !(seconds > 0):
		return nil, textNotPositive
	}
	r.mu.Lock()
	now := r.clock()
	r.mu.Unlock()
	if now == 0 {
		return nil, textNoMedia
	}
	start := 0.0
	if kind == clipSnap {
		start = max(0, now.Seconds()-min(seconds, r.cfg.LongestClip.Seconds()))
	}
	boundary := now.Truncate(r.cfg.Chunk) + r.cfg.Chunk
	return &wire.ClipReady{
		SessionId: r.id, Kind: kind, StartMarker: start, EndMarker: now.Seconds(), NowMarker: now.Seconds(),
		PredictedReadyAtMs: x.srv.now().Add(boundary - now).UnixMilli(),
		PlaylistUrl:        fmt.Sprintf("/clips?session_id=%s&start=%.3f&end=%.3f", r.id, start, now.Seconds()),
	}, ""
}

// The kinds of clips.
const (
	clipSnap      = "snap"
	clipRecording = "recording"
)

// lowerUUID is the form of a recording's id that can be asked for.
var lowerUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// recording finds a recording of a session that runs, or ended not long ago.
func (s *Server) recording(id string) *recorder {
	if !lowerUUID.MatchString(id) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recordings[id]
}

// getClips is the playlist of a part of a recording: pending until the chunk
// behind its last one is there.
func (s *Server) getClips(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	rec := s.recording(q.Get("session_id"))
	if rec == nil {
		refuse(w, http.StatusGone, "Recording unknown or aged out")
		return
	}
	var marks [2]float64
	for i, name := range []string{"start", "end"} {
		var err error
		if marks[i], err = strconv.ParseFloat(q.Get(name), 64); err != nil {
			violate(w, violation{
				Type: "float_parsing", Loc: []any{"query", name}, Input: q.Get(name),
				Msg: "Input should be a valid number, unable to parse string as a number",
			})
			return
		}
	}
	start, end := marks[0], marks[1]
	switch {
	case math.IsNaN(start) || math.IsInf(start, 0) || start < 0:
		refuse(w, http.StatusBadRequest, "start must be a finite non-negative number")
		return
	case math.IsNaN(end) || math.IsInf(end, 0) || end <= start:
		refuse(w, http.StatusBadRequest, "end must be a finite number greater than start")
		return
	}
	chunk := rec.cfg.Chunk.Seconds()
	first, last := int(math.Min(start/chunk, math.MaxInt32)), int(math.Ceil(math.Min(end/chunk, math.MaxInt32)))-1
	switch rec.ready(last) {
	case http.StatusGone:
		refuse(w, http.StatusGone, "Recording unknown or aged out")
	case http.StatusAccepted:
		w.Header().Set("Retry-After", strconv.FormatFloat(min(2, chunk/2), 'g', -1, 64))
		w.WriteHeader(http.StatusAccepted)
	default:
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		_, _ = w.Write([]byte(rec.playlist(first, last)))
	}
}

// ready is the status of a playlist that ends with a chunk.
func (r *recorder) ready(last int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.written > last+1:
		return http.StatusOK
	case r.broken:
		return http.StatusGone
	case !r.finished || !r.over():
		return http.StatusAccepted
	case r.written > 0:
		return http.StatusOK
	}
	return http.StatusGone
}

// over says that nothing more is written.
func (r *recorder) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *recorder) playlist(first, last int) string {
	r.mu.Lock()
	last = min(last, r.written-1)
	r.mu.Unlock()
	first = min(first, last)
	chunk := r.cfg.Chunk.Seconds()
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n", int(math.Ceil(chunk)))
	fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"/clips/chunks/%s/init.mp4\"\n", r.id)
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, "#EXTINF:%.3f,\n/clips/chunks/%s/%s\n", chunk, r.id, chunkName(i))
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

var segmentName = regexp.MustCompile(`^(init\.mp4|chunk_[0-9]{5,}\.m4s)$`)

// getSegment serves a part of a recording, as a presigned address does: to
// anybody.
func (s *Server) getSegment(w http.ResponseWriter, r *http.Request) {
	rec := s.recording(r.PathValue("recording"))
	if rec == nil {
		refuse(w, http.StatusGone, "Recording unknown or aged out")
		return
	}
	name := r.PathValue("file")
	if !segmentName.MatchString(name) || rec.dir == "" {
		refuse(w, http.StatusNotFound, "Segment not found")
		return
	}
	f, err := os.Open(filepath.Join(rec.dir, name))
	if err != nil {
		refuse(w, http.StatusNotFound, "Segment not found")
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "video/iso.segment")
	if strings.HasSuffix(name, ".mp4") {
		w.Header().Set("Content-Type", "video/mp4")
	}
	http.ServeContent(w, r, "", time.Time{}, f)
}
