package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// fakeFeed is a track that a test speaks on.
type fakeFeed struct {
	packets chan sdk.Packet
	over    chan error
	rtt     time.Duration

	mu       sync.Mutex // guards what follows
	requests []time.Time
	resumed  bool
}

func newFakeFeed() *fakeFeed {
	return &fakeFeed{packets: make(chan sdk.Packet, 10_000), over: make(chan error, 1)}
}

func (f *fakeFeed) Resume(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resumed = true
	return nil
}

func (f *fakeFeed) ReadRTP(ctx context.Context) (sdk.Packet, error) {
	select {
	case p := <-f.packets:
		return p, nil
	default:
	}
	select {
	case p := <-f.packets:
		return p, nil
	case err := <-f.over:
		f.over <- err
		return sdk.Packet{}, err
	case <-ctx.Done():
		return sdk.Packet{}, ctx.Err()
	}
}

func (f *fakeFeed) RequestKeyframe() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, time.Now())
	return nil
}

func (f *fakeFeed) asked() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.requests...)
}

func (f *fakeFeed) RTT() time.Duration { return f.rtt }

// SenderTime has the sender's clock read 1970 at timestamp 0.
func (f *fakeFeed) SenderTime(rtp uint32) (time.Time, bool) {
	return time.Unix(0, 0).Add(ticks(int64(rtp), 90000)), true
}

// imageCount counts the images that a decoder made and nobody closed yet.
type imageCount struct{ n atomic.Int64 }

type countingDecoder struct {
	decode.Decoder
	count *imageCount
}

func (d countingDecoder) Decode(au *decode.AccessUnit) ([]decode.Picture, error) {
	pictures, err := d.Decoder.Decode(au)
	for i := range pictures {
		d.count.n.Add(1)
		pictures[i].Image = countedImage{pictures[i].Image.(*ffmpeg.Image), d.count}
	}
	return pictures, err
}

type countedImage struct {
	*ffmpeg.Image
	count *imageCount
}

func (i countedImage) Close() error {
	i.count.n.Add(-1)
	return i.Image.Close()
}

// rig is a source on a track that the test speaks on, in a bubble of time.
type rig struct {
	trackSource
	feed   *fakeFeed
	sender *sender
	images *imageCount
	shows  bool // its decoder shows what is damaged
	log    *bytes.Buffer
	got    []seen // read before
}

func newRig(t *testing.T, codec string, onLoss OnLoss) *rig {
	t.Helper()
	r := &rig{feed: newFakeFeed(), sender: newSender(t, codec), images: &imageCount{}, log: &bytes.Buffer{}}
	cfg := defaultTrack()
	cfg.Track, cfg.OnLoss = "main_video", onLoss
	r.trackSource = newTrackSource("cam", slog.New(slog.NewTextHandler(r.log, nil)), cfg, func() (feed, error) { return r.feed, nil })
	real := r.newDecoder
	r.newDecoder = func(c ffmpeg.Config) (decode.Decoder, error) {
		d, err := real(c)
		r.shows = c.ShowCorrupt
		return countingDecoder{d, r.images}, err
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if n := r.images.n.Load(); n != 0 {
			t.Errorf("%d images are left", n)
		}
	})
	return r
}

// show sends the next picture, then lets the time of a frame go by. lost are
// the packets that do not arrive.
func (r *rig) show(lost ...int) {
	for i, p := range r.sender.picture(time.Now()) {
		if !slices.Contains(lost, i) {
			r.feed.packets <- p
		}
	}
	time.Sleep(frameTime)
}

// seen is what a test compares of a frame.
type seen struct {
	Seq  uint64
	PTS  time.Duration
	Why  pipeline.Reason
	Key  bool
	Size string
}

