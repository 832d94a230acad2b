package sdk

import (
	"context"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// However many packets overtake one, it is taken when it comes.
func TestPacketsFarOutOfOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.connect(t, Config{Codecs: []string{"vp8"}})
		flows(t, s)
		if err := w.srv.SetTrouble(sessiontest.Trouble{Network: sessiontest.Network{Jitter: 100 * time.Millisecond}}); err != nil {
			t.Fatal(err)
		}
		const size, packets = 1_190_000, 1000 // and some
		w.srv.Output("main_video").Send(sessiontest.Sample{Codec: "vp8", Keyframe: true, Data: make([]byte, size)})

		track, err := s.Track("main_video")
		if err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		came := map[uint32]int{} // packets of each picture
		for {
			p, err := track.ReadRTP(ctx)
			if err != nil {
				break
			}
			came[p.Timestamp]++
		}
		largest := 0
		for _, n := range came {
			largest = max(largest, n)
		}
		if largest < packets {
			t.Errorf("%d packets of the picture came, want all %d and some", largest, packets)
		}
	})
}
