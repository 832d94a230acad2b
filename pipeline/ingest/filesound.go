package ingest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// fileSoundBitrate is what the sound of a file is encoded with, in bit/s: nobody
// hears the difference.
const fileSoundBitrate = 128_000

// fileSound is the sound of a file, encoded as that of a session comes.
type fileSound struct {
	file    *ffmpeg.SoundFile
	encoder encode.SoundEncoder
	log     *slog.Logger

	base    time.Duration // PTS at which the present round began
	begins  time.Duration // PTS of the packet in the making
	samples []int16       // of it, the channels interleaved
	ended   bool          // nothing comes any more in this round
}

func openFileSound(path string, log *slog.Logger) (*fileSound, error) {
	file, err := ffmpeg.OpenSoundFile(path)
	if err != nil {
		return nil, err
	}
	e, err := encoder.NewSoundEncoder(fileSoundBitrate)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &fileSound{file: file, encoder: e, log: log}, nil
}

// until hands take the packets that begin before pts. Where the sound cannot be
// read any further, silence follows.
func (s *fileSound) until(pts time.Duration, take func(pipeline.Audio)) error {
	for s.begins < pts {
		for !s.ended && !s.full() {
			sound, err := s.file.Next()
			if err != nil {
				s.end(err)
				break
			}
			s.add(sound)
		}
		if err := s.packet(take); err != nil {
			return fmt.Errorf("sound: %w", err)
		}
	}
	return nil
}

func (s *fileSound) end(why error) {
	s.ended = true
	if !errors.Is(why, io.EOF) {
		s.log.Warn("sound ends before its end", "err", why)
	}
}

const packetSamples = encode.SoundSamples * encode.SoundChannels

func (s *fileSound) full() bool { return len(s.samples) >= packetSamples }

// add adds a piece where it belongs: what is missing before it is silence, what
// comes over the piece before is left out.
func (s *fileSound) add(sound decode.Sound) {
	end := s.begins + time.Duration(len(s.samples)/encode.SoundChannels)*time.Second/encode.SoundRate
	gap := s.base + sound.PTS - end
	switch n := encode.SoundChannels * int(gap.Abs()*encode.SoundRate/time.Second); {
	case gap.Abs() < maxError:
		s.samples = append(s.samples, sound.Samples...)
	case gap > 0:
		s.samples = append(append(s.samples, make([]int16, min(n, mostSilence))...), sound.Samples...)
	default:
		s.samples = append(s.samples, sound.Samples[min(n, len(sound.Samples)):]...)
	}
}

// mostSilence bounds what a file's times can make of a gap, in samples: an hour.
const mostSilence = 3600 * encode.SoundRate * encode.SoundChannels

// packet encodes what there is, up to a packet, with silence behind it.
func (s *fileSound) packet(take func(pipeline.Audio)) error {
	for !s.full() {
		s.samples = append(s.samples, 0)
	}
	data, err := s.encoder.EncodeSound(s.samples[:packetSamples])
	if err != nil {
		return err
	}
	take(pipeline.Audio{Codec: string(decode.Opus), Data: data, PTS: s.begins, Duration: encode.SoundLength, Arrival: time.Now()})
	s.samples = append(s.samples[:0], s.samples[packetSamples:]...)
	s.begins += encode.SoundLength
	return nil
}

// again begins the next round, at base.
func (s *fileSound) again(base time.Duration) error {
	s.base, s.ended, s.samples = base, false, s.samples[:0]
	return s.file.Rewind()
}

// Close closes the file and frees the encoder.
func (s *fileSound) Close() error { return errors.Join(s.encoder.Close(), s.file.Close()) }
