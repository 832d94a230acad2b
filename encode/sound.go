package encode

import "time"

// Sound is encoded from stereo samples of 48 kHz, a packet for each 20 ms: what
// WebRTC sends, and what all receivers of Opus understand.
const (
	SoundRate     = 48_000
	SoundChannels = 2
	SoundLength   = 20 * time.Millisecond
	// SoundSamples is how many a packet holds of each channel.
	SoundSamples = SoundRate * int(SoundLength/time.Millisecond) / 1000
)

// SoundEncoder turns samples into packets of Opus. It is used by one goroutine at
// a time.
type SoundEncoder interface {
	// EncodeSound takes the samples of the next packet, the channels interleaved:
	// SoundSamples of each. The packet stays valid until the next call. What is
	// heard lags by what the encoder looks ahead, 6.5 ms.
	EncodeSound(samples []int16) ([]byte, error)
	Close() error
}
