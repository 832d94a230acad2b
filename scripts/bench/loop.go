package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sinks/publish"
	"github.com/reactorpipe/reactorpipe/stages/pair"
)

const (
	loopWidth  = 640
	loopHeight = 480
	loopFrames = 330 // of each run, at 30 a second; the first thirty do not count
	loopStart  = 30
	loopBar    = 1.1
)

// loopBench measures the whole loop: a picture goes to the published runtime, whose
// model sends it back with what was attached to it.
func loopBench() bench {
	return bench{
		name: "loop", title: "camera → publish → echo on the published runtime → frame back, 640×480 at 30 fps, p50",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			raw, err := h.rawLoop(ctx)
			if err != nil {
				return nil, err
			}
			took := map[string][]time.Duration{}
			for range h.runs {
				for _, who := range []string{"pipeline", "sdk", "python"} {
					t, err := h.loop(ctx, who, raw)
					if errors.Is(err, errNoPython) {
						return []row{{what: "the published runtime", value: "skipped: " + err.Error()}}, nil
					}
					if err != nil {
						return nil, fmt.Errorf("%s: %w", who, err)
					}
					took[who] = append(took[who], t)
				}
			}
			return []row{
				atMost("a pipeline, paired / sdk alone with encoded samples", took["pipeline"], took["sdk"], loopBar),
				compared("a pipeline, paired / the published client", took["pipeline"], took["python"]),
			}, nil
		},
	}
}

// rawLoop makes a file of BGR frames.
func (h *harness) rawLoop(ctx context.Context) (string, error) {
	path := filepath.Join(h.dir, "loop.bgr")
	_, err := h.cpu(ctx, "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=30", loopWidth, loopHeight),
		"-frames:v", strconv.Itoa(rawFrames), "-pix_fmt", "bgr24", "-f", "rawvideo", "-y", path)
	return path, err
}

// loop is the p50 of one run.
func (h *harness) loop(ctx context.Context, who, raw string) (time.Duration, error) {
	server, url, err := h.runtimeOf(ctx, "echo", here, here)
	if err != nil {
		return 0, err
	}
	var all []time.Duration
	if who == "python" {
		err = h.pythonLoop(ctx, &all, url, raw)
	} else {
		err = h.call(ctx, &all, "loop", url, raw, who)
	}
	if err := errors.Join(err, server.interrupt()); err != nil {
		return 0, err
	}
	if len(all) < loopFrames/2 {
		return 0, fmt.Errorf("%d frames came back", len(all))
	}
	return quantile(all, 0.5), nil
}

func (h *harness) pythonLoop(ctx context.Context, all *[]time.Duration, url, raw string) error {
	python, err := h.python(ctx)
	if err != nil {
		return err
	}
	c, err := begin(here.command(ctx, python, filepath.Join(h.dir, "python", "loop.py"), url, raw,
		strconv.Itoa(loopWidth), strconv.Itoa(loopHeight), strconv.Itoa(loopFrames)))
	if err != nil {
		return err
	}
	return errors.Join(c.read(all), c.stop())
}

// loopChild sends pictures and prints how long each took to come back. Its
// arguments are the server's URL, the file of pictures, and who sends: pipeline or
// sdk.
func loopChild(ctx context.Context, args []string) error {
	frames, err := readFrames(args[1], loopWidth, loopHeight)
	if err != nil {
		return err
	}
	defer func() {
		for _, m := range frames {
			_ = m.Close()
		}
	}()
	loop := sdkLoop
	if args[2] == "pipeline" {
		loop = pipelineLoop
	}
	all, err := loop(ctx, args[0], frames)
	if err != nil {
		return err
	}
	return tell(all[min(loopStart, len(all)):])
}

// pipelineLoop has a pipeline do it: a camera, a publish sink, and a pair stage
// behind the track that comes back.
func pipelineLoop(ctx context.Context, url string, frames []*mat.Image) (all []time.Duration, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	spec, err := loopSpec(&camera{frames: frames, over: stop}, func(trip time.Duration) { all = append(all, trip) })
	if err != nil {
		return nil, err
	}
	l, err := attach(ctx, config.Session{URL: url, Local: true}, nil, graph.Config{Spec: spec})
	if err != nil {
		return nil, err
	}
	err = l.run(running)
	return all, err
}

func loopSpec(cam pipeline.Source, trip func(time.Duration)) (*config.Spec, error) {
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	publish.Register(reg)
	pair.Register(reg)
	track, _ := reg.Source("track")
	answers := track.NewConfig().(*ingest.TrackConfig) //nolint:errcheck // the registry makes nothing else
	answers.Track = "main_video"
	stage, _ := reg.Stage("pair")
	paired := stage.NewConfig().(*pair.Config) //nolint:errcheck // the registry makes nothing else
	paired.Sent = "back"
	sink, _ := reg.Sink("publish")
	back := sink.NewConfig().(*publish.Config) //nolint:errcheck // the registry makes nothing else
	back.Track, back.Codec, back.Bitrate = "webcam", decode.VP8, publishBitrate
	var err error
	if back.UserData, err = expr.ParseTemplate("{{ frame.seq }}"); err != nil {
		return nil, err
	}
	if err := back.UserData.Check(&expr.Scope{}); err != nil {
		return nil, err
	}
	return &config.Spec{
		Name: "loop", MaxInFlight: 2,
		Sources: []config.Source{
			{Name: "cam", Type: pipeline.SourceType{Build: func(pipeline.Env, any) (pipeline.Source, error) { return cam, nil }}},
			{Name: "answers", Type: track, Config: answers, Session: "main"},
		},
		Stages: []config.Stage{{
			Node: config.Node{Name: "reply", From: "answers", OnError: "stop"}, Type: stage, Config: paired, Workers: 1, Deadline: time.Second,
		}},
		Sinks: []config.Sink{
			{
				Node: config.Node{Name: "back", From: "cam", Session: "main", OnError: "drop", Pixels: back.Pixels()},
				Type: sink, Config: back, Edge: pipeline.While,
			},
			{
				Node: config.Node{Name: "times", From: "reply"}, Edge: pipeline.While,
				Type: pipeline.SinkType{
					Queue: pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest},
					Build: func(pipeline.Env, any) (pipeline.Sink, error) { return timesSink(trip), nil },
				},
			},
		},
	}, nil
}