// read returns the frames that are there without waiting for more.
func (r *rig) read(t *testing.T) []seen {
	t.Helper()
	var out []seen
	for {
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
		f, err := r.Read(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return out
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		out = append(out, seen{f.Seq, f.PTS.Round(time.Millisecond), f.Discontinuity, f.Keyframe, fmt.Sprintf("%dx%d", f.Width, f.Height)})
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

// begin starts to receive.
func (r *rig) begin(t *testing.T) {
	t.Helper()
	if got := r.read(t); got != nil {
		t.Fatalf("got %v before anything was sent", got)
	}
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

const size = "160x120"

func TestTrack(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, codec, FreezeLoss)
				r.begin(t)
				sent := time.Now()
				timestamp := r.sender.timestamp
				for range 4 {
					r.show()
				}
				f, err := r.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer f.Release()
				if f.Stream != "cam" || !f.Arrival.Equal(sent) || !f.SenderTime.Equal(time.Unix(0, 0).Add(ticks(int64(timestamp), 90000))) {
					t.Errorf("got %+v", f.Meta)
				}
				want := []seen{{1, ms(33), "", false, size}, {2, ms(67), "", false, size}, {3, ms(100), "", false, size}}
				if diff := cmp.Diff(want, r.read(t)); diff != "" {
					t.Errorf("frames (-want +got):\n%s", diff)
				}
				c := r.Counts()
				if c.Received != 4 || c.Decoded != 4 || !c.LastArrival.Equal(sent.Add(3*frameTime)) {
					t.Errorf("counts %+v", c)
				}
				if n := len(r.feed.asked()); n != 0 || c.KeyframeRequests != 0 {
					t.Errorf("%d keyframes asked for, though nothing is missing", n)
				}
				if !r.Live() {
					t.Error("a track waits for nobody")
				}
			})
		})
	}
}

// A loss freezes the picture, and a keyframe is asked for, again and again, but
// not more often than every half second.
func TestTrackLossFreezes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		r.show()
		r.show()
		r.show(1)
		lost := time.Now()
		got := r.read(t)
		for range 60 {
			r.show()
			got = append(got, r.read(t)...)
		}
		if len(got) != 2 {
			t.Errorf("got %v, want the frames before the loss", got)
		}
		r.sender.keyframe()
		r.show()
		r.show()
		want := []seen{{2, ms(2100), pipeline.Loss, true, size}, {3, ms(2133), "", false, size}}
		if diff := cmp.Diff(want, r.read(t)); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		asked := r.feed.asked()
		if len(asked) < 3 || asked[0].Sub(lost) > 250*time.Millisecond {
			t.Fatalf("asked at %v, lost at %v", asked, lost)
		}
		for i := range asked[1:] {
			if gap := asked[i+1].Sub(asked[i]); gap < keyframeInterval || gap > keyframeInterval+2*frameTime {
				t.Errorf("request %d came %v after the last", i+1, gap)
			}
		}
		c := r.Counts()
		if r.shows || c.Dropped["loss"] != 1 || c.Dropped["waiting_for_keyframe"] != 60 || c.KeyframeRequests != uint64(len(asked)) {
			t.Errorf("counts %+v", c)
		}
	})
}

// Where an answer takes longer than that, the next request waits for it.
func TestTrackKeyframesOnALongPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.feed.rtt = 2 * time.Second
		r.begin(t)
		r.show()
		r.show(1)
		for range 200 {
			r.show()
			r.read(t)
		}
		asked := r.feed.asked()
		if len(asked) < 3 {
			t.Fatalf("asked at %v", asked)
		}
		for i := range asked[1:] {
			if gap := asked[i+1].Sub(asked[i]); gap < r.feed.rtt {
				t.Errorf("request %d came %v after the last", i+1, gap)
			}
		}
	})
}

func TestTrackLossShows(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, codec, ShowLoss)
				r.begin(t)
				r.show()
				r.show()
				r.show(1)
				for range 5 {
					r.show()
				}
				got := r.read(t)
				if len(got) != 7 {
					t.Fatalf("got %d frames, want all but the broken one: %v", len(got), got)
				}
				for i, f := range got {
					if why := f.Why; (why == pipeline.Loss) != (i == 2) {
						t.Errorf("frame %d: discontinuity %q", i, why)
					}
				}
				if len(r.feed.asked()) == 0 || !r.shows {
					t.Errorf("asked for %d keyframes, the decoder shows damage: %t", len(r.feed.asked()), r.shows)
				}
			})
		})
	}
}

func TestTrackReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		r.sender.timestamp = 900_000
		r.show()
		r.show()
		got := r.read(t)
		time.Sleep(2*time.Second - frameTime)
		r.sender.epoch++
		r.sender.restart(99)
		r.sender.timestamp = 900_000 + 5*90_000 // as if five seconds had gone by
		r.sender.keyframe()
		r.show()
		r.show()
		want := []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, ms(2033), pipeline.Reconnect, true, size},
			{3, ms(2067), "", false, size},
		}
		if diff := cmp.Diff(want, append(got, r.read(t)...)); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if c := r.Counts(); c.Reconnects != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

