package pipeline_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// picture is an image of one byte.
type picture struct {
	value  byte
	width  int
	alive  *atomic.Int32
	closed bool
}

func (p *picture) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.Gray8, Width: p.width, Height: 1}
}

func (p *picture) Clone() (pipeline.Image, error) { return paint(p.alive, p.value), nil }

func (p *picture) Close() error {
	if p.closed {
		panic("picture closed twice")
	}
	p.closed = true
	p.alive.Add(-1)
	return nil
}

func paint(alive *atomic.Int32, value byte) *picture {
	alive.Add(1)
	return &picture{value: value, width: 1, alive: alive}
}

// newFrame returns a frame with a picture. All pictures made of it must be
// closed when the test ends.
func newFrame(t *testing.T, value byte) *pipeline.Frame {
	t.Helper()
	alive := new(atomic.Int32)
	t.Cleanup(func() {
		if n := alive.Load(); n != 0 {
			t.Errorf("%d pictures were not closed", n)
		}
	})
	return pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: 7}, paint(alive, value))
}

func release(t *testing.T, frames ...*pipeline.Frame) {
	t.Helper()
	for _, f := range frames {
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

func writable(pipeline.Image) bool { return true }

func private(src pipeline.Image) (pipeline.Image, error) { return src.Clone() }

// write edits f's picture as package mat does.
func write(t *testing.T, f *pipeline.Frame, value byte) {
	t.Helper()
	img, err := f.Edit(writable, private)
	if err != nil {
		t.Fatal(err)
	}
	img.(*picture).value = value
}

func valueOf(f *pipeline.Frame) byte { return f.Image().(*picture).value }

var grayView = pipeline.Format{Layout: pipeline.Gray8, Width: 9, Height: 9}

// view returns a conversion: a picture with the value doubled.
func view(t *testing.T, f *pipeline.Frame, made *int) *picture {
	t.Helper()
	img, err := f.View(grayView, func(src pipeline.Image) (pipeline.Image, error) {
		if made != nil {
			*made++
		}
		p := src.(*picture)
		return paint(p.alive, 2*p.value), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return img.(*picture)
}

func TestTheSoleHolderEditsInPlace(t *testing.T) {
	f := newFrame(t, 1)
	before := f.Image()
	write(t, f, 2)
	if f.Image() != before || valueOf(f) != 2 {
		t.Error("the picture was copied")
	}
	release(t, f)
}

func TestAnEditIsNotSeenByOthers(t *testing.T) {
	hold := map[string]func(*pipeline.Frame) *pipeline.Frame{
		"Share": (*pipeline.Frame).Share,
		"Keep":  (*pipeline.Frame).Keep,
	}
	for name, hold := range hold {
		t.Run(name, func(t *testing.T) {
			f := newFrame(t, 1)
			other := hold(f)
			if f.Image() != other.Image() {
				t.Error("the pixels are not shared")
			}
			write(t, f, 2)
			if valueOf(f) != 2 || valueOf(other) != 1 {
				t.Errorf("%d and %d, want 2 and 1", valueOf(f), valueOf(other))
			}
			copied := f.Image()
			write(t, f, 3)
			if f.Image() != copied {
				t.Error("the second edit copied again")
			}
			release(t, f, other)
		})
	}
}

func TestEditMakesAPrivatePictureOfWhatIsNotWritable(t *testing.T) {
	f := newFrame(t, 1)
	lent := f.Image().(*picture)
	img, err := f.Edit(func(pipeline.Image) bool { return false }, private)
	if err != nil || img == pipeline.Image(lent) || f.Image() != img {
		t.Errorf("%v %v", img, err)
	}
	if lent.closed {
		t.Error("the picture that was lent is gone before the frame is")
	}
	release(t, f)
}

func TestAFailedEditLeavesTheFrameAsItWas(t *testing.T) {
	f := newFrame(t, 1)
	before := f.Image()
	boom := errors.New("no memory")
	_, err := f.Edit(func(pipeline.Image) bool { return false }, func(pipeline.Image) (pipeline.Image, error) { return nil, boom })
	if !errors.Is(err, boom) || f.Image() != before {
		t.Errorf("%v", err)
	}
	release(t, f)
}

func TestTwoBranchesEditAtOnce(t *testing.T) {
	for range 100 {
		f := newFrame(t, 1)
		frames := []*pipeline.Frame{f, f.Share(), f.Share(), f.Keep()}
		var wg sync.WaitGroup
		for i, f := range frames {
			wg.Go(func() {
				write(t, f, byte(10+i))
				if valueOf(f) != byte(10+i) {
					t.Errorf("%d, want %d", valueOf(f), 10+i)
				}
				release(t, f)
			})
		}
		wg.Wait()
	}
}

func TestAViewIsMadeOnceForAllWhoHoldThePixels(t *testing.T) {
	f := newFrame(t, 1)
	other := f.Share()
	made := 0
	if view(t, f, &made) != view(t, other, &made) || made != 1 {
		t.Errorf("made %d times", made)
	}
	release(t, f)
	if view(t, other, &made).value != 2 || made != 1 {
		t.Errorf("made %d times", made)
	}
	release(t, other)
}

func TestViewsAreMadeOnceAlsoAtOnce(t *testing.T) {
	f := newFrame(t, 1)
	frames := []*pipeline.Frame{f, f.Share(), f.Share()}
	var wg sync.WaitGroup
	var made atomic.Int32
	for _, f := range frames {
		wg.Go(func() {
			_, err := f.View(grayView, func(src pipeline.Image) (pipeline.Image, error) {
				made.Add(1)
				return src.Clone()
			})
			if err != nil {
				t.Error(err)
			}
			release(t, f)
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestAnEditMakesViewsStaleForThatFrameOnly(t *testing.T) {
	f := newFrame(t, 1)
	other := f.Share()
	old := view(t, f, nil)
	write(t, f, 10)
	if got := view(t, f, nil).value; got != 20 {
		t.Errorf("the view shows %d, want 20", got)
	}
	if got := view(t, other, nil).value; got != 2 {
		t.Errorf("the other's view shows %d, want 2", got)
	}
	if old.closed {
		t.Error("a view that was lent is gone before the frame is")
	}
	release(t, other)
	if old.closed {
		t.Error("a view that was lent is gone before the frame is")
	}

	write(t, f, 11) // in place: the view of 10 is stale, but stays until the end
	if got := view(t, f, nil).value; got != 22 {
		t.Errorf("the view shows %d, want 22", got)
	}
	release(t, f)
	if !old.closed {
		t.Error("the view was not closed")
	}
}

func TestAFailedViewIsRemembered(t *testing.T) {
	f := newFrame(t, 1)
	boom := errors.New("no converter")
	tried := 0
	for range 2 {
		_, err := f.View(grayView, func(pipeline.Image) (pipeline.Image, error) {
			tried++
			return nil, boom
		})
		if !errors.Is(err, boom) {
			t.Error(err)
		}
	}
	if tried != 1 {
		t.Errorf("tried %d times", tried)
	}
	write(t, f, 2)
	release(t, f)
}

func TestReplaceGivesANewPictureAndMovesPositions(t *testing.T) {
	f := newFrame(t, 1)
	old := f.Image().(*picture)
	f.Replace(paint(old.alive, 5), pipeline.Scale(2, 2))
	f.Replace(paint(old.alive, 6), pipeline.Translate(-10, 0))
	if valueOf(f) != 6 || old.closed {
		t.Errorf("value %d, old one closed: %v", valueOf(f), old.closed)
	}
	if diff := cmp.Diff(pipeline.Affine{2, 0, -10, 0, 2, 0}, f.Geometry()); diff != "" {
		t.Errorf("geometry (-want +got):\n%s", diff)
	}
	release(t, f)
}

func TestNoPixels(t *testing.T) {
	dropped := newFrame(t, 1)
	if err := dropped.Drop("error"); err != nil {
		t.Error(err)
	}
	frames := map[string]*pipeline.Frame{
		"message": pipeline.NewFrame(pipeline.Meta{Message: &pipeline.Message{Type: "state"}}, nil),
		"dropped": dropped,
		"meta":    dropped.KeepMeta(),
	}
	for name, f := range frames {
		t.Run(name, func(t *testing.T) {
			if f.Image() != nil {
				t.Error("it has an image")
			}
			if _, err := f.View(grayView, private); !errors.Is(err, pipeline.ErrNoPixels) {
				t.Errorf("View: %v", err)
			}
			if _, err := f.Edit(writable, private); !errors.Is(err, pipeline.ErrNoPixels) {
				t.Errorf("Edit: %v", err)
			}
			release(t, f)
		})
	}
}

func TestADroppedFrameKeepsItsFirstReason(t *testing.T) {
	f := newFrame(t, 1)
	for _, why := range []string{"stage", "drain"} {
		if err := f.Drop(why); err != nil {
			t.Error(err)
		}
	}
	s := f.Share()
	if f.Dropped() != "stage" || s.Dropped() != "stage" || f.Seq != 7 {
		t.Errorf("%q and %q", f.Dropped(), s.Dropped())
	}
	release(t, f, s)
}

func TestASlotIsFreeWhenAllSharesAreReleased(t *testing.T) {
	f := newFrame(t, 1)
	freed := 0
	f.Occupy(func() { freed++ })
	s := f.Share()
	k := s.Keep() // does not count
	release(t, f)
	if freed != 0 {
		t.Error("freed while a share lives")
	}
	if err := s.Drop("error"); err != nil {
		t.Error(err)
	}
	if freed != 0 {
		t.Error("a dropped frame still travels")
	}
	release(t, s)
	if freed != 1 {
		t.Errorf("freed %d times", freed)
	}
	write(t, k, 2)
	release(t, k)
}

func TestAStandInTravelsInAFramesPlace(t *testing.T) {
	f := newFrame(t, 1)
	freed := 0
	f.Occupy(func() { freed++ })
	f.Lend("before")
	pipeline.Set(f, pipeline.Measurements, map[string]float64{"a": 1})
	f.Lend("stuck")

	var standIn pipeline.Frame
	f.StandIn(&standIn)
	f.Seq = 99                                                         // whoever hangs may still write
	pipeline.Set(f, pipeline.Measurements, map[string]float64{"b": 2}) // and annotate
	pipeline.Set(&standIn, pipeline.Events, nil)

	if standIn.Seq != 7 || standIn.Image() != nil {
		t.Errorf("seq %d, image %v", standIn.Seq, standIn.Image())
	}
	if _, ok := pipeline.GetFrom(&standIn, "before", pipeline.Measurements); !ok {
		t.Error("what was set before is not there")
	}
	if _, ok := pipeline.GetFrom(&standIn, "stuck", pipeline.Measurements); ok {
		t.Error("what was set after is there")
	}
	if _, ok := pipeline.GetFrom(f, "stuck", pipeline.Events); ok {
		t.Error("the two frames share memory")
	}
	release(t, &standIn)
	if freed != 1 {
		t.Errorf("freed %d times", freed)
	}
	if err := f.Drop("deadline"); err != nil {
		t.Error(err)
	}
	if n := testing.AllocsPerRun(10, func() { f.StandIn(&standIn) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReleasingTwiceIsAProgrammingError(t *testing.T) {
	f := newFrame(t, 1)
	release(t, f)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = f.Release()
}

func TestAFrameIsNotUsedAfterItsRelease(t *testing.T) {
	const want = "frame has no pixels: the frame was released; Keep it for later"
	f := newFrame(t, 1)
	release(t, f)
	if _, err := f.View(grayView, private); err == nil || err.Error() != want {
		t.Errorf("View: %v", err)
	}
	if _, err := f.Edit(writable, private); err == nil || err.Error() != want {
		t.Errorf("Edit: %v", err)
	}
}

// What others took of a frame stays what it is when that becomes another one.
func TestRecycle(t *testing.T) {
	kind := pipeline.NewKind[int]("count", nil)
	var kept []*pipeline.Frame
	const frames = 50
	for i := range frames {
		f := newFrame(t, byte(i))
		f.Seq = uint64(i)
		f.Lend("stage")
		pipeline.Set(f, kind, i)
		view(t, f, nil)
		kept = append(kept, f.Keep(), f.KeepMeta())
		write(t, f, 99)
		if err := f.Recycle(); err != nil {
			t.Fatal(err)
		}
	}
	for i, k := range kept {
		n := i / 2
		if got, ok := pipeline.GetFrom(k, "stage", kind); !ok || got != n || k.Seq != uint64(n) || k.Dropped() != "" {
			t.Errorf("frame %d: annotation %d, sequence %d", n, got, k.Seq)
		}
		if i%2 == 0 && (valueOf(k) != byte(n) || view(t, k, nil).value != 2*byte(n)) {
			t.Errorf("frame %d shows %d, its view %d", n, valueOf(k), view(t, k, nil).value)
		}
	}
	release(t, kept...)
}

func TestAFrameThatIsMadeAnewIsEmpty(t *testing.T) {
	kind := pipeline.NewKind[int]("count", nil)
	for range 50 {
		f := newFrame(t, 1)
		if f.Dropped() != "" || f.Geometry() != pipeline.Identity() || f.Discontinuity != "" || f.Trace() != nil {
			t.Errorf("dropped %q, geometry %v, %q", f.Dropped(), f.Geometry(), f.Discontinuity)
		}
		if n, ok := pipeline.Get(f, kind); ok {
			t.Errorf("annotated with %d", n)
		}
		f.Discontinuity = pipeline.Loss
		pipeline.Set(f, kind, 1)
		f.Replace(paintOf(f), pipeline.Affine{2, 0, 0, 0, 2, 0})
		if err := f.Drop("error"); err != nil {
			t.Fatal(err)
		}
		if err := f.Recycle(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRecyclingTwiceIsAProgrammingError(t *testing.T) {
	f := newFrame(t, 1)
	if err := f.Recycle(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_ = f.Recycle()
}

// paintOf returns another picture whose end f's test waits for.
func paintOf(f *pipeline.Frame) *picture { return paint(f.Image().(*picture).alive, 2) }

type brokenPicture struct{ picture }

func (*brokenPicture) Close() error { return errors.New("device lost") }

func TestReleaseReturnsWhatClosingSays(t *testing.T) {
	f := pipeline.NewFrame(pipeline.Meta{}, &brokenPicture{})
	if err := f.Release(); err == nil || err.Error() != "device lost" {
		t.Errorf("got %v", err)
	}
}

func BenchmarkEdit(b *testing.B) {
	alive := new(atomic.Int32)
	b.Run("sole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := pipeline.NewFrame(pipeline.Meta{}, paint(alive, 1))
			if _, err := f.Edit(writable, private); err != nil {
				b.Fatal(err)
			}
			_ = f.Release()
		}
	})
	b.Run("shared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f := pipeline.NewFrame(pipeline.Meta{}, paint(alive, 1))
			other := f.Share()
			if _, err := f.Edit(writable, private); err != nil {
				b.Fatal(err)
			}
			_ = f.Release()
			_ = other.Release()
		}
	})
}
