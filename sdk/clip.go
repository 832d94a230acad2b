package sdk

import (
	"context"
	"io"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// The kinds of a [Clip].
const (
	ClipSnap      = "snap"      // the end of what there is
	ClipRecording = "recording" // all of it
)

// Clip is a part of what the session has recorded. It can be downloaded when
// ReadyAt is near or past, also when the session is over.
type Clip struct {
	RecordingID string // not the session's id
	Kind        string // [ClipSnap] or [ClipRecording]
	// Start and End bound it, and Now is when it was asked for, on the
	// recording's media clock. What is downloaded is made of whole chunks, and so
	// a little longer.
	Start, End, Now time.Duration
	// ReadyAt is the server's guess, often a chunk too early.
	ReadyAt time.Time
	// PlaylistURL is where it is fetched from; http or https.
	PlaylistURL string
}

// RequestClip asks for the last seconds of what the session has recorded. It
// answers at once; [Session.Download] waits for the bytes.
func (s *Session) RequestClip(ctx context.Context, last time.Duration) (Clip, error) {
	const op = "request_clip"
	if last <= 0 {
		return Clip{}, gpuErrorf(CodeBadRequest, op, "duration: must be positive, got %s", last)
	}
	return s.requestClip(ctx, op, &wire.ControlClientMessage{
		Payload: &wire.ControlClientMessage_RequestClip{RequestClip: &wire.RequestClip{DurationSeconds: last.Seconds()}},
	})
}

// RequestRecording asks for everything that the session has recorded so far.
func (s *Session) RequestRecording(ctx context.Context) (Clip, error) {
	return s.requestClip(ctx, "request_recording", &wire.ControlClientMessage{
		Payload: &wire.ControlClientMessage_RequestRecording{RequestRecording: &wire.RequestRecording{}},
	})
}

func (s *Session) requestClip(ctx context.Context, op string, m *wire.ControlClientMessage) (Clip, error) {
	c, err := s.ready(op)
	if err != nil {
		return Clip{}, err
	}
	answer, err := c.request(ctx, op, m)
	if err != nil {
		return Clip{}, err
	}
	if failed := answer.GetClipFailed(); failed != nil {
		s.events.publish(Event{Type: EventClipFailed, Reason: failed.GetReason(), At: time.Now()})
		return Clip{}, clipRefusal(op, failed.GetReason())
	}
	clip, err := newClip(op, answer.GetClipReady(), s.api.base)
	if err != nil {
		return Clip{}, err
	}
	s.events.publish(Event{Type: EventClipReady, Clip: &clip, At: time.Now()})
	return clip, nil
}

// clipRefusal is the error of a clip_failed. That the recorder is off is only to
// be told from its text.
func clipRefusal(op, reason string) *Error {
	if strings.Contains(reason, "recorder disabled") {
		return refusal(CodeRecorderDisabled, op, reason)
	}
	return refusal(CodeInternal, op, reason)
}

func newClip(op string, r *wire.ClipReady, base string) (Clip, error) {
	playlist, err := playlistURL(r.GetPlaylistUrl(), base)
	if err != nil {
		return Clip{}, gpuErrorf(CodeDecode, op, "playlist: %v", err)
	}
	return Clip{
		RecordingID: r.GetSessionId(), Kind: r.GetKind(), ReadyAt: time.UnixMilli(r.GetPredictedReadyAtMs()),
		Start: seconds(r.GetStartMarker()), End: seconds(r.GetEndMarker()), Now: seconds(r.GetNowMarker()),
		PlaylistURL: playlist,
	}, nil
}

// playlistURL completes what a server calls a clip's address: a local runtime
// names the path only.
func playlistURL(s, base string) (string, error) {
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") {
		s = base + s
	}
	u, err := webURL(s, nil)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// webURL reads an address, relative to base unless that is nil, that is to be
// fetched over HTTP and nothing else.
func webURL(s string, base *url.URL) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errNotWeb(s)
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errNotWeb(s)
	}
	return u, nil
}

// seconds converts a time in seconds; what is no number counts as 0.
func seconds(s float64) time.Duration {
	if math.IsNaN(s) || math.Abs(s) > math.MaxInt64/float64(time.Second)/2 {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// SaveClip requests and downloads the last seconds of the recording.
func (s *Session) SaveClip(ctx context.Context, last time.Duration, w io.Writer, cfg DownloadConfig) (Clip, error) {
	clip, err := s.RequestClip(ctx, last)
	if err != nil {
		return clip, err
	}
	return clip, s.Download(ctx, clip, w, cfg)
}

// SaveRecording requests and downloads the recording as far as it goes.
func (s *Session) SaveRecording(ctx context.Context, w io.Writer, cfg DownloadConfig) (Clip, error) {
	clip, err := s.RequestRecording(ctx)
	if err != nil {
		return clip, err
	}
	return clip, s.Download(ctx, clip, w, cfg)
}