// What came before the first picture is no loss, and a keyframe that cannot be
// decoded does not make a new connection one.
func TestTrackDiscontinuities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		r.sender.next = 1
		r.show()
		r.show()
		if len(r.feed.asked()) == 0 {
			t.Error("no keyframe was asked for")
		}
		r.sender.keyframe()
		r.show()
		got := r.read(t)
		working := r.decoder
		r.decoder = failing{working, decode.ErrNeedKeyframe}
		r.sender.epoch++
		r.sender.restart(99)
		r.sender.keyframe()
		r.show()
		got = append(got, r.read(t)...)
		r.decoder = working
		r.sender.keyframe()
		r.show()
		got = append(got, r.read(t)...)
		if len(got) != 2 || got[0].Why != "" || got[1].Why != pipeline.Reconnect {
			t.Errorf("got %+v", got)
		}
	})
}

func TestTrackTakesAnotherCodec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		for _, codec := range []string{"vp8", "h264", "vp9", "vp8"} {
			r.sender.switchTo(codec)
			r.show()
			r.show()
		}
		got := r.read(t)
		if len(got) != 8 {
			t.Fatalf("got %d frames, want 8: %v", len(got), got)
		}
		for i, f := range got {
			if f.Seq != uint64(i) || i > 0 && f.PTS <= got[i-1].PTS {
				t.Errorf("frame %d: %+v", i, f)
			}
		}
	})
}

// Who reads too slowly gets no old pictures but the next keyframe.
func TestTrackSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		for range 30 {
			r.show()
		}
		synctest.Wait()
		behind := r.Counts().Dropped["decoder_behind"]
		if behind != 30 {
			t.Errorf("%d units given up, want all 30", behind)
		}
		if len(r.feed.asked()) == 0 {
			t.Error("no keyframe was asked for")
		}
		r.sender.keyframe()
		r.show()
		got := r.read(t)
		if len(got) != 1 || !got[0].Key || got[0].Seq != 0 {
			t.Errorf("got %v, want the keyframe alone", got)
		}
	})
}

// What cannot be decoded is left out, said and counted.
func TestTrackUndecodable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		r.show()
		good := r.read(t)
		broken := errors.New("out of luck")
		working := r.decoder
		r.decoder = failing{working, broken}
		for range 60 {
			r.show()
			r.read(t)
		}
		r.decoder = working
		r.show()
		got := r.read(t)
		if len(good) != 1 || len(got) != 1 || got[0].Seq != 1 || got[0].Why != pipeline.Loss {
			t.Errorf("got %v, then %v", good, got)
		}
		if n := r.Counts().Dropped["undecodable"]; n != 60 {
			t.Errorf("%d undecodable, want 60", n)
		}
		if n := strings.Count(r.log.String(), "access unit not decoded"); n != 1 {
			t.Errorf("said %d times:\n%s", n, r.log)
		}
	})
}

type failing struct {
	decode.Decoder
	err error
}

func (f failing) Decode(*decode.AccessUnit) ([]decode.Picture, error) { return nil, f.err }

// Packets of a codec that nobody knows are said once, not one by one.
func TestTrackUnknownCodec(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "vp8", FreezeLoss)
		r.begin(t)
		for range 100 {
			p := r.sender.padding(time.Now())
			p.Codec = "red"
			r.feed.packets <- p
		}
		r.show()
		if got := r.read(t); len(got) != 1 {
			t.Errorf("got %v", got)
		}
		if n := strings.Count(r.log.String(), "packet not understood"); n != 1 {
			t.Errorf("said %d times:\n%s", n, r.log)
		}
		if n := r.Counts().Dropped["unknown_codec"]; n != 100 {
			t.Errorf("%d counted", n)
		}
	})
}

