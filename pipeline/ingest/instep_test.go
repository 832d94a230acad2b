package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sinks/record"
)

const second = time.Second

// flashes says whether a model shows white, and sounds, at a time: for the same
// tenth of each second, far from where files begin. What begins with a packet of
// Opus from the middle of a tone takes some more to be loud.
func flashes(at time.Duration) bool {
	const begin, length = 500 * time.Millisecond, 100 * time.Millisecond
	return at%second >= begin && at%second < begin+length
}

// plain is a picture of one gray.
type plain struct{ luma byte }

func (plain) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.Opaque, Width: 64, Height: 48}
}
func (p plain) Clone() (pipeline.Image, error) { return p, nil }
func (plain) Close() error                     { return nil }

func (p plain) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	b := unsafe.Slice((*byte)(dst), stride*to.Height*3/2)
	for i := range b {
		b[i] = 128
		if i < stride*to.Height {
			b[i] = p.luma
		}
	}
	return nil
}

// flashing is a model that sends for a while, as encoded pictures and sound.
type flashing struct {
	pictures [][]byte // of 30 fps, each a keyframe
	packets  [][]byte // of 20 ms
}

func newFlashing(t *testing.T, length time.Duration) *flashing {
	t.Helper()
	v, err := encoder.New(encode.Config{Codec: decode.VP8, Width: 64, Height: 48, FPS: 30, Bitrate: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	a, err := encoder.NewSoundEncoder(96_000)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	f := &flashing{}
	for n := 0; takenAt(n) < length; n++ {
		luma := byte(20)
		if flashes(takenAt(n)) {
			luma = 230
		}
		packets, err := v.Encode(plain{luma}, takenAt(n), true)
		if err != nil || len(packets) != 1 {
			t.Fatalf("%d packets, %v", len(packets), err)
		}
		f.pictures = append(f.pictures, append([]byte(nil), packets[0].Data...))
	}
	for at := time.Duration(0); at < length; at += encode.SoundLength {
		packet, err := a.EncodeSound(tone(at))
		if err != nil {
			t.Fatal(err)
		}
		f.packets = append(f.packets, append([]byte(nil), packet...))
	}
	return f
}

func takenAt(n int) time.Duration { return time.Duration(n) * second / 30 }

// tone is 20 ms of sound from a time on.
func tone(from time.Duration) []int16 {
	samples := make([]int16, encode.SoundSamples*encode.SoundChannels)
	for i := range encode.SoundSamples {
		at := from + time.Duration(i)*second/encode.SoundRate
		if flashes(at) {
			v := int16(12_000 * math.Sin(2*math.Pi*1000*at.Seconds()))
			samples[2*i], samples[2*i+1] = v, v
		}
	}
	return samples
}

// beside is a feed with sound beside its picture.
type beside struct {
	reported
	sound reported
}

func (b beside) Sound() feed { return b.sound }

// reported is a feed whose sender's clock is told, after its first second.
type reported struct {
	*fakeFeed
	rate    int
	wall    time.Time // of the sender, at its beginning
	begins  func() (timestamp uint32, at time.Duration)
	elapsed func() time.Duration
}

func (r reported) SenderTime(stamp uint32) (time.Time, bool) {
	began, at := r.begins()
	return r.wall.Add(at + ticks(int64(stamp-began), r.rate)), r.elapsed() >= at+second
}

// Sound and picture are in step in every file, whatever their ways take: from
// before the first report on, over segments and a new connection with clocks of
// its own.
func TestSoundInStep(t *testing.T) {
	const length, reconnect, gap = 7 * second, 3700 * time.Millisecond, 400 * time.Millisecond
	model := newFlashing(t, length)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		elapsed := func() time.Duration { return time.Since(begun) }
		connection := func() (epoch int, at time.Duration) {
			if elapsed() < reconnect+gap {
				return 1, 0
			}
			return 2, reconnect + gap
		}
		track := func(rate int, first, second uint32) reported {
			return reported{newFakeFeed(), rate, time.Unix(1_000_000, 0), func() (uint32, time.Duration) {
				if epoch, at := connection(); epoch == 2 {
					return second, at
				}
				return first, 0
			}, elapsed}
		}
		picture, sound := track(90_000, 1<<32-5000, 77), track(48_000, 1<<32-70_000, 123_456)
		go model.send(picture, sound, elapsed, connection, reconnect, gap)
		runRecordings(t, dir, beside{picture, sound})
	})
	for _, pattern := range []string{"copy*.mkv", "coded*.mp4"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: got %v, %v: want a file for each two seconds", pattern, files, err)
		}
		var all int
		for _, file := range files {
			seen, heard := flashesIn(t, file), tonesIn(t, file)
			t.Logf("%s: seen at %v, heard at %v", filepath.Base(file), seen, heard)
			if len(seen) != len(heard) {
				t.Errorf("%s: %d flashes, %d tones", filepath.Base(file), len(seen), len(heard))
				continue
			}
			for i := range seen {
				if off := (heard[i] - seen[i]).Abs(); off > 40*time.Millisecond {
					t.Errorf("%s: flash at %v, tone at %v", filepath.Base(file), seen[i], heard[i])
				}
			}
			all += len(seen)
		}
		if all < 6 { // one was not sent
			t.Errorf("%s: %d flashes in all files", pattern, all)
		}
	}
}

