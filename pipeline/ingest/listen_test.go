package ingest

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// sounding is a session's picture with its sound, which another one may follow.
type sounding struct {
	*fakeFeed
	sound silentFeed
	next  chan feed
}

func (r sounding) Sound() feed { return r.sound }

func (r sounding) Next(ctx context.Context) (feed, error) {
	select {
	case f, more := <-r.next:
		if !more {
			return nil, io.EOF
		}
		return f, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Over a renewal the sound is the session's whose picture is shown: it changes with
// that, and goes on in the time of the pictures.
func TestSoundOverARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan feed)
		session := func() sounding { return sounding{newFakeFeed(), silentFeed{newFakeFeed(), false}, next} }
		first, second := session(), session()
		cfg := defaultTrack()
		cfg.Track = "main_video"
		s := newTrackSource("cam", slog.New(slog.DiscardHandler), cfg, func() (feed, error) { return first, nil })
		var heard []pipeline.Audio
		s.Listen(func(a pipeline.Audio) {
			a.Data = append([]byte(nil), a.Data...)
			heard = append(heard, a)
		})
		go func() {
			pictures := map[int]*sender{1: newSender(t, "vp8"), 2: newSender(t, "vp8")}
			for ms := 0; ms < 2000; ms += 20 {
				for n, to := range []sounding{first, second} {
					if n == 1 && ms == 600 {
						next <- second
					}
					if n == 1 && ms < 600 || n == 0 && ms >= 1500 { // both are there for a while
						continue
					}
					p := spoken(ms/20, uint32(n)*7777)
					p.Payload = []byte{0xf8 + 4*byte(n), 0xff, 0xfe} // in mono, in stereo
					to.sound.packets <- p
					if ms%40 == 0 && (n == 0 || ms >= 1000) { // the second's first picture comes late
						for _, p := range pictures[n+1].picture(time.Now()) {
							to.packets <- p
						}
					}
				}
				time.Sleep(20 * time.Millisecond)
			}
			second.over <- sdk.ErrSessionEnded
			second.sound.over <- sdk.ErrSessionEnded
			first.over <- sdk.ErrSessionEnded
			close(next)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		for {
			f, err := s.Read(ctx)
			if err != nil {
				break
			}
			if err := f.Release(); err != nil {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		changed := -1
		for i, a := range heard {
			stereo := a.Data[0] == 0xfc
			switch {
			case stereo && changed < 0:
				changed = i
			case !stereo && changed >= 0:
				t.Fatalf("packet %d is the first session's again", i)
			}
			if i > 0 && a.PTS < heard[i-1].PTS+heard[i-1].Duration {
				t.Errorf("packet %d at %v, behind %v", i, a.PTS, heard[i-1].PTS)
			}
		}
		if changed < 45 || changed > 55 || len(heard) < 90 {
			t.Errorf("of %d packets those from %d on are the second session's, want from about 50 on", len(heard), changed)
		}
		if gap := heard[changed].PTS - heard[changed-1].PTS; gap > 100*time.Millisecond {
			t.Errorf("a gap of %v", gap)
		}
	})
}
