package ingest

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"log/slog"
	"testing"
	"time"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// patience is what a test waits for something that takes milliseconds.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// model shows the test picture in all codecs, and takes a track.
func model() sessiontest.Model {
	return sessiontest.Model{Tracks: []sessiontest.Track{
		{Name: "main_video", Loop: sessiontest.TestClips()},
		{Name: "sound", Kind: sessiontest.Audio},
		{Name: "source", Direction: sessiontest.SendOnly},
	}}
}

func connect(t *testing.T, srv *sessiontest.Server, cfg sdk.Config) *sdk.Session {
	t.Helper()
	cfg.BaseURL, cfg.Local = srv.URL(), true
	s, err := sdk.Connect(within(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // an error would be of the server's making
	return s
}

// receiving is a source on a session.
func receiving(t *testing.T, s *sdk.Session, onLoss OnLoss) trackSource {
	t.Helper()
	cfg := defaultTrack()
	cfg.Track, cfg.OnLoss = "main_video", onLoss
	source := newTrackSource("cam", slog.New(slog.DiscardHandler), cfg, func() (feed, error) { return output(s, cfg.Track, sdk.Video) })
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return source
}

// next reads a frame, which is released at the end of the test.
func next(t *testing.T, s pipeline.Source) *pipeline.Frame {
	t.Helper()
	f, err := s.Read(within(t))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	t.Cleanup(func() {
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// Two connections are cut dead at once, as it takes seconds to notice: one
// session goes on, the other has no time for that.
func TestTrackAfterADroppedConnection(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, model())
	source := receiving(t, connect(t, srv, sdk.Config{}), FreezeLoss)
	other := sessiontest.New(t, model())
	hasty := receiving(t, connect(t, other, sdk.Config{ReconnectWindow: -1}), FreezeLoss)
	before := next(t, source)
	next(t, hasty)
	srv.Drop()
	other.Drop()

	f := next(t, source)
	for last := before; f.Discontinuity != pipeline.Reconnect; f = next(t, source) {
		if f.Seq != last.Seq+1 {
			t.Fatalf("frame %d after %d", f.Seq, last.Seq)
		}
		last = f
	}
	// The time that goes by is that of the arrivals, give or take the jitter.
	gone, real := f.PTS-before.PTS, f.Arrival.Sub(before.Arrival)
	if !f.Keyframe || (gone-real).Abs() > time.Second {
		t.Errorf("keyframe %t, %v later by PTS, %v by arrival", f.Keyframe, gone, real)
	}
	if c := source.Counts(); c.Reconnects != 1 {
		t.Errorf("counts %+v", c)
	}
	if err := drain(t, hasty); !errors.Is(err, sdk.ErrDisconnected) || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a lost connection", err)
	}
}

func TestTrackOverSockets(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			srv := sessiontest.New(t, model())
			begun := time.Now() // the first packets come as soon as there is a session
			source := receiving(t, connect(t, srv, sdk.Config{Codecs: []string{codec}}), FreezeLoss)
			last := time.Duration(-1)
			for i := range uint64(15) {
				f := next(t, source)
				if f.Width != 160 || f.Height != 120 || f.Seq != i || f.PTS <= last {
					t.Fatalf("frame %d after %v: %+v", i, last, f.Meta)
				}
				if f.Arrival.Before(begun) || f.Arrival.After(time.Now()) {
					t.Errorf("frame %d: arrival %v", i, f.Arrival)
				}
				if i == 0 && (!f.Keyframe || f.Discontinuity != "") {
					t.Errorf("first frame: %+v", f.Meta)
				}
				last = f.PTS
			}
		})
	}
}

// Nothing is sent before somebody reads, and then a keyframe comes first.
func TestTrackIsResumed(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, model())
	out := srv.Output("main_video")
	s := connect(t, srv, sdk.Config{NoAutoResume: true})
	source := receiving(t, s, FreezeLoss)
	if d := out.Demand(); len(d) != 0 {
		t.Fatalf("watched before the first Read: %+v", d)
	}
	if f := next(t, source); !f.Keyframe {
		t.Errorf("first frame: %+v", f.Meta)
	}
	if c := source.Counts(); c.KeyframeRequests != 0 || c.Dropped["waiting_for_keyframe"] != 0 {
		t.Errorf("counts %+v", c)
	}
	srv.Drop()
	for f := next(t, source); f.Discontinuity != pipeline.Reconnect; f = next(t, source) {
		continue
	}
}

func TestTrackOfASessionThatIsOver(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, model())
	s := connect(t, srv, sdk.Config{NoAutoResume: true})
	srv.EndSessions("that was all")
	<-s.Done()
	if _, err := receiving(t, s, FreezeLoss).Read(within(t)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestTrackEndsWithTheSession(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, model())
	source := receiving(t, connect(t, srv, sdk.Config{}), FreezeLoss)
	next(t, source)
	go srv.EndSessions("that was all")
	if err := drain(t, source); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
}