// send sends what a model shows as it becomes due: pictures 60 ms after they were
// taken, sound 90 ms. For a while there is no connection.
func (f *flashing) send(picture, sound reported, elapsed func() time.Duration, connection func() (int, time.Duration), lost, gap time.Duration) {
	v, a := newWire(decode.VP8), newWire(decode.Opus)
	put := func(w *wire, to reported, at time.Duration, payloads [][]byte) {
		epoch, _ := connection()
		began, from := to.begins()
		w.timestamp = began + uint32((at-from)*time.Duration(to.rate)/second)
		for i, payload := range payloads {
			p := w.packet(payload, i == len(payloads)-1)
			p.Epoch, p.SSRC = epoch, uint32(epoch)
			to.packets <- p
		}
	}
	const pictureDelay, soundDelay = 60 * time.Millisecond, 90 * time.Millisecond
	for n, m := 0, 0; n < len(f.pictures) || m < len(f.packets); {
		nextPicture, nextSound := takenAt(n)+pictureDelay, time.Duration(m)*encode.SoundLength+soundDelay
		if m == len(f.packets) {
			nextSound = math.MaxInt64
		}
		if n == len(f.pictures) {
			nextPicture = math.MaxInt64
		}
		time.Sleep(min(nextPicture, nextSound) - elapsed())
		down := elapsed() >= lost && elapsed() < lost+gap+soundDelay // what was taken before the connection is not sent over it
		if nextPicture <= nextSound {
			if !down {
				put(v, picture, takenAt(n), v.payloader.Payload(300, f.pictures[n]))
			}
			n++
			continue
		}
		if !down {
			put(a, sound, time.Duration(m)*encode.SoundLength, [][]byte{f.packets[m]})
		}
		m++
	}
	picture.over <- sdk.ErrSessionEnded
	sound.over <- sdk.ErrSessionEnded
}

// runRecordings records the feed as it comes and encoded anew, behind a stage
// that takes its time.
func runRecordings(t *testing.T, dir string, f beside) {
	t.Helper()
	cfg := defaultTrack()
	cfg.Track, cfg.Audio = "main_video", "main_audio"
	sink := func(name, from string, change func(*record.Config)) config.Sink {
		c := record.Default()
		c.Segment = config.Duration(2 * second)
		change(&c)
		return config.Sink{
			Node: config.Node{Name: name, From: from, Pixels: c.Pixels()}, Audio: "cam", Encoded: c.Encoded(), Config: &c,
			Type: pipeline.SinkType{
				Type: pipeline.Type{Name: "record"}, Audio: true, Queue: pipeline.Queue{Depth: 30, OnFull: pipeline.DropOldest},
				Build: func(env pipeline.Env, cfg any) (pipeline.Sink, error) { return record.New(env, *cfg.(*record.Config)) },
			},
		}
	}
	g, err := graph.Build(graph.Config{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Spec: &config.Spec{
		Name: "instep", MaxInFlight: 4,
		Sources: []config.Source{{Name: "cam", Config: &cfg, Type: pipeline.SourceType{
			Type: pipeline.Type{Name: "track"},
			Build: func(env pipeline.Env, _ any) (pipeline.Source, error) {
				return newTrackSource(env.Name, env.Log, cfg, func() (feed, error) { return f, nil }), nil
			},
		}}},
		Stages: []config.Stage{{Node: config.Node{Name: "slow", From: "cam"}, Workers: 1, Deadline: second, Type: pipeline.StageType{
			Type: pipeline.Type{Name: "slow"},
			Build: func(pipeline.Env, any) (pipeline.Stage, error) {
				return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error {
					time.Sleep(20 * time.Millisecond)
					return nil
				}), nil
			},
		}}},
		Sinks: []config.Sink{
			sink("copy", "cam", func(c *record.Config) {
				c.Codec = record.Copy
				set(&c.Path, filepath.Join(dir, "copy.mkv"))
			}),
			sink("coded", "slow", func(c *record.Config) { set(&c.Path, filepath.Join(dir, "coded.mp4")) }),
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

// set sets a text whose type is the sinks' own.
func set[T ~string](to *T, text string) { *to = T(text) }

// flashesIn returns when the pictures of a file become white.
func flashesIn(t *testing.T, path string) (at []time.Duration) {
	t.Helper()
	s, err := NewFile(pipeline.Env{Clock: pipeline.SystemClock{}, Log: slog.New(slog.DiscardHandler)}, FileConfig{File: path, Decoding: defaultDecoding()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	white := false
	for {
		f, err := s.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := mat.Gray(f)
		if err != nil {
			t.Fatal(err)
		}
		now := m.GetUCharAt(24, 32) > 128
		if now && !white {
			at = append(at, f.PTS)
		}
		white = now
		if err := f.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

// tonesIn returns when the sound of a file becomes loud.
func tonesIn(t *testing.T, path string) (at []time.Duration) {
	t.Helper()
	f, err := ffmpeg.OpenSoundFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const loud, quiet = 6000, 240 // 5 ms without a loud sample are a pause
	last := -quiet - 1
	for {
		s, err := f.Next()
		if errors.Is(err, io.EOF) {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		first := int(s.PTS * encode.SoundRate / second)
		for i := 0; i < len(s.Samples); i += encode.SoundChannels {
			if s.Samples[i] < loud {
				continue
			}
			n := first + i/encode.SoundChannels
			if n-last > quiet {
				at = append(at, time.Duration(n)*second/encode.SoundRate)
			}
			last = n
		}
	}
}
