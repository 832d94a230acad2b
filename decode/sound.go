package decode

import "time"

// Sound is a piece of decoded audio.
type Sound struct {
	// PTS is when it begins, on the source's clock.
	PTS time.Duration
	// Arrival is when its packet came; zero for silence that stands for what did
	// not come.
	Arrival time.Time
	// SenderTime is the sender's wall-clock time of its beginning by its RTCP
	// sender reports; zero if unknown.
	SenderTime time.Time
	Rate       int // in Hz
	Channels   int
	// Samples of all channels, interleaved.
	Samples []int16
}

// Duration returns how long s lasts.
func (s Sound) Duration() time.Duration {
	if s.Rate == 0 || s.Channels == 0 {
		return 0
	}
	return time.Duration(len(s.Samples)/s.Channels) * time.Second / time.Duration(s.Rate)
}

// SoundDecoder turns packets of audio into samples. It is used by one goroutine.
type SoundDecoder interface {
	// DecodeSound takes the next packet, whose data it does not keep. The samples
	// stay valid until the next call. An error leaves the decoder usable.
	DecodeSound(au *AccessUnit) (Sound, error)
	Close() error
}