// timesSink takes down what the pair stage found.
type timesSink func(time.Duration)

func (s timesSink) Write(_ context.Context, f *pipeline.Frame) error {
	if m, ok := pipeline.Get(f, pipeline.Measurements); ok {
		s(time.Duration(m["round_trip_ms"] * float64(time.Millisecond)))
	}
	return nil
}

func (timesSink) Close() error { return nil }

// camera shows frames, 30 a second, and a second later ends the run.
type camera struct {
	frames []*mat.Image
	over   func()
	n      int
	begun  time.Time
}

func (c *camera) Read(ctx context.Context) (*pipeline.Frame, error) {
	if c.n == 0 {
		c.begun = time.Now()
	}
	pts := time.Duration(c.n) * time.Second / 30
	if c.n == loopFrames {
		_ = pause(ctx, time.Second)
		c.over()
		return nil, io.EOF
	}
	if err := pause(ctx, time.Until(c.begun.Add(pts))); err != nil {
		return nil, err
	}
	f := pipeline.NewFrame(pipeline.Meta{
		Stream: "cam", Seq: uint64(c.n), PTS: pts, Arrival: time.Now(), Width: loopWidth, Height: loopHeight, //nolint:gosec // from 0 on
	}, lent{c.frames[c.n%len(c.frames)]})
	c.n++
	return f, nil
}

func (c *camera) Live() bool   { return true }
func (c *camera) Close() error { return nil }

// sdkLoop does it with package sdk alone: samples are encoded beforehand, and what
// comes back is not decoded.
func sdkLoop(ctx context.Context, url string, frames []*mat.Image) (all []time.Duration, err error) {
	samples, err := encodedLoop(frames)
	if err != nil {
		return nil, err
	}
	s, err := sdk.Connect(ctx, sdk.Config{BaseURL: url, Local: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	sent := pipeline.NewSent()
	reading, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- answers(reading, s, sent, func(t time.Duration) { all = append(all, t) }) }()
	err = sendLoop(ctx, s, samples, sent)
	stop()
	err = errors.Join(err, <-done)
	return all, err
}

func encodedLoop(frames []*mat.Image) (samples [][]byte, err error) {
	e, err := ffmpeg.New(encode.Config{Codec: decode.VP8, Width: loopWidth, Height: loopHeight, FPS: 30, Bitrate: publishBitrate})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for n, m := range frames {
		packets, err := e.Encode(m, time.Duration(n)*time.Second/30, n == 0)
		if err != nil || len(packets) == 0 {
			return nil, errors.Join(err, fmt.Errorf("%d packets", len(packets)))
		}
		samples = append(samples, bytes.Clone(packets[0].Data))
	}
	return samples, nil
}

func sendLoop(ctx context.Context, s *sdk.Session, samples [][]byte, sent *pipeline.Sent) error {
	track, err := s.Track("webcam")
	if err != nil {
		return err
	}
	p, err := track.Publish(ctx, sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		return err
	}
	next := 0
	err = atPace(ctx, loopFrames, func(n int) error {
		select {
		case <-p.KeyframeRequests():
			next = 0
		default:
		}
		key := strconv.Itoa(n)
		sent.Note("", key, pipeline.SentFrame{At: time.Now()})
		data := samples[next%len(samples)]
		next++
		return p.WriteSample(sdk.Sample{Data: data, PTS: time.Duration(n) * time.Second / 30, UserData: []byte(key)})
	})
	if err == nil {
		err = pause(ctx, time.Second)
	}
	return errors.Join(err, p.Close())
}

// answers notes when what was sent comes back, until ctx ends.
func answers(ctx context.Context, s *sdk.Session, sent *pipeline.Sent, came func(time.Duration)) error {
	track, err := s.Track("main_video")
	if err != nil {
		return err
	}
	if err := track.Resume(ctx); err != nil {
		return err
	}
	buffer := jitter.New(jitter.Config{})
	var units *depacketize.Depacketizer
	for {
		p, err := track.ReadRTP(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was ended
		}
		if err != nil {
			return err
		}
		if units == nil {
			if units, err = depacketize.New(decode.Codec(p.Codec), depacketize.Config{}); err != nil {
				return err
			}
		}
		buffer.Push(p.Packet, p.Arrival)
		for ordered, ok := buffer.Pop(time.Now()); ok; ordered, ok = buffer.Pop(time.Now()) {
			for _, u := range units.Push(ordered) {
				if f, ok := sent.Answer("", string(u.UserData)); ok {
					came(time.Since(f.At))
				}
			}
		}
	}
}
