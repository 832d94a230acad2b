package pipetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// units are access units of VP8 as a source has them.
func units() []pipeline.Unit {
	var all []pipeline.Unit
	for i, data := range sessiontest.VP8Clip().Frames {
		all = append(all, pipeline.Unit{
			Codec: "vp8", Data: bytes.Clone(data), PTS: time.Duration(i) * time.Second / 30,
			Arrival: time.Unix(0, 0).Add(time.Duration(i) * time.Second / 30), Keyframe: data[0]&1 == 0, // RFC 6386 §9.1
		})
	}
	return all
}

func sinkUnits(t *testing.T, c Case) {
	w := newSink(t, c)
	defer w.close(t)
	sink, ok := w.sink.(pipeline.UnitSink)
	if !ok {
		t.Error("its kind says Encoded, and the sink is no pipeline.UnitSink")
		return
	}
	put := func(ctx context.Context, u pipeline.Unit) {
		t.Helper()
		before := bytes.Clone(u.Data)
		mustLive(t, "unit", sink.WriteUnit(ctx, u))
		if !bytes.Equal(u.Data, before) {
			t.Error("the sink changed the data of a unit that it was lent")
		}
		clear(u.Data) // who keeps it has to copy it
	}
	all := units()
	for _, u := range all[1:] { // no keyframe to begin with
		put(t.Context(), u)
	}
	for i, u := range units() {
		u.PTS += time.Second
		if i == 0 {
			u.Discontinuity = pipeline.Reconnect
		}
		put(t.Context(), u)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	last := units()[0]
	last.PTS = 2 * time.Second
	put(ctx, last)
}

// encoded says that a kind takes access units.
func encoded(kind pipeline.SinkType, cfg any) bool {
	if refined, ok := cfg.(interface{ Encoded() bool }); ok {
		return refined.Encoded()
	}
	return kind.Encoded
}
