package pipetest

import (
	"context"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"testing"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// victims are stages that break the contract, each in a way of its own.
func victims() map[string]struct {
	pixels  pipeline.Pixels
	process pipeline.StageFunc
	want    string
} {
	var kept *pipeline.Frame
	reads := pipeline.Pixels{Read: pipeline.Native}
	edits := pipeline.Pixels{Read: pipeline.Native, Write: pipeline.Edit}
	return map[string]struct {
		pixels  pipeline.Pixels
		process pipeline.StageFunc
		want    string
	}{
		"writes to what others hold": {edits, func(_ context.Context, f *pipeline.Frame) error {
			if p, ok := f.Image().(*Picture); ok {
				p.data[0]++
			}
			return nil
		}, "the stage wrote to a frame that others hold too"},
		"writes though it says that it does not": {reads, func(_ context.Context, f *pipeline.Frame) error {
			return brighten(f, 1)
		}, "the kind declares NoWrite, but the picture was changed"},
		"reshapes though it says that it edits": {edits, func(_ context.Context, f *pipeline.Frame) error {
			img, err := f.Image().Clone()
			if err != nil {
				return err
			}
			f.Replace(img, pipeline.Scale(2, 2))
			return nil
		}, "the kind declares Edit, but the picture was reshaped"},
		"reads though it says that it does not": {pipeline.Pixels{}, func(_ context.Context, f *pipeline.Frame) error {
			if p, ok := f.Image().(pipeline.Planar); ok {
				p.Plane(0)
			}
			return nil
		}, "the kind declares NoRead but asked for pixels"},
		"asks for colour though it says gray": {pipeline.Pixels{Read: pipeline.Gray}, func(_ context.Context, f *pipeline.Frame) error {
			c, ok := f.Image().(pipeline.Converter)
			if !ok {
				return pipeline.ErrNoPixels
			}
			to := c.Format()
			to.Layout = pipeline.BGR24
			data := make([]byte, sizeOf(to))
			return c.ConvertTo(unsafe.Pointer(&data[0]), 0, to)
		}, "the kind declares that it reads Gray, but it asked for colour"},
		"keeps a frame": {reads, func(_ context.Context, f *pipeline.Frame) error {
			kept = f.Keep()
			_ = kept
			return nil
		}, "pictures were not closed"},
		"keeps a Mat": {reads, func(context.Context, *pipeline.Frame) error {
			profile := pprof.Lookup(matProfile)
			if profile == nil { // gocv is not in this program
				profile = pprof.NewProfile(matProfile)
			}
			profile.Add(new(int), 1)
			return nil
		}, "Mats not closed: 1, made by github.com/reactorpipe/reactorpipe/pipeline/pipetest.victims.func"},
		"changes the order": {reads, func(_ context.Context, f *pipeline.Frame) error {
			f.Seq++
			return nil
		}, "frame 0 became 1"},
		"says wrongly where its picture lies": {pipeline.Pixels{Read: pipeline.Native, Write: pipeline.Reshape}, func(_ context.Context, f *pipeline.Frame) error {
			img, err := f.Image().Clone()
			if err != nil {
				return err
			}
			f.Replace(img, pipeline.Translate(1000, 0))
			return nil
		}, "the geometry has the middle of the new picture"},
		closesOnce: {reads, func(context.Context, *pipeline.Frame) error { return nil }, "the second close: panic: close of closed channel"},
		"panics on small pictures": {reads, func(_ context.Context, f *pipeline.Frame) error {
			if img := f.Image(); img != nil && img.Format().Width == 1 {
				panic("index out of range")
			}
			return nil
		}, "i420 1×1: panic: index out of range"},
		"panics on messages": {reads, func(_ context.Context, f *pipeline.Frame) error {
			_ = f.Image().Format()
			return nil
		}, "message: panic"},
	}
}

// closesOnce is a victim that is a fragile.
const closesOnce = "closes once only"

// fragile panics when it is closed again.
type fragile struct {
	pipeline.Stage
	open chan struct{}
}

func (f fragile) Close() error {
	close(f.open)
	return nil
}

// TestVictim holds one bad stage to the contract. It is run by
// TestBadStagesAreCaught, which wants it to fail.
func TestVictim(t *testing.T) {
	name := os.Getenv("PIPETEST_VICTIM")
	if name == "" {
		t.Skip("no victim")
	}
	v := victims()[name]
	Stage(t, Case{Kind: "victim", Width: 32, Height: 24, Register: func(r *pipeline.Registry) {
		pipeline.RegisterStage(r, pipeline.StageKind[struct{}]{
			Name: "victim", Pixels: v.pixels,
			New: func(pipeline.Env, struct{}) (pipeline.Stage, error) {
				if name == closesOnce {
					return fragile{v.process, make(chan struct{})}, nil
				}
				return v.process, nil
			},
		})
	}})
}

func TestBadStagesAreCaught(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range victims() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := exec.CommandContext(t.Context(), self, "-test.run", "^TestVictim$")
			c.Env = append(os.Environ(), "PIPETEST_VICTIM="+name)
			out, err := c.CombinedOutput()
			if err == nil || !strings.Contains(string(out), v.want) {
				t.Errorf("want a failure with %q, got %v:\n%s", v.want, err, out)
			}
		})
	}
}
