package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// received is what the receive child prints.
type received struct {
	Frames   int
	CPU      time.Duration
	P50, P95 time.Duration // last packet of a frame → the frame in the first stage
	Dropped  uint64
	Times    []int64 // of the frames in the first stage, in ns
	End      int64   // of the run, on the same clock
}

// receiveChild runs a pipeline against a server: one track, one stage that
// looks at every frame as BGR. Its arguments are the server's URL, the codecs,
// and the number of frames or the time from the first one on; then, if they are to
// be recorded, the path and the codec.
func receiveChild(ctx context.Context, args []string) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	codecs := strings.Split(args[1], ",")
	look := &looker{enough: stop}
	frames, err := strconv.ParseUint(args[2], 10, 32)
	if err == nil {
		frames += startFrames
	} else if look.watch, err = time.ParseDuration(args[2]); err != nil {
		return err
	}
	spec := lookSpec(look, codecs)
	if len(args) > 3 {
		spec.Sinks = append(spec.Sinks, recording(args[3], args[4]))
	}
	l, err := attach(ctx, config.Session{URL: args[0], Local: true}, codecs, graph.Config{Spec: spec, MaxFrames: frames})
	if err != nil {
		return err
	}
	err = l.run(watching)
	got := look.result()
	got.Dropped = l.dropped()
	return errors.Join(err, tell(got))
}

// looker looks at frames, and at the clock.
type looker struct {
	watch  time.Duration // from the first frame on, 0 for as long as frames come
	enough func()        // ends the run
	frames int
	begun  time.Duration // CPU time when start-up was over
	cpu    time.Duration
	waits  []time.Duration
	since  time.Time // of the first frame
	times  []int64   // of the frames since then
}

func (l *looker) Process(_ context.Context, f *pipeline.Frame) error {
	l.note(time.Now())
	wait := time.Since(f.Arrival)
	m, err := mat.View(f)
	if err != nil {
		return err
	}
	if m.Empty() {
		return io.ErrUnexpectedEOF
	}
	if l.frames++; l.frames <= startFrames {
		l.begun = usedCPU()
		return nil
	}
	l.waits = append(l.waits, wait)
	l.cpu = usedCPU() - l.begun
	return nil
}

// note takes down when a frame came. The first one begins a watch.
func (l *looker) note(now time.Time) {
	if l.since.IsZero() {
		l.since = now
		if l.watch > 0 {
			time.AfterFunc(l.watch, l.enough)
		}
	}
	if at := now.Sub(l.since); l.watch == 0 || at <= l.watch {
		l.times = append(l.times, int64(at))
	}
}

func (l *looker) result() received {
	return received{
		Frames: len(l.waits), CPU: l.cpu, P50: quantile(l.waits, 0.5), P95: quantile(l.waits, 0.95),
		Times: l.times, End: int64(l.watch),
	}
}
