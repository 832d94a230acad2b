package graph_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// scribble writes to what is only lent for reading.
func scribble(f *pipeline.Frame) { f.Image().(*image).value++ }

func view(f *pipeline.Frame) *image {
	format := f.Image().Format()
	format.Width = 2 // another format than the picture's
	v, err := f.View(format, func(src pipeline.Image) (pipeline.Image, error) { return src.Clone() })
	if err != nil {
		panic(err)
	}
	return v.(*image)
}

// first is a part that does something with the first frame only.
func first(do func(*pipeline.Frame) error) pipeline.StageFunc {
	return func(_ context.Context, f *pipeline.Frame) error {
		if f.Seq > 0 {
			return nil
		}
		return do(f)
	}
}

// The node that breaks the contract is named, and ends the run.
func TestCheckFrames(t *testing.T) {
	tests := []struct {
		name  string
		build func(r *rig)
		want  string
	}{
		{"behaves", func(r *rig) {
			r.stage("blur", "cam", func(_ context.Context, f *pipeline.Frame) error {
				view(f)
				return edit(f, 7)
			})
			r.stage("edges", "blur", func(_ context.Context, f *pipeline.Frame) error {
				view(f)
				k := f.Keep()
				defer k.Release()
				return edit(f, valueOf(f)+1)
			})
			r.sink("out", "edges", through)
			r.sink("raw", "cam", through)
		}, ""},
		{"writes to the picture", func(r *rig) {
			r.stage("blur", "cam", func(_ context.Context, f *pipeline.Frame) error {
				scribble(f)
				return nil
			})
			r.sink("out", "blur", through)
		}, `stage "blur" wrote to a shared frame; call mat.Edit`},
		{"writes to a view", func(r *rig) {
			r.stage("blur", "cam", through)
			r.stage("edges", "blur", func(_ context.Context, f *pipeline.Frame) error {
				view(f).value++
				return nil
			})
			r.sink("out", "edges", through)
		}, `stage "edges" wrote to a shared frame; call mat.Edit`},
		{"writes to a view that it had before its edit", func(r *rig) {
			r.stage("blur", "cam", func(_ context.Context, f *pipeline.Frame) error {
				k := f.Keep() // so that Edit copies
				defer k.Release()
				v := view(f)
				err := edit(f, 3)
				v.value++
				return err
			})
			r.sink("out", "blur", through)
		}, `stage "blur" wrote to a shared frame; call mat.Edit`},
		{"a sink writes", func(r *rig) {
			r.sink("out", "cam", func(_ context.Context, f *pipeline.Frame) error {
				scribble(f)
				return nil
			})
		}, `sink "out" wrote to a shared frame; call mat.Edit`},
		{"writes to what it kept", func(r *rig) {
			var kept *pipeline.Frame // the first; a second may come in before the run ends
			r.stage("blur", "cam", first(func(f *pipeline.Frame) error {
				kept = f.Keep()
				return nil
			}))
			r.stage("edges", "blur", first(func(*pipeline.Frame) error {
				scribble(kept) // as a goroutine of blur might
				return nil
			}))
			r.sink("out", "edges", through)
			r.t.Cleanup(func() { kept.Release() })
		}, `stage "blur" or stage "edges" wrote to a shared frame; call mat.Edit` + "\n" +
			`stage "blur" kept frames and did not release them: 1`},
		{"keeps", func(r *rig) {
			var kept []*pipeline.Frame
			r.stage("blur", "cam", func(_ context.Context, f *pipeline.Frame) error {
				kept = append(kept, f.Keep())
				return nil
			})
			r.sink("out", "blur", through)
			r.t.Cleanup(func() {
				for _, k := range kept {
					k.Release()
				}
			})
		}, `stage "blur" kept frames and did not release them: 3`},
		{"a sink keeps", func(r *rig) {
			var kept *pipeline.Frame
			r.sink("out", "cam", func(_ context.Context, f *pipeline.Frame) error {
				if kept == nil {
					kept = f.Keep()
				}
				return nil
			})
			r.t.Cleanup(func() { kept.Release() })
		}, `sink "out" kept frames and did not release them: 1`},
		{"remembers what it was lent", func(r *rig) {
			var remembered *pipeline.Frame
			r.stage("blur", "cam", func(_ context.Context, f *pipeline.Frame) error {
				if remembered == nil {
					remembered = f
				}
				if _, err := remembered.View(f.Image().Format(), pipeline.Image.Clone); err != nil {
					return fmt.Errorf("%w: %w", pipeline.ErrFatal, err)
				}
				return nil
			})
			r.sink("out", "blur", through)
		}, `stage "blur": ` + pipeline.ErrFatal.Error() + `: frame has no pixels: the frame was released; Keep it for later`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1)
			r.cfg.CheckFrames = true
			r.source("cam", 3)
			tt.build(r)
			got := ""
			if err := r.build().Run(t.Context()); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// Where several have the pixels, all are named.
func TestCheckFramesSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1)
		r.cfg.CheckFrames = true
		r.source("cam", 1)
		both := make(chan struct{})
		r.stage("blur", "cam", func(context.Context, *pipeline.Frame) error {
			close(both)
			time.Sleep(time.Second) // edges is done by then
			return nil
		})
		r.stage("edges", "cam", func(_ context.Context, f *pipeline.Frame) error {
			<-both
			scribble(f)
			return nil
		})
		r.sink("out", "blur", through)
		r.sink("out2", "edges", through)
		err := r.build().Run(t.Context())
		if want := `stage "blur" or stage "edges" wrote to a shared frame; call mat.Edit`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}
