package pipetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Stage checks that a kind of stage keeps the contract:
//
//   - it closes without ever being used, and twice;
//   - it works on frames of its own and on shared ones, whose pixels stay as
//     they were for the others;
//   - it lives through pictures of 1×1 and of odd sizes, through a change of
//     size, breaks, a cancelled context and frames without pixels;
//   - it does with pixels what its kind declares, and no more, and where it makes
//     other pictures, it says where in the old one they lie;
//   - it leaves the order of the frames alone;
//   - it keeps no picture once it is closed; in a build with gocv's tag matprofile,
//     no Mat that it made either, for which no others may be made meanwhile.
func Stage(t *testing.T, c Case) {
	t.Helper()
	t.Run("closes without use", func(t *testing.T) {
		s := newStage(t, c)
		s.close(t)
	})
	for _, layout := range []pipeline.Layout{pipeline.I420, pipeline.NV12, pipeline.BGR24, pipeline.Gray8} {
		t.Run("frame of its own, "+layout.String(), func(t *testing.T) { stageOwn(t, c, layout) })
	}
	t.Run("shared frame", func(t *testing.T) { stageShared(t, c) })
	t.Run("sizes", func(t *testing.T) { stageSizes(t, c) })
	t.Run("breaks", func(t *testing.T) { stageBreaks(t, c) })
	t.Run("cancelled context", func(t *testing.T) { stageCancelled(t, c) })
	t.Run("no pixels", func(t *testing.T) { stageNoPixels(t, c) })
	t.Run("declared access", func(t *testing.T) { stageAccess(t, c) })
	if c.stageType(t).Stateless {
		t.Run("side by side", func(t *testing.T) { stageSideBySide(t, c) })
	}
}

// runner is a stage and what a check has to know about it.
type runner struct {
	stage      pipeline.Stage
	kind       pipeline.StageType
	pixels     pipeline.Pixels
	c          Case
	watch      *watch
	before     held
	configured pipeline.Format
}

func newStage(t *testing.T, c Case) *runner {
	t.Helper()
	r := &runner{kind: c.stageType(t), c: c, watch: new(watch), before: c.held()}
	cfg := c.config(t, r.kind.Type)
	r.pixels = pixels(r.kind.Pixels, cfg)
	stage, err := r.kind.Build(c.env(t), cfg)
	if err != nil {
		t.Fatalf("build %s: %v", c.Kind, err)
	}
	r.stage = stage
	return r
}

// close closes the stage and looks for what it left behind.
func (r *runner) close(t *testing.T) {
	t.Helper()
	if c, ok := r.stage.(io.Closer); ok {
		closeTwice(t, c)
	}
	r.watch.mustBeGone(t)
	r.before.mustBeAll(t, r.c)
}

// closeTwice closes what is checked, and again, which must do no harm.
func closeTwice(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("the second close: panic: %v", p)
		}
	}()
	_ = c.Close() // it may say that there is nothing to close
}

func (r *runner) format(layout pipeline.Layout) pipeline.Format {
	w, h := r.c.size()
	return pipeline.Format{Layout: layout, Width: w, Height: h}
}

// frame returns frame number seq of a stream.
func (r *runner) frame(seq uint64, format pipeline.Format) *pipeline.Frame {
	f := pipeline.NewFrame(metaOf(format), newPicture(format, r.watch))
	f.Seq, f.PTS = seq, ptsOf(seq)
	r.annotate(f)
	return f
}

func (r *runner) annotate(f *pipeline.Frame) {
	if r.c.Annotate != nil {
		f.Lend("upstream")
		r.c.Annotate(f)
	}
}

// lend does what the graph does for one call.
func (r *runner) lend(ctx context.Context, f *pipeline.Frame) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p}
		}
	}()
	if f.Discontinuity != "" {
		if s, ok := r.stage.(pipeline.Resetter); ok {
			s.Reset(f.Discontinuity)
		}
	}
	if img := f.Image(); img != nil && img.Format() != r.configured {
		if s, ok := r.stage.(pipeline.Configurer); ok {
			if err := s.Configure(img.Format()); err != nil {
				return err
			}
		}
		r.configured = img.Format()
	}
	f.Lend(r.c.Kind)
	return r.stage.Process(ctx, f)
}

