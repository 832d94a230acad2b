package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sinks/publish"
)

const (
	rawFrames       = 60 // that are published, or encoded, over and over
	rawWidth        = 1280
	rawHeight       = 720
	publishedFrames = 200 // of each run, at 30 a second
	publishBitrate  = 2_000_000
	publishBar      = 1.15
	sendBar         = time.Millisecond
)

// publishBench measures the way back: from a Mat to RTP, beside the ffmpeg program
// that encodes the same frames with the same settings at the same pace.
func publishBench() bench {
	return bench{
		name: "publish", title: "BGR Mat → published RTP, 720p30 at 2 Mbit/s, the server in a process of its own",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			raw, err := h.raw(ctx)
			if err != nil {
				return nil, err
			}
			var rows []row
			for _, codec := range []string{"h264", "vp8"} {
				r, err := h.publishRows(ctx, raw, codec)
				if err != nil {
					return nil, err
				}
				rows = append(rows, r...)
			}
			return rows, nil
		},
	}
}

func (h *harness) publishRows(ctx context.Context, raw, codec string) ([]row, error) {
	var ours, theirs, alone, rest []time.Duration
	for range h.runs {
		got, err := h.publish(ctx, raw, codec, false)
		if err != nil {
			return nil, err
		}
		ours = append(ours, got.CPU)
		if got, err = h.publish(ctx, raw, codec, true); err != nil {
			return nil, err
		}
		alone, rest = append(alone, quantile(got.Alone, 0.5)), append(rest, got.Rest)
		t, err := h.ffmpegPublishing(ctx, raw, codec)
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, t)
	}
	own := within(codec+": frame at the sink → its first packet at the server, but for the encoder's own time, p50", median(rest), sendBar)
	own.value += fmt.Sprintf(" (the encoder: %s)", perFrame(median(alone)))
	return []row{atMost(codec+", CPU per frame / ffmpeg -re -threads 1 … -f rtp", ours, theirs, publishBar), own}, nil
}

// raw makes a file of BGR frames.
func (h *harness) raw(ctx context.Context) (string, error) {
	clip, err := h.clip(ctx, "h264")
	if err != nil {
		return "", err
	}
	path := filepath.Join(h.dir, "frames.bgr")
	_, err = h.cpu(ctx, "ffmpeg", "-loglevel", "error", "-i", clip, "-frames:v", strconv.Itoa(rawFrames), "-pix_fmt", "bgr24", "-f", "rawvideo", "-y", path)
	return path, err
}

// publish has one child publish what another one takes.
func (h *harness) publish(ctx context.Context, raw, codec string, beside bool) (got publishedTimes, err error) {
	server, err := h.start(ctx, "take", codec)
	if err != nil {
		return got, err
	}
	var url string
	if err := server.read(&url); err != nil {
		return got, errors.Join(err, server.stop())
	}
	err = h.call(ctx, &got, "publish", url, raw, codec, strconv.FormatBool(beside))
	if err != nil {
		return got, errors.Join(err, server.stop())
	}
	closed := server.stdin.Close()
	var came []int64
	if err := errors.Join(closed, server.read(&came), server.cmd.Wait()); err != nil {
		return got, err
	}
	var rest []time.Duration
	for i := startFrames; i < min(len(got.Alone), len(came)); i++ {
		rest = append(rest, time.Duration(came[i]-got.Begun[i])-got.Alone[i])
	}
	got.Rest = quantile(rest, 0.5)
	return got, nil
}

// ffmpegPublishing is the CPU time of the ffmpeg program for one frame.
func (h *harness) ffmpegPublishing(ctx context.Context, raw, codec string) (time.Duration, error) {
	to, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer to.Close()
	encoder := map[string][]string{
		"h264": {"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0"},
		"vp8": {
			"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-error-resilient", "default", "-auto-alt-ref", "0",
			"-lag-in-frames", "0", "-minrate", "2M",
		},
	}[codec]
	run := func(frames int) (time.Duration, error) {
		args := []string{
			"-loglevel", "error", "-re", "-stream_loop", "-1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", fmt.Sprintf("%dx%d", rawWidth, rawHeight),
			"-r", "30", "-i", raw, "-frames:v", strconv.Itoa(frames), "-pix_fmt", "yuv420p",
		}
		args = append(append(args, encoder...), "-threads", "1", "-g", "1000000", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "1M")
		return h.cpu(ctx, "ffmpeg", append(args, "-f", "rtp", "rtp://"+to.LocalAddr().String())...)
	}
	few, err := run(startFrames)
	if err != nil {
		return 0, err
	}
	many, err := run(publishedFrames)
	return (many - few) / (publishedFrames - startFrames), err
}

