package ingest

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Sounds are the decoded audio of one track: pieces that follow one another
// without a gap, what did not come being silence.
type Sounds struct {
	feed     feed
	voice    voice
	receiver receiver
	decoder  decode.SoundDecoder

	units   []decode.AccessUnit // received, with data of their own
	waiting decode.Sound        // behind the silence before it
	begun   bool
	end     time.Duration // of what was given out
	sound   decode.Sound
	err     error
}

// OpenSound begins to receive an audio track of a session that is ready. With
// the frames of the session's picture given, PTS is on their clock, and sound
// begins with them; otherwise it begins at 0. The caller closes what it returns.
func OpenSound(ctx context.Context, s *sdk.Session, track string, with *Frames) (*Sounds, error) {
	t, err := output(s, track, sdk.Audio)
	if err != nil {
		return nil, err
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
	return &Sounds{feed: f, voice: voice{clock: c}, decoder: d, receiver: receiver{onLoss: ShowLoss}}, nil
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
	return listen(ctx, s.feed, &s.receiver, func(u unit) {
		if u.restart {
			s.voice.restart()
		}
		u.Data = append([]byte(nil), u.Data...)
		s.units = append(s.units, u.AccessUnit)
	})
}

// take finds a unit's place and decodes it.
func (s *Sounds) take(u decode.AccessUnit) {
	pts, ok := s.voice.place(u)
	if !ok {
		return
	}
	if !s.begun {
		s.begun, s.end = true, pts
	}
	u.PTS = pts
	if sound, err := s.decoder.DecodeSound(&u); err == nil { // else it is silence
		s.waiting = sound
	}
}