type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// mustWork fails the test for anything but success and ErrDrop.
func mustWork(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, pipeline.ErrDrop) {
		t.Errorf("process: %v", err)
	}
}

// mustLive fails the test for a panic and for an error that ends the run.
func mustLive(t *testing.T, what string, err error) {
	t.Helper()
	var p *panicked
	if errors.As(err, &p) || errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("%s: %v", what, err)
	}
}

func release(t *testing.T, f *pipeline.Frame) {
	t.Helper()
	if err := f.Release(); err != nil {
		t.Errorf("release: %v", err)
	}
}

func stageOwn(t *testing.T, c Case, layout pipeline.Layout) {
	r := newStage(t, c)
	defer r.close(t)
	for seq := range uint64(3) {
		f := r.frame(seq, r.format(layout))
		before := f.Image().(*Picture)
		data := slices.Clone(before.data)
		mustWork(t, r.lend(t.Context(), f))
		r.checkResult(t, f, before, data)
		if f.Seq != seq || f.PTS != ptsOf(seq) {
			t.Errorf("frame %d became %d; its time %s became %s", seq, f.Seq, ptsOf(seq), f.PTS)
		}
		release(t, f)
	}
}

// checkResult compares what became of a frame with what the kind declares.
func (r *runner) checkResult(t *testing.T, f *pipeline.Frame, before *Picture, data []byte) {
	t.Helper()
	after := f.Image()
	if after == nil {
		t.Error("the frame has lost its pixels")
		return
	}
	b, a := before.Format(), after.Format()
	switch r.pixels.Write {
	case pipeline.NoWrite:
		if after != pipeline.Image(before) || !slices.Equal(before.data, data) {
			t.Errorf("the kind declares NoWrite, but the picture was changed (%s → %s)", b, a)
		}
	case pipeline.Edit:
		if a.Width != b.Width || a.Height != b.Height || f.Geometry() != pipeline.Identity() {
			t.Errorf("the kind declares Edit, but the picture was reshaped (%s → %s)", b, a)
		}
	case pipeline.Reshape:
		middle := pipeline.Point{X: float64(a.Width) / 2, Y: float64(a.Height) / 2}
		at := f.Geometry().Inverse().Point(middle)
		if !(at.X >= 0 && at.X <= float64(b.Width) && at.Y >= 0 && at.Y <= float64(b.Height)) {
			t.Errorf("the geometry has the middle of the new picture (%s) at %.1f, %.1f of the old one (%s)", a, at.X, at.Y, b)
		}
	}
}

func stageShared(t *testing.T, c Case) {
	r := newStage(t, c)
	defer r.close(t)
	for seq := range uint64(2) {
		f := r.frame(seq, r.format(pipeline.BGR24))
		other := f.Share()
		picture := f.Image().(*Picture)
		before := slices.Clone(picture.data)
		mustWork(t, r.lend(t.Context(), f))
		if other.Image() != pipeline.Image(picture) || !slices.Equal(before, picture.data) {
			t.Error("the stage wrote to a frame that others hold too; write to what Edit returns")
		}
		r.checkViews(t, other, picture)
		release(t, f)
		release(t, other)
	}
}

// checkViews looks whether a view that all share still shows the picture.
func (r *runner) checkViews(t *testing.T, f *pipeline.Frame, picture *Picture) {
	t.Helper()
	for _, layout := range []pipeline.Layout{pipeline.BGR24, pipeline.Gray8} {
		format := picture.format
		format.Layout, format.Matrix, format.Range = layout, 0, 0
		if layout == pipeline.Gray8 {
			format.Range = pipeline.Full
		}
		view, err := f.View(format, func(pipeline.Image) (pipeline.Image, error) {
			return nil, errNoView
		})
		planar, ok := view.(pipeline.Planar)
		if err != nil || !ok {
			continue
		}
		want := &Picture{format: format, data: make([]byte, sizeOf(format)), watch: new(watch)}
		if err := picture.ConvertTo(unsafe.Pointer(&want.data[0]), 0, format); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(readPlane(planar), want.data) {
			t.Errorf("the stage wrote to a view (%s) that others see too; write to what Edit returns", format)
		}
	}
}

