package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sinks/record"
)

// wireBench compares the whole way of a frame, from the socket to a BGR Mat in
// the first stage, with the ffmpeg program decoding the same access units.
func wireBench() bench {
	return bench{
		name: "wire", title: "ICE, DTLS-SRTP → BGR Mat in the first stage, 720p30, CPU per frame",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			var rows []row
			for _, codec := range []string{"h264", "vp8"} {
				var ours, theirs []time.Duration
				clip, err := h.clip(ctx, codec)
				if err != nil {
					return nil, err
				}
				for range h.runs {
					got, err := h.receive(ctx, codec)
					if err != nil {
						return nil, err
					}
					ours = append(ours, got.CPU/time.Duration(max(got.Frames, 1)))
					t, err := h.ffmpegPerFrame(ctx, clip, "-pix_fmt", "bgr24")
					if err != nil {
						return nil, err
					}
					theirs = append(theirs, t)
				}
				rows = append(rows, atMost(codec+" / ffmpeg -threads 1 -pix_fmt bgr24", ours, theirs, 1.4))
			}
			beside, err := h.besidePython(ctx)
			return append(rows, beside...), err
		},
	}
}

// watchedFor is how long each client looks at the published runtime.
const watchedFor = 10 * time.Second

// besidePython compares this client with the published one, on the published
// runtime, where they are; and both with ffmpeg decoding what the runtime sends:
// below that no client comes that decodes with FFmpeg.
func (h *harness) besidePython(ctx context.Context) ([]row, error) {
	var all besides
	for range h.runs {
		server, url, err := h.runtime(ctx, here, here)
		if errors.Is(err, errNoPython) {
			return []row{{what: "the published runtime", value: "skipped: " + err.Error()}}, nil
		}
		if err != nil {
			return nil, err
		}
		if err := errors.Join(h.besideOnce(ctx, url, &all), server.interrupt()); err != nil {
			return nil, err
		}
	}
	return []row{
		atMost("the published runtime / the Python SDK with cvtColor", all.ours, all.python, 0.35),
		compared("… / ffmpeg -threads 1 -pix_fmt bgr24 on what the runtime sends", all.ours, all.bgr),
		compared("that ffmpeg / the Python SDK", all.bgr, all.python),
		compared("ffmpeg -threads 1 -f null, its decoder alone / the Python SDK", all.decoder, all.python),
		compared("the published runtime, offered VP8 alone / the Python SDK, which takes VP9", all.vp8, all.python),
	}, nil
}

// besides are the costs of a frame of the published runtime, run by run.
type besides struct{ ours, vp8, python, bgr, decoder []time.Duration }

// besideOnce measures all in turn.
func (h *harness) besideOnce(ctx context.Context, url string, all *besides) error {
	clip := filepath.Join(h.dir, "runtime.mkv")
	relayed, err := h.watch(ctx, url, runtimeCodecs, clip, string(record.Copy))
	if err != nil {
		return err
	}
	for _, m := range []struct {
		into    *[]time.Duration
		measure func() (received, error)
	}{
		{&all.ours, func() (received, error) { return h.watch(ctx, url, runtimeCodecs) }},
		{&all.vp8, func() (received, error) { return h.watch(ctx, url, "vp8") }},
		{&all.python, func() (received, error) { return h.published(ctx, here, url, watchedFor, toBGR) }},
	} {
		got, err := m.measure()
		if err != nil {
			return err
		}
		*m.into = append(*m.into, got.CPU/time.Duration(max(got.Frames, 1)))
	}
	bgr, err := h.ffmpegPerFrameOf(ctx, clip, relayed.Frames, "-pix_fmt", "bgr24")
	if err != nil {
		return err
	}
	decoder, err := h.ffmpegPerFrameOf(ctx, clip, relayed.Frames)
	all.bgr, all.decoder = append(all.bgr, bgr), append(all.decoder, decoder)
	return err
}

// watch has this client look at a server for some time, and record that if a path
// and a codec are given.
func (h *harness) watch(ctx context.Context, url, codecs string, recorded ...string) (got received, err error) {
	err = h.call(ctx, &got, "receive", append([]string{url, codecs, watchedFor.String()}, recorded...)...)
	return got, err
}

// runtimeCodecs are offered to the published runtime, which answers VP9 wherever
// that is among them.
const runtimeCodecs = "vp8,vp9,h264"

// latencyBench measures how long a frame takes from its last packet to the first
// stage.
func latencyBench() bench {
	return bench{
		name: "latency", title: "last packet of a frame → frame in the first stage, 720p30 on loopback",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			var rows []row
			for _, of := range []struct {
				codec string
				more  time.Duration // that its decoder may take
			}{{"h264", 0}, {"vp8", 0}, {"vp9", 2 * time.Millisecond}} {
				var p50, p95 []time.Duration
				for range h.runs {
					got, err := h.receive(ctx, of.codec)
					if err != nil {
						return nil, err
					}
					p50, p95 = append(p50, got.P50), append(p95, got.P95)
				}
				rows = append(rows,
					within(of.codec+" p50", median(p50), 3*time.Millisecond+of.more),
					within(of.codec+" p95", median(p95), 6*time.Millisecond+of.more))
			}
			return rows, nil
		},
	}
}

func within(what string, d, bar time.Duration) row {
	return row{what: what, value: fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000), bar: "≤ " + bar.String(), ok: d <= bar}
}

// receivedFrames of each run: ten seconds.
const receivedFrames = 300

// receive has one child receive what another one serves.
func (h *harness) receive(ctx context.Context, codec string) (got received, err error) {
	err = h.against(ctx, codec, &got, "receive", codec, strconv.Itoa(receivedFrames))
	return got, err
}

// served does something while a server of a clip is there, in a process of its own.
func (h *harness) served(ctx context.Context, codec string, do func(url string) error) error {
	clip, err := h.clip(ctx, codec)
	if err != nil {
		return err
	}
	return h.servedClip(ctx, clip, do)
}

func (h *harness) servedClip(ctx context.Context, clip string, do func(url string) error) error {
	server, err := h.start(ctx, "serve", clip)
	if err != nil {
		return err
	}
	var url string
	err = server.read(&url)
	if err == nil {
		err = do(url)
	}
	return errors.Join(err, server.stop())
}

// against runs a child against such a server, whose URL is its first argument.
func (h *harness) against(ctx context.Context, codec string, v any, name string, args ...string) error {
	return h.served(ctx, codec, func(url string) error {
		return h.call(ctx, v, name, append([]string{url}, args...)...)
	})
}

// serveChild serves a clip's access units in a loop, as they are. It prints its
// URL.
func serveChild(ctx context.Context, args []string) error {
	loop, err := sim.ReadLoop(args[0])
	if err != nil {
		return err
	}
	s, err := sessiontest.Serve(ctx, sessiontest.Config{MaxSessions: fullHouse, Model: sessiontest.Model{
		Name:   "bench",
		Tracks: []sessiontest.Track{{Name: "main_video", Loop: []*sessiontest.Clip{loop}}},
		Commands: []sessiontest.Command{{Name: "echo", Open: true, Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
			return &sessiontest.Message{Type: "echoed", Data: map[string]any{"at_us": time.Now().UnixMicro()}}, nil
		}}},
	}})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := tell(s.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
