package ingest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// showTwice sends every packet of the next picture twice.
func (r *rig) showTwice() {
	for _, p := range r.sender.picture(time.Now()) {
		twin := p
		twin.Packet = p.Clone()
		r.feed.packets <- p
		r.feed.packets <- twin
	}
	time.Sleep(frameTime)
}

// Sequence numbers and timestamps wrap in each of these: the sender begins just
// before that. Whatever happens, frames are numbered without gaps, and PTS goes
// on by the time that went by.
func TestTrackTroubles(t *testing.T) {
	plain := []seen{{0, 0, "", true, size}, {1, ms(33), "", false, size}, {2, ms(67), "", false, size}, {3, ms(100), "", false, size}}
	tests := []struct {
		name string
		send func(t *testing.T, r *rig)
		want []seen
		asks int // for keyframes
	}{
		{"none", func(_ *testing.T, r *rig) {
			for range 4 {
				r.show()
			}
		}, plain, 0},
		{"every packet twice", func(_ *testing.T, r *rig) {
			for range 4 {
				r.showTwice()
			}
		}, plain, 0},
		{"padding", func(_ *testing.T, r *rig) {
			for range 4 {
				r.feed.packets <- r.sender.padding(time.Now())
				r.show()
				r.feed.packets <- r.sender.padding(time.Now())
			}
		}, plain, 0},
		{"ancient packets", func(_ *testing.T, r *rig) {
			r.show()
			for range 3 {
				for _, ago := range []uint16{20_000, 32_000, 3_000, 40} {
					p := r.sender.padding(time.Now())
					r.sender.seq--
					p.SequenceNumber -= ago
					p.Payload = []byte{0x90, 0x80, 0x01, 0, 0, 0}
					r.feed.packets <- p
				}
				r.show()
			}
		}, plain, 0},
		{"a pause of five minutes", func(t *testing.T, r *rig) {
			r.show()
			r.show()
			r.got = r.read(t)
			time.Sleep(5 * time.Minute)
			r.sender.timestamp += 5 * 60 * 90_000
			r.show()
			r.show()
		}, []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, 5*time.Minute + ms(67), "", false, size},
			{3, 5*time.Minute + ms(100), "", false, size},
		}, 0},
		{"another SSRC", func(_ *testing.T, r *rig) {
			r.show()
			r.show()
			r.sender.restart(99)
			r.sender.keyframe()
			r.show()
			r.show()
		}, []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, ms(67), pipeline.Reconnect, true, size},
			{3, ms(100), "", false, size},
		}, 1}, // nobody knows yet that it begins with one
		{"another size", func(t *testing.T, r *rig) {
			r.show()
			r.show()
			r.sender.clip = &sessiontest.Clip{Codec: "vp8", FPS: 30, Frames: [][]byte{encoded(t, decode.VP8, 320, 240)}}
			r.sender.keyframe()
			r.show()
		}, []seen{{0, 0, "", true, size}, {1, ms(33), "", false, size}, {2, ms(67), "", true, "320x240"}}, 0},
		{"another codec", func(_ *testing.T, r *rig) {
			r.show()
			r.show()
			r.sender.switchTo("h264")
			r.show()
			r.show()
		}, []seen{
			{0, 0, "", true, size},
			{1, ms(33), "", false, size},
			{2, ms(67), pipeline.Reconnect, true, size},
			{3, ms(100), "", false, size},
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, "vp8", FreezeLoss)
				r.begin(t)
				tt.send(t, r)
				if diff := cmp.Diff(tt.want, append(r.got, r.read(t)...)); diff != "" {
					t.Errorf("frames (-want +got):\n%s", diff)
				}
				if n := r.Counts().Dropped["stray_packet"]; (n > 0) != (tt.name == "ancient packets") {
					t.Errorf("%d stray packets", n)
				}
				if n := len(r.feed.asked()); n != tt.asks {
					t.Errorf("asked for %d keyframes, want %d", n, tt.asks)
				}
			})
		})
	}
}
