package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// opusSilence is 20 ms of nothing.
var opusSilence = []byte{0xf8, 0xff, 0xfe}

const opusTicks = 960 // of 20 ms

// spoken returns packet n of a sender of sound that began at a timestamp.
func spoken(n int, began uint32) sdk.Packet {
	return sdk.Packet{Codec: "opus", Epoch: 1, Arrival: time.Now(), Packet: &rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: 9, SequenceNumber: uint16(65530 + n), Timestamp: began + uint32(n)*opusTicks, Marker: n == 0},
		Payload: opusSilence,
	}}
}

// silentFeed has no sender reports, or those of a clock of 48 kHz.
type silentFeed struct {
	*fakeFeed
	reports bool
}

func (f silentFeed) SenderTime(rtp uint32) (time.Time, bool) {
	return time.Unix(0, 0).Add(ticks(int64(rtp), 48000)), f.reports
}

// hear returns the pieces that are there, as "from+length", and * where a
// packet came.
func hear(t *testing.T, s *Sounds) []string {
	t.Helper()
	var out []string
	for {
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		there := s.Next(ctx)
		cancel()
		if !there {
			if errors.Is(s.err, context.DeadlineExceeded) {
				s.err = nil
			}
			return out
		}
		sound, mark := s.Sound(), ""
		if !sound.Arrival.IsZero() {
			mark = "*"
		}
		out = append(out, fmt.Sprintf("%v+%v%s", sound.PTS, sound.Duration(), mark))
	}
}

// A packet that is lost is silence, and so is a pause; nothing goes back.
func TestSounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := silentFeed{newFakeFeed(), false}
		s, err := newSounds(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		began := uint32(1<<32 - 2*opusTicks)
		for _, n := range []int{0, 1, 3, 3, 2, 4, 6, 7} { // twice, in another order, lost
			f.packets <- spoken(n, began)
		}
		want := []string{"0s+20ms*", "20ms+20ms*", "40ms+20ms*", "60ms+20ms*", "80ms+20ms*", "100ms+20ms", "120ms+20ms*", "140ms+20ms*"}
		if diff := cmp.Diff(want, hear(t, s)); diff != "" {
			t.Errorf("pieces (-want +got):\n%s", diff)
		}
		f.packets <- spoken(8, began+3*opusTicks) // the sender was still for 60 ms
		want = []string{"160ms+20ms", "180ms+20ms", "200ms+20ms", "220ms+20ms*"}
		if diff := cmp.Diff(want, hear(t, s)); diff != "" {
			t.Errorf("after a pause (-want +got):\n%s", diff)
		}
	})
}

// Over a new connection sound goes on by the time that went by.
func TestSoundsReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := silentFeed{newFakeFeed(), false}
		s, err := newSounds(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f.packets <- spoken(0, 77)
		got := hear(t, s)
		p := spoken(0, 123456)
		p.Epoch, p.Arrival = 2, s.voice.arrival.Add(60*time.Millisecond)
		f.packets <- p
		want := []string{"0s+20ms*", "20ms+20ms", "40ms+20ms", "60ms+20ms*"}
		if diff := cmp.Diff(want, append(got, hear(t, s)...)); diff != "" {
			t.Errorf("pieces (-want +got):\n%s", diff)
		}
	})
}

// Sound and picture are on one clock, the sender's where its reports tell it:
// sound from before the picture is left out.
func TestSoundsWithThePicture(t *testing.T) {
	for _, reports := range []bool{true, false} {
		t.Run(fmt.Sprintf("reports %t", reports), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := silentFeed{newFakeFeed(), reports}
				c := &clock{}
				s, err := newSounds(f, c)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				f.packets <- spoken(0, 0)
				if got := hear(t, s); len(got) != 0 {
					t.Fatalf("got %v before there was a picture", got)
				}
				picture := decode.AccessUnit{PTS: 500 * time.Millisecond, Arrival: time.Now().Add(500 * time.Millisecond)}
				if reports {
					picture.SenderTime = time.Unix(0, 0).Add(540 * time.Millisecond) // PTS 0 is at 40 ms
				}
				c.set(picture)
				want := []string{"0s+20ms*", "20ms+20ms*"}
				if reports {
					f.packets <- spoken(1, 0)
				}
				f.packets <- spoken(2, 0)
				f.packets <- spoken(3, 0)
				if diff := cmp.Diff(want, hear(t, s)); diff != "" {
					t.Errorf("pieces (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Sound comes over a real connection, beside the picture.
func TestOpenSound(t *testing.T) {
	t.Parallel()
	m := model()
	m.Tracks = append(m.Tracks, sessiontest.Track{
		Name: "main_audio", Kind: sessiontest.Audio, Direction: sessiontest.RecvOnly, Loop: []*sessiontest.Clip{sessiontest.SilenceClip()},
	})
	s := connect(t, sessiontest.New(t, m), sdk.Config{})
	if _, err := OpenSound(t.Context(), s, "main_video", nil); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("sound of the picture: got %v", err)
	}
	frames, err := Open(t.Context(), s, "main_video")
	if err != nil {
		t.Fatal(err)
	}
	defer frames.Close()
	if !frames.Next(within(t)) {
		t.Fatal(frames.Err())
	}
	sounds, err := OpenSound(t.Context(), s, "main_audio", frames)
	if err != nil {
		t.Fatal(err)
	}
	defer sounds.Close()
	last := time.Duration(-1)
	for range 50 {
		if !sounds.Next(within(t)) {
			t.Fatal(sounds.Err())
		}
		sound := sounds.Sound()
		if last >= 0 && sound.PTS != last || sound.Rate != 48000 || sound.Channels != 2 || len(sound.Samples) == 0 {
			t.Fatalf("%v after %v: %d samples", sound.PTS, last, len(sound.Samples))
		}
		last = sound.PTS + sound.Duration()
	}
}