func TestTrackEnds(t *testing.T) {
	ended := &sdk.Error{Code: sdk.CodeSessionTerminal, Message: "the server ended the session"}
	// What is left of a session whose last try to reconnect took too long.
	lost := fmt.Errorf("connection lost: %w", context.DeadlineExceeded)
	tests := []struct {
		name string
		over error
		want error
		text string
	}{
		{"by the server", ended, io.EOF, "EOF"},
		{"for good", lost, lost, `track "main_video": connection lost: context deadline exceeded`},
	}
	for _, tt := range tests {
		for _, gap := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/gap=%t", tt.name, gap), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, "vp8", FreezeLoss)
					r.begin(t)
					r.show()
					if gap { // a deadline is pending
						for _, p := range r.sender.picture(time.Now())[1:] {
							r.feed.packets <- p
						}
					}
					r.feed.over <- tt.over
					if got := r.read1(t); got != nil {
						t.Fatalf("first frame: %v", got)
					}
					for range 2 {
						if err := r.read1(t); !errors.Is(err, tt.want) || err.Error() != tt.text {
							t.Errorf("got %v, want %s", err, tt.text)
						}
					}
				})
			})
		}
	}
}

// read1 reads and releases one frame.
func (r *rig) read1(t *testing.T) error {
	t.Helper()
	f, err := r.Read(t.Context())
	if err != nil {
		return err
	}
	return f.Release()
}

func TestTrackClose(t *testing.T) {
	tests := []struct {
		name  string
		until func(t *testing.T, r *rig)
	}{
		{"before anything", func(*testing.T, *rig) {}},
		{"before a packet", func(t *testing.T, r *rig) { r.begin(t) }},
		{"with units waiting", func(t *testing.T, r *rig) { r.begin(t); r.show(); r.show(); synctest.Wait() }},
		{"with frames waiting", func(t *testing.T, r *rig) {
			r.begin(t)
			r.show()
			synctest.Wait()
			u, err := r.units.pop(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := r.decode(u); err != nil {
				t.Fatal(err)
			}
		}},
		{"behind a gap", func(t *testing.T, r *rig) { r.begin(t); r.show(); r.show(0) }},
		{"after the end", func(t *testing.T, r *rig) { r.begin(t); r.feed.over <- io.ErrUnexpectedEOF; synctest.Wait() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "vp8", FreezeLoss)
				tt.until(t, r)
				for range 2 {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				}
				if f, err := r.Read(t.Context()); err == nil {
					t.Errorf("got frame %d from a closed source", f.Seq)
				}
				if r.decoder != nil {
					t.Error("the decoder is left")
				}
			})
		})
	}
}

func TestTrackThatCannotBeOpened(t *testing.T) {
	trouble := errors.New("no such track")
	s := newTrackSource("cam", slog.New(slog.DiscardHandler), defaultTrack(), func() (feed, error) { return nil, trouble })
	for range 2 {
		if _, err := s.Read(t.Context()); !errors.Is(err, trouble) {
			t.Errorf("got %v, want %v", err, trouble)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestTrackConfig(t *testing.T) {
	tests := []struct {
		name   string
		change func(*TrackConfig)
		want   string
	}{
		{"default", func(*TrackConfig) {}, ""},
		{"no track", func(c *TrackConfig) { c.Track = "" }, "track: must be the name of one of the model's tracks"},
		{"no codec", func(c *TrackConfig) { c.Codecs = nil }, "codecs: must name at least one codec"},
		{"audio", func(c *TrackConfig) { c.Codecs = []string{"opus"} }, `codecs: must be vp8, vp9, h264, h265 or av1, got "opus"`},
		{"loss", func(c *TrackConfig) { c.OnLoss = "cry" }, `on_loss: must be freeze or show, got "cry"`},
		{"threads", func(c *TrackConfig) { c.Threads = 0 }, "threads: must be 1 to 64, got 0"},
		{"device", func(c *TrackConfig) { c.Device = "gpu" }, `device: must be auto, cpu, or one of cuda, vaapi, qsv, videotoolbox, d3d11va, dxva2, vdpau, drm, mediacodec, vulkan, as in cuda or cuda:1, got "gpu"`},
		{"device and require", func(c *TrackConfig) { c.Device, c.Require = "vaapi:/dev/dri/renderD129", true }, ""},
		{"require", func(c *TrackConfig) { c.Require = true }, "require: must go with a device that is not the cpu"},
		{"unit", func(c *TrackConfig) { c.MaxUnit = 0 }, "max_unit: must be 1 to 67108864 bytes, got 0"},
		{"pixels", func(c *TrackConfig) { c.MaxPixels = 0 }, "max_pixels: must be 1 to 256000000, got 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := defaultTrack()
			c.Track = "main_video"
			tt.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
