package ingest

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// endlessFeed plays packets over and over.
type endlessFeed struct {
	*fakeFeed
	packets []sdk.Packet
	left    int
	next    int
}

func (f *endlessFeed) ReadRTP(context.Context) (sdk.Packet, error) {
	if f.left == 0 {
		return sdk.Packet{}, io.ErrUnexpectedEOF
	}
	f.left--
	p := f.packets[f.next]
	if f.next++; f.next == len(f.packets) {
		f.next = 0
	}
	return p, nil
}

// BenchmarkReceive takes packets from the track to the queue of units, which
// somebody empties. An operation is a packet; a picture has seven or more of
// them, so that what a unit costs shows up as a fraction.
func BenchmarkReceive(b *testing.B) {
	s := newSender(b, "vp8")
	source := newTrackSource("cam", slog.New(slog.DiscardHandler), defaultTrack(), nil)
	f := &endlessFeed{fakeFeed: newFakeFeed(), left: b.N}
	now := time.Now()
	for n := 0; n < 1<<16; { // as many as there are sequence numbers
		for _, p := range s.picture(now) {
			if n++; n <= 1<<16 {
				f.packets = append(f.packets, p)
			}
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for {
			u, err := source.units.pop(context.Background())
			if err != nil {
				return
			}
			source.units.recycle(u)
		}
	}()
	b.ReportAllocs()
	b.ResetTimer()
	source.units.close(source.receive(context.Background(), f))
	b.StopTimer()
	<-drained
	c := source.Counts()
	b.ReportMetric(float64(c.Received)/float64(b.N), "units/op")
}