// publishedTimes is what the publish child prints.
type publishedTimes struct {
	CPU   time.Duration   // of the process, for a frame
	Begun []int64         // when each Write began, in ns
	Alone []time.Duration // of an encoder of the same picture just before it, if there is one
	Rest  time.Duration   // what it took more until the first packet was at the server, p50; the parent's
}

// publishChild publishes frames as a pipeline does. Its arguments are the server's
// URL, the file of frames, the codec, and whether an encoder beside encodes each.
func publishChild(ctx context.Context, args []string) error {
	frames, err := readFrames(args[1], rawWidth, rawHeight)
	if err != nil {
		return err
	}
	defer func() {
		for _, m := range frames {
			_ = m.Close()
		}
	}()
	codec := decode.Codec(args[2])
	beside := func(int) (time.Duration, error) { return 0, nil }
	if args[3] == "true" {
		e, err := ffmpeg.New(encode.Config{Codec: codec, Width: rawWidth, Height: rawHeight, FPS: 30, Bitrate: publishBitrate})
		if err != nil {
			return err
		}
		defer e.Close()
		beside = func(n int) (time.Duration, error) {
			begun := time.Now()
			_, err := e.Encode(frames[n%len(frames)], time.Duration(n)*time.Second/30, false)
			return time.Since(begun), err
		}
	}
	got, err := publishFrames(ctx, args[0], codec, frames, beside)
	if err != nil {
		return err
	}
	return tell(got)
}

func readFrames(path string, width, height int) ([]*mat.Image, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	size := width * height * 3
	var frames []*mat.Image
	for ; len(content) >= size; content = content[size:] {
		m, err := mat.New(width, height)
		if err != nil {
			return nil, err
		}
		pixels, err := m.Mat().DataPtrUint8()
		if err != nil {
			return nil, err
		}
		copy(pixels, content[:size])
		frames = append(frames, m)
	}
	return frames, nil
}

func publishFrames(ctx context.Context, url string, codec decode.Codec, frames []*mat.Image, beside func(n int) (time.Duration, error)) (got publishedTimes, err error) {
	s := session.New(session.Config{
		Spec: config.Session{Name: "main", URL: url, Local: true, Wait: 2 * patience, OnExit: "end"},
		Log:  slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{},
	})
	if err := s.Open(ctx); err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	cfg := publish.Default()
	cfg.Track, cfg.Codec, cfg.Bitrate = "source", codec, publishBitrate
	sink, err := publish.New(pipeline.Env{
		Name: "back", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Session: s,
	}, cfg)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	var begun time.Duration
	err = atPace(ctx, publishedFrames, func(n int) error {
		if n == startFrames {
			begun = usedCPU()
		}
		f := pipeline.NewFrame(pipeline.Meta{
			Stream: "cam", Seq: uint64(n), PTS: time.Duration(n) * time.Second / 30, Width: rawWidth, Height: rawHeight, //nolint:gosec // from 0 on
		}, lent{frames[n%len(frames)]})
		alone, err := beside(n)
		got.Alone = append(got.Alone, alone)
		got.Begun = append(got.Begun, time.Now().UnixNano())
		return errors.Join(err, sink.Write(ctx, f), f.Release())
	})
	got.CPU = (usedCPU() - begun) / (publishedFrames - startFrames)
	return got, err
}

// lent is a picture that others still need.
type lent struct{ *mat.Image }

func (lent) Close() error { return nil }

// atPace does something 30 times a second.
func atPace(ctx context.Context, times int, do func(n int) error) error {
	tick := time.NewTicker(time.Second / 30)
	defer tick.Stop()
	for n := range times {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := do(n); err != nil {
			return err
		}
	}
	return nil
}

// takeChild is a model that takes a track in a codec. At its end it prints when the
// first packet of each picture came.
func takeChild(ctx context.Context, args []string) error {
	var mu sync.Mutex // guards came
	var came []int64
	s, err := sessiontest.Serve(ctx, sessiontest.Config{Codecs: []string{args[0]}, Model: sessiontest.Model{
		Name: "bench",
		Tracks: []sessiontest.Track{
			{Name: "main_video", Loop: []*sessiontest.Clip{sessiontest.VP8Clip()}},
			{Name: "source", Direction: sessiontest.SendOnly, Codecs: []string{args[0]}},
		},
		Receive: func(_ context.Context, in *sessiontest.Input) {
			var last uint32
			for first := true; ; {
				p, err := in.ReadRTP()
				if err != nil {
					return
				}
				if !first && p.Timestamp == last || len(bytes.TrimRight(p.Payload, "\x00")) == 0 {
					continue
				}
				first, last = false, p.Timestamp
				now := time.Now().UnixNano()
				mu.Lock()
				came = append(came, now)
				mu.Unlock()
			}
		},
	}})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := tell(s.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	mu.Lock()
	defer mu.Unlock()
	return tell(came)
}
