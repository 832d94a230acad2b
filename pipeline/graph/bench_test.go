package graph_test

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// belt is a source that makes frames as cheaply as can be.
type belt struct {
	n, end int
	image  pipeline.Image
}

func (s *belt) Read(context.Context) (*pipeline.Frame, error) {
	if s.n == s.end {
		return nil, io.EOF
	}
	s.n++
	return pipeline.NewFrame(pipeline.Meta{Seq: uint64(s.n)}, s.image), nil
}

func (s *belt) Live() bool { return false }

func (s *belt) Close() error { return nil }

type still struct{}

func (still) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.Gray8, Width: 1, Height: 1}
}
func (still) Clone() (pipeline.Image, error) { return still{}, nil }
func (still) Close() error                   { return nil }

// lineOf runs n frames through a line of stages that do nothing.
func lineOf(tb testing.TB, stages, frames int) {
	r := newRig(tb, 4)
	r.cfg.Metrics = prometheus.NewRegistry()
	r.addSource("cam", false, &belt{end: frames, image: still{}})
	from := "cam"
	for i := range stages {
		name := fmt.Sprintf("stage%d", i)
		r.stage(name, from, through)
		from = name
	}
	r.sink("out", from, through, func(s *config.Sink) { s.Pixels = pipeline.Pixels{} })
	r.run(context.Background())
}

// BenchmarkGraph is the cost of a frame on a line of empty stages, source and
// sink included; cpu-ns/op is processor time, which a busy machine shows truly.
func BenchmarkGraph(b *testing.B) {
	for _, stages := range []int{1, 4, 8} {
		b.Run(fmt.Sprintf("%dstages", stages), func(b *testing.B) {
			b.ReportAllocs()
			begun := processorTime(b)
			lineOf(b, stages, b.N)
			b.ReportMetric(float64(processorTime(b)-begun)/float64(b.N), "cpu-ns/op")
		})
	}
}

func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestAStageAllocatesNothing compares a long line with a short one.
func TestAStageAllocatesNothing(t *testing.T) {
	if framecheck {
		t.Skip("checking allocates")
	}
	perFrame := func(stages int) float64 {
		const few, many = 200, 2200
		base := testing.AllocsPerRun(1, func() { lineOf(t, stages, few) })
		return (testing.AllocsPerRun(1, func() { lineOf(t, stages, many) }) - base) / (many - few)
	}
	short, long := perFrame(1), perFrame(9)
	t.Logf("allocations a frame: %.2f with 1 stage, %.2f with 9", short, long)
	if extra := (long - short) / 8; extra > 0.1 {
		t.Errorf("%.2f allocations a frame and stage", extra)
	}
}
