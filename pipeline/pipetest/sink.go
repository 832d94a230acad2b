package pipetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Sink checks that a kind of sink keeps the contract:
//
//   - it closes without ever being used, once used, and twice;
//   - it leaves the frames that it is lent as they were, shared ones too;
//   - it lives through pictures of 1×1 and of odd sizes, through a change of
//     size, breaks, a cancelled context and messages;
//   - a kind that declares NoRead does not touch pixels;
//   - it keeps no picture once it is closed; in a build with gocv's tag matprofile,
//     no Mat that it made either, for which no others may be made meanwhile;
//   - one of a kind that says Encoded is a pipeline.UnitSink, lives through units
//     that do not begin with a keyframe and through breaks, and keeps no unit's
//     data.
func Sink(t *testing.T, c Case) {
	t.Helper()
	t.Run("closes without use", func(t *testing.T) {
		s := newSink(t, c)
		s.close(t)
	})
	for _, layout := range []pipeline.Layout{pipeline.I420, pipeline.NV12, pipeline.BGR24, pipeline.Gray8} {
		t.Run("frames, "+layout.String(), func(t *testing.T) { sinkFrames(t, c, layout) })
	}
	t.Run("sizes", func(t *testing.T) { sinkSizes(t, c) })
	t.Run("breaks", func(t *testing.T) { sinkBreaks(t, c) })
	t.Run("cancelled context", func(t *testing.T) { sinkCancelled(t, c) })
	t.Run("messages", func(t *testing.T) { sinkMessages(t, c) })
	if kind := c.sinkType(t); encoded(kind, c.config(t, kind.Type)) {
		t.Run("units", func(t *testing.T) { sinkUnits(t, c) })
	}
}

// writer is a sink and what a check has to know about it.
type writer struct {
	runner
	sink pipeline.Sink
}

// asStage lends frames to a sink as if it were a stage.
type asStage struct{ pipeline.Sink }

func (s asStage) Process(ctx context.Context, f *pipeline.Frame) error { return s.Write(ctx, f) }

func (s asStage) Configure(in pipeline.Format) error {
	if c, ok := s.Sink.(pipeline.Configurer); ok {
		return c.Configure(in)
	}
	return nil
}

func (s asStage) Reset(why pipeline.Reason) {
	if r, ok := s.Sink.(pipeline.Resetter); ok {
		r.Reset(why)
	}
}

func newSink(t *testing.T, c Case) *writer {
	t.Helper()
	kind := c.sinkType(t)
	w := &writer{runner: runner{c: c, watch: new(watch), before: c.held()}}
	cfg := c.config(t, kind.Type)
	w.pixels = pixels(kind.Pixels, cfg)
	sink, err := kind.Build(c.env(t), cfg)
	if err != nil {
		t.Fatalf("build %s: %v", c.Kind, err)
	}
	w.sink, w.stage = sink, asStage{sink}
	if u, ok := sink.(pipeline.SessionUser); ok && c.Env.Session != nil {
		if err := u.SessionReady(t.Context()); err != nil {
			t.Fatalf("session ready: %v", err)
		}
	}
	w.watch.sealed = w.pixels == (pipeline.Pixels{})
	return w
}

// write lends a frame to the sink and checks that it comes back as it was.
func (w *writer) write(t *testing.T, ctx context.Context, f *pipeline.Frame) error {
	t.Helper()
	img := f.Image()
	other := f.Share()
	err := w.lend(ctx, f)
	if f.Image() != img {
		t.Error("the sink replaced the picture of a frame that it was lent")
	}
	release(t, f)
	release(t, other)
	return err
}

func sinkFrames(t *testing.T, c Case, layout pipeline.Layout) {
	w := newSink(t, c)
	defer w.close(t)
	for seq := range uint64(5) {
		mustWork(t, w.write(t, t.Context(), w.frame(seq, w.format(layout))))
	}
}

func sinkSizes(t *testing.T, c Case) {
	s := newSink(t, c)
	defer s.close(t)
	w, h := c.size()
	for seq, size := range [][2]int{{w, h}, {1, 1}, {w - 1, h - 1}, {1, h}, {w, 1}, {w, h}} {
		f := s.frame(uint64(seq), pipeline.Format{Layout: pipeline.BGR24, Width: size[0], Height: size[1]})
		mustLive(t, fmt.Sprintf("%d×%d", size[0], size[1]), s.write(t, t.Context(), f))
	}
}

func sinkBreaks(t *testing.T, c Case) {
	w := newSink(t, c)
	defer w.close(t)
	reasons := []pipeline.Reason{"", pipeline.Loss, pipeline.Reconnect, pipeline.Renewal, pipeline.Loop}
	for seq, why := range reasons {
		f := w.frame(uint64(seq), w.format(pipeline.I420))
		f.Discontinuity = why
		mustWork(t, w.write(t, t.Context(), f))
	}
}

func sinkCancelled(t *testing.T, c Case) {
	w := newSink(t, c)
	defer w.close(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mustLive(t, "cancelled context", w.write(t, ctx, w.frame(0, w.format(pipeline.I420))))
}

func sinkMessages(t *testing.T, c Case) {
	w := newSink(t, c)
	defer w.close(t)
	f := message(0)
	w.annotate(f)
	err := w.write(t, t.Context(), f)
	mustLive(t, "message", err)
	if w.pixels == (pipeline.Pixels{}) {
		mustWork(t, err)
	}
}