// drain reads to the end and returns what it was.
func drain(t *testing.T, s pipeline.Source) error {
	t.Helper()
	ctx := within(t)
	for {
		f, err := s.Read(ctx)
		if err != nil {
			return err
		}
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

func TestTrackNames(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, model())
	s := connect(t, srv, sdk.Config{})
	tests := []struct{ track, want string }{
		{"main_video", ""},
		{"nonsense", `track: [NOT_FOUND] unknown track "nonsense"; the model has "source", "main_video", "sound"`},
		{"source", `track "source": the model does not send video on it`},
		{"sound", `track "sound": the model does not send video on it`},
	}
	for _, tt := range tests {
		source, err := NewTrack(pipeline.Env{Name: "cam", Log: slog.New(slog.DiscardHandler), Session: liveSession{live: s}}, TrackConfig{Track: tt.track})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := source.(pipeline.SessionUser).SessionReady(t.Context()); err != nil {
			got = err.Error()
			if !errors.Is(err, pipeline.ErrInvalid) {
				t.Errorf("%s: %v is not ErrInvalid", tt.track, err)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.track, got, tt.want)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := Open(t.Context(), s, "nonsense"); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("open: got %v, want ErrInvalid", err)
	}
}

// A session that is only not up is no mistake in the file.
func TestTrackOfASessionThatIsNotReady(t *testing.T) {
	source, err := NewTrack(pipeline.Env{Log: slog.New(slog.DiscardHandler), Session: liveSession{err: pipeline.ErrNotReady}}, TrackConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.(pipeline.SessionUser).SessionReady(t.Context()); !errors.Is(err, pipeline.ErrNotReady) || errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// liveSession is as much of a pipeline's session as a track needs.
type liveSession struct {
	pipeline.Session
	live *sdk.Session
	err  error
}

func (s liveSession) Hold(ctx context.Context, after *sdk.Session) (*sdk.Session, func(), error) {
	if after == nil {
		return s.live, func() {}, s.err
	}
	select {
	case <-after.Done():
		return nil, nil, after.Err()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// Whatever is lost on the wire, every picture is one that the model sent, to the
// last bit, and there are always more to come.
func TestTrackOverALossyWire(t *testing.T) {
	t.Parallel()
	whole := pictures(t, sessiontest.VP8Clip())
	tests := []struct {
		name string
		loss float64
	}{
		{"mostly repaired", 0.05},
		{"often beyond repair", 0.65},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := sessiontest.New(t, model())
			source := receiving(t, connect(t, srv, sdk.Config{Codecs: []string{"vp8"}}), FreezeLoss)
			last := next(t, source).Seq
			srv.SetNetwork(sessiontest.Network{Drop: tt.loss, Seed: 1})
			for begun := time.Now(); time.Since(begun) < 2*time.Second; {
				f := next(t, source)
				if !whole[fingerprint(f.Image())] {
					t.Fatalf("frame %d is damaged: %+v", f.Seq, f.Meta)
				}
				if f.Seq != last+1 {
					t.Fatalf("frame %d after %d", f.Seq, last)
				}
				last = f.Seq
			}
			t.Logf("%d frames, %+v", last, source.Counts())
			srv.SetNetwork(sessiontest.Network{})
			next(t, source)
		})
	}
}

var seed = maphash.MakeSeed()

// pictures are the fingerprints of all of a clip's pictures.
func pictures(t *testing.T, clip *sessiontest.Clip) map[uint64]bool {
	t.Helper()
	d, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: decode.Codec(clip.Codec)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	all := map[uint64]bool{}
	for i, frame := range clip.Frames {
		got, err := d.Decode(&decode.AccessUnit{Codec: decode.Codec(clip.Codec), Data: frame, Keyframe: i == 0})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range got {
			all[fingerprint(p.Image)] = true
			p.Image.Close()
		}
	}
	return all
}

// fingerprint is of the luma of a picture.
func fingerprint(img pipeline.Image) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	f := img.Format()
	p, stride := img.(pipeline.Planar).Plane(0)
	for y := range f.Height {
		row := unsafe.Slice((*byte)(unsafe.Add(p, y*stride)), f.Width)
		h.Write(row)
	}
	return h.Sum64()
}

// What the model attaches to a picture arrives with it.
func TestTrackMetadata(t *testing.T) {
	t.Parallel()
	m := model()
	m.Tracks[0].Loop, m.Tracks[0].Codecs = nil, []string{"vp8"}
	srv := sessiontest.New(t, m)
	source := receiving(t, connect(t, srv, sdk.Config{}), FreezeLoss)
	watched(t, srv)
	ctx, stop := context.WithCancel(within(t))
	defer stop()
	go func() {
		for {
			srv.Output("main_video").Send(sessiontest.Sample{
				Data: sessiontest.VP8Clip().Frames[0], Keyframe: true,
				Metadata: &sessiontest.Metadata{FrameID: 42, CaptureTime: 7 * time.Second, UserData: []byte(`{"score": 3}`)},
			})
			select {
			case <-ctx.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	f := next(t, source)
	if f.FrameID != 42 || f.CaptureTime != 7*time.Second || string(f.UserData) != `{"score": 3}` {
		t.Errorf("got %+v", f.Meta)
	}
}

// watched waits until somebody watches the picture.
func watched(t *testing.T, srv *sessiontest.Server) {
	t.Helper()
	o := srv.Output("main_video")
	for len(o.Demand()) == 0 {
		select {
		case <-o.Changed():
		case <-time.After(patience):
			t.Fatal("nobody watches")
		}
	}
}

// Frames leave the session alone when they are closed, and nothing behind.
func TestOpen(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, model())
	s := connect(t, srv, sdk.Config{})
	for range 2 {
		frames, err := Open(within(t), s, "main_video")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if !frames.Next(within(t)) {
				t.Fatal(frames.Err())
			}
			if f := frames.Frame(); f.Image() == nil || f.Width != 160 {
				t.Errorf("got %+v", f.Meta)
			}
		}
		for range 2 {
			if err := frames.Close(); err != nil {
				t.Error(err)
			}
		}
		if frames.Next(within(t)) {
			t.Error("a frame after Close")
		}
	}
	frames, err := Open(within(t), s, "main_video")
	if err != nil {
		t.Fatal(err)
	}
	defer frames.Close()
	go srv.EndSessions("that was all")
	for frames.Next(within(t)) {
	}
	if err := frames.Err(); err != nil {
		t.Errorf("an orderly end is %v", err)
	}
}