var errNoView = errors.New("no such view")

// readPlane returns the first plane of a packed image, rows close together.
func readPlane(img pipeline.Planar) []byte {
	f := img.Format()
	at, stride := img.Plane(0)
	_, width := plane(f, 0)
	var data []byte
	for y := range f.Height {
		row := unsafe.Slice((*byte)(unsafe.Add(at, y*stride)), width)
		data = append(data, row...)
	}
	return data
}

func stageSizes(t *testing.T, c Case) {
	r := newStage(t, c)
	defer r.close(t)
	w, h := c.size()
	for seq, size := range [][2]int{{w, h}, {1, 1}, {w - 1, h - 1}, {1, h}, {w, 1}, {2, 2}, {w + 1, h}, {w, h}} {
		for _, layout := range []pipeline.Layout{pipeline.I420, pipeline.BGR24} {
			f := r.frame(uint64(seq), pipeline.Format{Layout: layout, Width: size[0], Height: size[1]})
			mustLive(t, fmt.Sprintf("%s %d×%d", layout, size[0], size[1]), r.lend(t.Context(), f))
			release(t, f)
		}
	}
}

func stageBreaks(t *testing.T, c Case) {
	r := newStage(t, c)
	defer r.close(t)
	reasons := []pipeline.Reason{"", pipeline.Loss, pipeline.Reconnect, pipeline.Renewal, pipeline.Loop}
	for seq, why := range reasons {
		f := r.frame(uint64(seq), r.format(pipeline.I420))
		f.Discontinuity = why
		mustWork(t, r.lend(t.Context(), f))
		release(t, f)
	}
}

func stageCancelled(t *testing.T, c Case) {
	r := newStage(t, c)
	defer r.close(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := r.frame(0, r.format(pipeline.I420))
	mustLive(t, "cancelled context", r.lend(ctx, f))
	release(t, f)
}

// stageNoPixels lends a message to the stage, which the graph does only where
// the kind uses no pixels.
func stageNoPixels(t *testing.T, c Case) {
	r := newStage(t, c)
	defer r.close(t)
	f := message(0)
	r.annotate(f)
	err := r.lend(t.Context(), f)
	mustLive(t, "message", err)
	if usesNone := r.pixels == (pipeline.Pixels{}); usesNone {
		mustWork(t, err)
	}
	release(t, f)
}

func stageAccess(t *testing.T, c Case) {
	r := newStage(t, c)
	defer r.close(t)
	r.watch.sealed = r.pixels == (pipeline.Pixels{})
	f := r.frame(0, r.format(pipeline.I420))
	mustWork(t, r.lend(t.Context(), f))
	if r.pixels.Read == pipeline.Gray && r.pixels.Write == pipeline.NoWrite && r.watch.coloured.Load() {
		t.Error("the kind declares that it reads Gray, but it asked for colour")
	}
	release(t, f)
}

// stageSideBySide runs instances of a stateless kind at once, on shared frames.
func stageSideBySide(t *testing.T, c Case) {
	first, second := newStage(t, c), newStage(t, c)
	second.watch = first.watch
	second.before = first.before
	for seq := range uint64(4) {
		f := first.frame(seq, first.format(pipeline.I420))
		g := f.Share()
		errs := make(chan error)
		go func() { errs <- second.lend(t.Context(), g) }()
		mustWork(t, first.lend(t.Context(), f))
		mustWork(t, <-errs)
		release(t, f)
		release(t, g)
	}
	if c, ok := first.stage.(io.Closer); ok {
		closeTwice(t, c)
	}
	second.close(t)
}
