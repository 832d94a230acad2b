package container

import (
	"errors"
	"fmt"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// soundPatience is how long sound may come after its picture. Then it is
	// taken for silence.
	soundPatience = time.Second
	// soundRate is Opus's, in Hz.
	soundRate = 48_000
	// shortestSilence is that of a packet of Opus. A smaller gap stays one.
	shortestSilence = 2500 * time.Microsecond
)

// soundtrack is a file's stream of sound, without a gap.
type soundtrack struct {
	stream *astiav.Stream // nil: there is no sound
	end    time.Duration  // of what was written, in the file's own time
}

// opusHead declares two channels with nothing to be left out at the beginning
// (RFC 7845 §5.1), little-endian.
const opusHead = "OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"

func (m *Muxer) declareSound() error {
	s := m.ctx.NewStream(nil)
	if s == nil {
		return errors.New("out of memory")
	}
	par := s.CodecParameters()
	par.SetMediaType(astiav.MediaTypeAudio)
	par.SetCodecID(astiav.CodecIDOpus)
	par.SetSampleRate(soundRate)
	par.SetChannelLayout(astiav.ChannelLayoutStereo)
	s.SetTimeBase(astiav.NewRational(1, soundRate))
	m.sound.stream = s
	return par.SetExtraData([]byte(opusHead))
}

// WriteAudio appends a packet of sound on the pictures' clock, with silence for
// what is missing before it. What belongs before the first picture, or comes when
// silence was written in its place, is left out.
func (m *Muxer) WriteAudio(a pipeline.Audio) error {
	if m.sound.stream == nil {
		return nil
	}
	if a.Codec != string(decode.Opus) {
		return fmt.Errorf("write %s: sound must be opus, got %q", m.path, a.Codec)
	}
	at := a.PTS - m.first
	if at < 0 || at < m.sound.end-shortestSilence {
		return nil
	}
	err := m.quiet(at)
	if err == nil {
		err = m.hear(a.Data, max(at, m.sound.end), a.Duration)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", m.path, err)
	}
	return nil
}

// quiet writes silence up to a time.
func (m *Muxer) quiet(until time.Duration) error {
	if m.sound.stream == nil {
		return nil
	}
	for until-m.sound.end >= shortestSilence {
		packet, length := silence(until - m.sound.end)
		if err := m.hear(packet, m.sound.end, length); err != nil {
			return err
		}
	}
	return nil
}

func (m *Muxer) hear(packet []byte, at, length time.Duration) error {
	s := m.sound.stream
	if err := m.put(s, packet, toTicks(s, at), toTicks(s, length), true); err != nil {
		return err
	}
	m.sound.end = at + length
	return nil
}

// silence returns the longest packet of Opus without a sound that lasts no longer
// than d: a frame of CELT whose first bit says that it is silent (RFC 6716 §3.1,
// §4.3).
func silence(d time.Duration) (packet []byte, length time.Duration) {
	const shortest, longest = 28, 31 // configurations of 2.5 to 20 ms
	config, length := shortest, shortestSilence
	for config < longest && 2*length <= d {
		config, length = config+1, 2*length
	}
	return []byte{byte(config << 3), 0xff, 0xfe}, length
}

// Soundtrack is sound that waits for the pictures beside which it goes into a
// file: these take longer.
type Soundtrack struct{ packets []pipeline.Audio }

// mostWaiting is as many packets as may wait: twenty seconds of usual ones.
// Where pictures are rarer than that, the oldest sound is lost.
const mostWaiting = 1024

// Add adds a packet.
func (s *Soundtrack) Add(a pipeline.Audio) {
	if len(s.packets) == mostWaiting {
		s.packets = s.packets[1:]
	}
	s.packets = append(s.packets, a)
}

// Before returns the packets that begin before a picture, and lets go of them.
func (s *Soundtrack) Before(pts time.Duration) []pipeline.Audio {
	n := 0
	for n < len(s.packets) && s.packets[n].PTS < pts {
		n++
	}
	out := s.packets[:n]
	s.packets = s.packets[n:]
	return out
}
