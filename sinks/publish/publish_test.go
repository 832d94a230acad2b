package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	decoder "github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/publish"
)

func TestMain(m *testing.M) {
	decoder.Silence()
	os.Exit(m.Run())
}

// track is a session whose model takes one track, and that track.
type track struct {
	pipeline.Session
	codec   decode.Codec
	refuse  error // what Publish returns
	lost    error // what WriteSample returns
	asked   pipeline.Publish
	samples []pipeline.Sample
	closed  int
}

func (tr *track) Publish(_ context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	if tr.refuse != nil {
		return nil, tr.refuse
	}
	tr.asked = p
	return tr, nil
}

func (tr *track) Codec() string { return string(tr.codec) }

func (tr *track) WriteSample(s pipeline.Sample) error {
	if tr.lost != nil {
		return tr.lost
	}
	tr.samples = append(tr.samples, s)
	return nil
}

func (tr *track) Close() error { tr.closed++; return nil }

// picture is what came out of a sample.
type picture struct {
	keyframe      bool
	width, height int
}

// decoded returns what the receiver sees.
func (tr *track) decoded(t *testing.T) []picture {
	t.Helper()
	d, err := decoder.NewDecoder(decoder.Config{Codec: tr.codec})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []picture
	for _, s := range tr.samples {
		out, err := d.Decode(&decode.AccessUnit{Codec: tr.codec, Data: s.Data, PTS: s.PTS, Keyframe: isKeyframe(tr.codec, s.Data)})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out {
			f := p.Image.Format()
			got = append(got, picture{isKeyframe(tr.codec, s.Data), f.Width, f.Height})
			if err := p.Image.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	return got
}

// isKeyframe looks at the first bit of VP8 (RFC 6386 §9.1), the third of VP9's
// uncompressed header after the frame marker and profile, at the first NAL unit
// of H.264, a sequence parameter set, or at the OBU behind AV1's temporal
// delimiter, a sequence header.
func isKeyframe(codec decode.Codec, data []byte) bool {
	switch codec {
	case decode.VP8:
		return data[0]&1 == 0
	case decode.VP9:
		return data[0]&0b1100 == 0
	case decode.AV1:
		return data[2]>>3&0xf == 1
	default:
		return data[4]&0x1f == 7
	}
}

func (tr *track) keyframes() []int {
	got := []int{}
	for i, s := range tr.samples {
		if isKeyframe(tr.codec, s.Data) {
			got = append(got, i)
		}
	}
	return got
}

// script is a sink in front of a track.
type script struct {
	*testing.T
	sink  pipeline.Sink
	clock *pipetest.Clock
	seq   int
}

const frameTime = 40 * time.Millisecond

func open(t *testing.T, tr *track, change func(*publish.Config)) *script {
	t.Helper()
	cfg := publish.Default()
	cfg.Track = "camera"
	change(&cfg)
	s := &script{T: t, clock: &pipetest.Clock{Time: time.Now()}}
	var err error
	s.sink, err = publish.New(pipeline.Env{
		Name: "back", Log: slog.New(slog.DiscardHandler), Clock: s.clock, Metrics: pipeline.NoMetrics{}, Session: tr,
	}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.sink.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func unchanged(*publish.Config) {}

// write writes n pictures.
func (s *script) write(n, width, height int) {
	s.Helper()
	for range n {
		if err := s.frame(width, height, nil); err != nil {
			s.Errorf("write: %v", err)
		}
	}
}

func (s *script) frame(width, height int, userData []byte) error {
	s.Helper()
	f := pipeline.NewFrame(pipeline.Meta{
		PTS: time.Duration(s.seq) * frameTime, CaptureTime: time.Duration(s.seq) * time.Second, UserData: userData,
	}, pipetest.NewPicture(s.T, pipeline.Format{Layout: pipeline.I420, Width: width, Height: height}))
	s.seq++
	s.clock.Add(frameTime)
	return errors.Join(s.sink.Write(s.Context(), f), f.Release())
}

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{
		Register: publish.Register, Kind: "publish", Config: "{track: camera}",
		Env:   pipeline.Env{Session: &track{codec: decode.VP8}},
		Width: 96, Height: 64,
	})
}

func TestPublishesInTheCodecOfTheAnswer(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.AV1} {
		t.Run(string(codec), func(t *testing.T) {
			tr := &track{codec: codec}
			s := open(t, tr, unchanged)
			s.write(5, 161, 121)
			want := []picture{{true, 160, 120}, {false, 160, 120}, {false, 160, 120}, {false, 160, 120}, {false, 160, 120}}
			if diff := cmp.Diff(tr.decoded(t), want, cmp.AllowUnexported(picture{})); diff != "" {
				t.Error(diff)
			}
			if got := tr.samples[3]; got.PTS != 3*frameTime || got.CaptureTime != 3*time.Second {
				t.Errorf("got PTS %s, capture time %s", got.PTS, got.CaptureTime)
			}
			if tr.asked.Track != "camera" || tr.asked.Codec != "" {
				t.Errorf("got %+v", tr.asked)
			}
		})
	}
}

func TestSize(t *testing.T) {
	tests := []struct {
		width, height         int
		wantWidth, wantHeight int
	}{{0, 0, 160, 120}, {80, 0, 80, 60}, {0, 60, 80, 60}, {100, 50, 100, 50}, {33, 0, 32, 24}}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%dx%d", tt.width, tt.height), func(t *testing.T) {
			tr := &track{codec: decode.VP8}
			open(t, tr, func(c *publish.Config) { c.Width, c.Height = tt.width, tt.height }).write(1, 160, 120)
			want := []picture{{true, tt.wantWidth, tt.wantHeight}}
			if diff := cmp.Diff(tr.decoded(t), want, cmp.AllowUnexported(picture{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestANewSizeBeginsWithAKeyframe(t *testing.T) {
	tr := &track{codec: decode.VP8}
	s := open(t, tr, unchanged)
	s.write(2, 160, 120)
	s.write(2, 80, 60)
	want := []picture{{true, 160, 120}, {false, 160, 120}, {true, 80, 60}, {false, 80, 60}}
	if diff := cmp.Diff(tr.decoded(t), want, cmp.AllowUnexported(picture{})); diff != "" {
		t.Error(diff)
	}
}

func TestKeyframesOnRequestOnly(t *testing.T) {
	tr := &track{codec: decode.VP8}
	s := open(t, tr, unchanged)
	s.write(100, 64, 48) // four seconds
	tr.asked.OnKeyframe()
	s.write(10, 64, 48)
	if diff := cmp.Diff(tr.keyframes(), []int{0, 100}); diff != "" {
		t.Error(diff)
	}
}

func TestReceiverThatKeepsAskingForKeyframes(t *testing.T) {
	tr := &track{codec: decode.VP8}
	s := open(t, tr, unchanged)
	for range 50 { // two seconds
		s.write(1, 64, 48)
		for range 40 {
			tr.asked.OnKeyframe()
		}
	}
	if n := len(tr.keyframes()); n > 8 {
		t.Errorf("%d keyframes in two seconds", n)
	}
}

func TestFPS(t *testing.T) {
	tests := []struct {
		fps  float64
		want int // of 50 pictures in two seconds
	}{{5, 10}, {10, 20}, {15, 30}, {25, 50}, {100, 50}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.fps), func(t *testing.T) {
			tr := &track{codec: decode.VP8}
			open(t, tr, func(c *publish.Config) { c.FPS = config.Rate(tt.fps) }).write(50, 64, 48)
			if n := len(tr.samples); n < tt.want-1 || n > tt.want+1 {
				t.Errorf("got %d pictures, want about %d", n, tt.want)
			}
		})
	}
}

func TestSessionThatIsNotReady(t *testing.T) {
	lost := fmt.Errorf("connection lost: %w", pipeline.ErrNotReady)
	tr := &track{codec: decode.VP8, refuse: lost}
	s := open(t, tr, unchanged)
	s.write(10, 64, 48)
	if len(tr.samples) != 0 {
		t.Errorf("%d samples before the session was ready", len(tr.samples))
	}
	tr.refuse = nil
	s.write(20, 64, 48)
	before := len(tr.samples)
	tr.lost = lost
	s.write(20, 64, 48)
	tr.lost = nil
	s.write(20, 64, 48)
	if before < 14 || len(tr.samples) < before+14 {
		t.Fatalf("got %d samples and then %d, want most of 20 each", before, len(tr.samples)-before)
	}
	if diff := cmp.Diff(tr.keyframes(), []int{0, before}); diff != "" {
		t.Errorf("keyframes where the track begins and goes on: %s", diff)
	}
}

func TestTrackThatTheModelDoesNotTake(t *testing.T) {
	tr := &track{refuse: fmt.Errorf("the model takes no track %q: %w", "camera", pipeline.ErrInvalid)}
	err := open(t, tr, unchanged).frame(64, 48, nil)
	want := `the model takes no track "camera": invalid`
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrInvalid) || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// checking is a session that knows the model's tracks.
type checking struct {
	*track
	err error
}

func (c checking) CheckPublish(p pipeline.Publish) error {
	if p.Track != "camera" {
		return errors.New("another track")
	}
	return c.err
}

// A card that has to encode and cannot is a mistake at once, or, where the answer
// decides on the codec, with the first picture; otherwise the cpu encodes.
func TestDevice(t *testing.T) {
	if ffmpeg.CheckRequired(decode.H264, "cuda") == nil {
		t.Skip("this machine encodes on cuda")
	}
	cfg := publish.Default()
	cfg.Track, cfg.Codec, cfg.Device, cfg.Require = "camera", decode.H264, "cuda", true
	_, err := publish.New(pipeline.Env{Log: slog.New(slog.DiscardHandler), Metrics: pipeline.NoMetrics{}, Session: &track{}}, cfg)
	if !errors.Is(err, pipeline.ErrInvalid) || !strings.HasPrefix(err.Error(), "device: the device is required: cuda: ") {
		t.Errorf("New: got %v", err)
	}
	s := open(t, &track{codec: decode.H264}, func(c *publish.Config) { c.Device, c.Require = "cuda", true })
	if err := s.frame(64, 48, nil); !errors.Is(err, pipeline.ErrFatal) || !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("the first picture: got %v", err)
	}
	tr := &track{codec: decode.H264}
	open(t, tr, func(c *publish.Config) { c.Device = decode.Auto }).write(2, 64, 48)
	if len(tr.samples) != 2 {
		t.Errorf("%d samples", len(tr.samples))
	}
}

func TestSessionReady(t *testing.T) {
	unknown := fmt.Errorf("no such track: %w", pipeline.ErrInvalid)
	tests := []struct {
		name    string
		session pipeline.Session
		want    error
	}{
		{"cannot tell", &track{}, nil},
		{"taken", checking{}, nil},
		{"not taken", checking{err: unknown}, unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := publish.Default()
			cfg.Track = "camera"
			s, err := publish.New(pipeline.Env{Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Session: tt.session}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.(pipeline.SessionUser).SessionReady(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestBitrateFollowsTheConnection(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264} {
		t.Run(string(codec), func(t *testing.T) {
			size := func(limit int) (bytes int) {
				tr := &track{codec: codec}
				s := open(t, tr, unchanged)
				s.moving(1)
				if limit > 0 {
					tr.asked.OnBitrate(limit)
				}
				s.moving(52) // time for a keyframe
				tr.samples = nil
				s.moving(25)
				for _, sample := range tr.samples {
					bytes += len(sample.Data)
				}
				return bytes
			}
			full, limited := size(0), size(500_000)
			if limited > full/2 {
				t.Errorf("at a quarter of the bitrate: %d bytes of %d", limited, full)
			}
			if codec != decode.VP8 { // what follows is the same for all
				return
			}
			if above := size(100_000_000); above > full*11/10 {
				t.Errorf("more than was configured: %d bytes, %d without a limit", above, full)
			}
		})
	}
}

// Of 200 pictures, 40 ms apart, which are keyframes for the bitrate's sake.
func TestBitrateAsksForKeyframes(t *testing.T) {
	tests := []struct {
		name   string
		codec  decode.Codec
		limits map[int]int // by the picture that follows
		want   []int
	}{
		{"no change", decode.VP8, nil, []int{0}},
		{"a change", decode.VP8, map[int]int{80: 1_000_000}, []int{0, 80}},
		{"soon after a keyframe", decode.VP8, map[int]int{10: 1_000_000}, []int{0, 50}},
		{"too small to matter", decode.VP8, map[int]int{80: 1_760_000}, []int{0}},
		{"small ones add up", decode.VP8, map[int]int{80: 1_760_000, 90: 1_550_000}, []int{0, 90}},
		{"one after the other", decode.VP8, map[int]int{80: 1_000_000, 90: 500_000, 100: 250_000}, []int{0, 80, 130}},
		{"there and back", decode.VP8, map[int]int{10: 1_000_000, 20: 2_000_000}, []int{0}},
		{"needs none", decode.H264, map[int]int{80: 1_000_000}, []int{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := &track{codec: tt.codec}
			s := open(t, tr, unchanged)
			for i := range 200 {
				if limit := tt.limits[i]; limit > 0 {
					tr.asked.OnBitrate(limit)
				}
				s.write(1, 64, 48)
			}
			if diff := cmp.Diff(tr.keyframes(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// noise is a picture that costs what it is given: coarse enough to be made
// small, and nothing like the one before.
type noise struct{ seed int }

func (noise) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.I420, Width: 320, Height: 240}
}
func (n noise) Clone() (pipeline.Image, error) { return n, nil }
func (noise) Close() error                     { return nil }

func (n noise) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	random := rand.New(rand.NewPCG(uint64(n.seed), 0))
	b := unsafe.Slice((*byte)(dst), stride*to.Height*3/2)
	var v byte
	for i := range b {
		if i%16 == 0 {
			v = byte(64 + random.IntN(128))
		}
		b[i] = v
	}
	return nil
}

// moving writes n pictures that cost what they are given.
func (s *script) moving(n int) {
	s.Helper()
	for range n {
		f := pipeline.NewFrame(pipeline.Meta{PTS: time.Duration(s.seq) * frameTime}, noise{s.seq})
		s.seq++
		s.clock.Add(frameTime)
		if err := errors.Join(s.sink.Write(s.Context(), f), f.Release()); err != nil {
			s.Error(err)
		}
	}
}

func TestUserData(t *testing.T) {
	tests := []struct {
		name, template string
		frame          []byte
		want           string
	}{
		{"none", "", []byte("secret"), ""},
		{"a text", "hello", nil, "hello"},
		{"passed on", "{{ frame.user_data }}", []byte(`plain`), "plain"},
		{"JSON passed on", "{{ frame.user_data }}", []byte(`{"a":1}`), `{"a":1}`},
		{"absent", "{{ frame.user_data }}", nil, ""},
		{"computed", "seq {{ frame.seq }}", nil, "seq 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			template, err := expr.ParseTemplate(tt.template)
			if err != nil {
				t.Fatal(err)
			}
			if err := template.Check(&expr.Scope{}); err != nil {
				t.Fatal(err)
			}
			tr := &track{codec: decode.VP8}
			s := open(t, tr, func(c *publish.Config) { c.UserData = template })
			if err := s.frame(64, 48, tt.frame); err != nil {
				t.Fatal(err)
			}
			if got := string(tr.samples[0].UserData); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCloseEndsThePublicationOnce(t *testing.T) {
	tr := &track{codec: decode.VP8}
	s := open(t, tr, unchanged)
	s.write(1, 64, 48)
	for range 2 {
		if err := s.sink.Close(); err != nil {
			t.Error(err)
		}
	}
	if tr.closed != 1 {
		t.Errorf("closed %d times", tr.closed)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*publish.Config)
		want   string
	}{
		{"default", unchanged, ""},
		{"no track", func(c *publish.Config) { c.Track = "" }, "track: is required, or audio_track"},
		{"codec", func(c *publish.Config) { c.Codec = "h265" }, `codec: must be vp8, vp9, h264 or av1, got "h265"`},
		{"fps", func(c *publish.Config) { c.FPS = 0 }, "fps: must be positive, got 0"},
		{"size", func(c *publish.Config) { c.Width = -2 }, "width, height: must not be negative, got -2x0"},
		{"bitrate", func(c *publish.Config) { c.Bitrate = 10 }, "bitrate: must be at least 50000, got 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := publish.Default()
			cfg.Track = "camera"
			tt.change(&cfg)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
