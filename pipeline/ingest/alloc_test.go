//go:build !race && !framecheck && !matprofile

package ingest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// TestFramesCostNoAllocation: on its way from the track's packets to a Mat, a frame
// costs none, whoever of the goroutines on that way would make it. Under the race
// detector, and where frames are checked, some of them are not used again.
func TestFramesCostNoAllocation(t *testing.T) {
	const frames, warm = 200, 50
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			f, s := newFakeFeed(), newSender(t, codec)
			source := newTrackSource("cam", slog.New(slog.DiscardHandler), defaultTrack(), func() (feed, error) { return f, nil })
			defer source.Close()
			var pictures [][]sdk.Packet
			for i := range frames + warm + 1 { // one more, for the first call
				if i%30 == 0 {
					s.keyframe()
				}
				pictures = append(pictures, s.picture(time.Now()))
			}
			frame := func() {
				for _, p := range pictures[0] {
					p.Arrival = time.Now()
					f.packets <- p
				}
				pictures = pictures[1:]
				got, err := source.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if m, err := mat.View(got); err != nil || m.Empty() {
					t.Fatalf("%v, %v", m, err)
				}
				if err := got.Recycle(); err != nil {
					t.Fatal(err)
				}
			}
			for range warm {
				frame()
			}
			if n := testing.AllocsPerRun(frames, frame); n != 0 {
				t.Errorf("%v allocations a frame", n)
			}
		})
	}
}
