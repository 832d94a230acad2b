package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Sounds are the decoded audio of one track: pieces that follow one another
// without a gap, what did not come being silence.
type Sounds struct {
	feed     feed
	clock    *clock // nil: the track's own
	receiver receiver
	decoder  decode.SoundDecoder

	placed  bool
	origin  int64         // RTP time that base belongs to
	base    time.Duration // PTS of origin
	end     time.Duration // of what was given out
	arrival time.Time     // of the last packet

	units   []decode.AccessUnit // received, with data of their own
	waiting decode.Sound        // behind the silence before it
	sound   decode.Sound
	err     error
}

// OpenSound begins to receive an audio track of a session that is ready. With
// the frames of the session's picture given, PTS is on their clock, and sound
// begins with them; otherwise it begins at 0. The caller closes what it returns.
func OpenSound(ctx context.Context, s *sdk.Session, track string, with *Frames) (*Sounds, error) {
	t, err := s.Track(track)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	if t.Kind() != sdk.Audio || t.Direction() != sdk.ReceiveOnly {
		return nil, pipeline.Invalid(fmt.Errorf("track %q: the model does not send audio on it", track))
	}
	var c *clock
	if with != nil {
		c = &with.source.clock
	}
	sounds, err := newSounds(t, c)
	if err != nil {
		return nil, err
	}
	if err := t.Resume(ctx); err != nil {
		return nil, errors.Join(err, sounds.Close())
	}
	return sounds, nil
}

func newSounds(f feed, c *clock) (*Sounds, error) {
	d, err := ffmpeg.NewSoundDecoder(decode.Opus)
	if err != nil {
		return nil, err
	}
	return &Sounds{feed: f, clock: c, decoder: d, receiver: receiver{onLoss: ShowLoss}}, nil
}

// Next waits for the next piece and says whether there is one.
func (s *Sounds) Next(ctx context.Context) bool {
	for s.err == nil {
		if s.give() {
			return true
		}
		if len(s.units) == 0 {
			s.err = s.receive(ctx)
			continue
		}
		u := s.units[0]
		s.units = s.units[1:]
		s.take(u)
	}
	return false
}

// Sound returns the piece that Next found. Its samples stay valid until the next
// Next.
func (s *Sounds) Sound() decode.Sound { return s.sound }

// Err returns what ended Next, or nil for an orderly end by the server.
func (s *Sounds) Err() error {
	if errors.Is(s.err, io.EOF) || errors.Is(s.err, sdk.ErrSessionEnded) {
		return nil
	}
	return s.err
}

// Close stops decoding. The session goes on.
func (s *Sounds) Close() error {
	if s.err == nil {
		s.err = errClosed
	}
	return s.decoder.Close()
}

// pieceLength is how long a piece of silence is, as long as a packet's mostly is.
const pieceLength = 20 * time.Millisecond

// give makes the next piece of what is there already: silence up to what waits,
// then that.
func (s *Sounds) give() bool {
	w := &s.waiting
	if len(w.Samples) == 0 {
		return false
	}
	gap := w.PTS - s.end
	if gap < time.Millisecond { // less than anybody hears
		w.PTS = s.end
		s.sound, s.waiting = *w, decode.Sound{}
	} else {
		n := int(min(gap, pieceLength) * time.Duration(w.Rate) / time.Second)
		s.sound = decode.Sound{PTS: s.end, Rate: w.Rate, Channels: w.Channels, Samples: make([]int16, n*w.Channels)}
	}
	s.end = s.sound.PTS + s.sound.Duration()
	return true
}

// receive waits until units have come.
func (s *Sounds) receive(ctx context.Context) error {
	p, came, err := readPacket(ctx, s.feed, &s.receiver)
	if err != nil {
		return err
	}
	if came {
		s.receiver.setRTT(s.feed.RTT())
		if err := s.receiver.push(p); err != nil {
			return err
		}
	}
	s.receiver.pop(time.Now(), func(u unit) {
		if u.restart {
			s.placed = false
		}
		u.SenderTime, _ = s.feed.SenderTime(uint32(u.RTPTime)) //nolint:gosec // the lower half is the RTP timestamp
		u.Data = append([]byte(nil), u.Data...)
		s.units = append(s.units, u.AccessUnit)
	})
	return nil
}

// maxDrift is how far sound may run away from the picture before it is put right:
// what nobody notices.
const maxDrift = 40 * time.Millisecond

// take decodes a unit and finds its place. Sound from before the picture, or
// that would come over what was given out, is left out.
func (s *Sounds) take(u decode.AccessUnit) {
	pts, ok := s.place(u)
	s.arrival = u.Arrival
	if !ok || pts < 0 || pts < s.end-maxDrift {
		return
	}
	u.PTS = max(pts, s.end)
	if sound, err := s.decoder.DecodeSound(&u); err == nil { // else it is silence
		s.waiting = sound
	}
}

// place returns when a unit is heard.
func (s *Sounds) place(u decode.AccessUnit) (time.Duration, bool) {
	pts := s.base + ticks(u.RTPTime-s.origin, u.Codec.ClockRate())
	wanted, known := s.wanted(u)
	switch {
	case !s.placed && !known:
		return 0, false
	case !s.placed, known && (wanted-pts).Abs() > maxDrift:
		if !s.placed && s.end == 0 {
			s.end = max(wanted, 0)
		}
		s.placed, s.origin, s.base = true, u.RTPTime, wanted
		return wanted, true
	}
	return pts, true
}

// wanted is when a unit is heard by the picture's clock; without one, behind
// what was heard before, by the time between the arrivals.
func (s *Sounds) wanted(u decode.AccessUnit) (time.Duration, bool) {
	if s.clock != nil {
		pts, exact, known := s.clock.at(u.SenderTime, u.Arrival)
		return pts, known && (exact || !s.placed)
	}
	if s.placed {
		return 0, false
	}
	if s.arrival.IsZero() {
		return 0, true
	}
	return s.end + max(u.Arrival.Sub(s.arrival)-pieceLength, 0), true
}

// clock relates a source's PTS to the sender's wall clock and to ours.
type clock struct {
	mu      sync.Mutex // guards what follows
	known   bool
	sender  time.Time // at PTS 0; zero if unknown
	arrival time.Time // at PTS 0
}

// set takes note of a picture.
func (c *clock) set(u decode.AccessUnit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.arrival, c.sender = true, u.Arrival.Add(-u.PTS), time.Time{}
	if !u.SenderTime.IsZero() {
		c.sender = u.SenderTime.Add(-u.PTS)
	}
}

// at returns the PTS of something that the sender took at a time and that came
// at another: exactly by its own clock, else about by ours. It is not known
// before the first picture.
func (c *clock) at(sender, arrival time.Time) (pts time.Duration, exact, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !sender.IsZero() && !c.sender.IsZero() {
		return sender.Sub(c.sender), true, true
	}
	return arrival.Sub(c.arrival), false, c.known
}
