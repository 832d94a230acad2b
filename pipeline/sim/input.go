package sim

import (
	"context"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// keyframeInterval bounds how often a publisher is asked for a keyframe.
const keyframeInterval = 500 * time.Millisecond

// receive takes a published track and counts its pictures: those that a decoder
// could make something of. To sound it does not listen.
func (s *Server) receive(_ context.Context, in *sessiontest.Input) {
	if in.Kind == sessiontest.Audio {
		return
	}
	buffer := jitter.New(jitter.Config{})
	var units *depacketize.Depacketizer
	var codec string
	var asked time.Time
	for {
		p, err := in.ReadRTP()
		if err != nil {
			return
		}
		if in.Codec() != codec {
			codec = in.Codec()
			if units, err = depacketize.New(decode.Codec(codec), depacketize.Config{}); err != nil {
				s.cfg.Log.Warn("published track not understood", "track", in.Track, "err", err)
				return
			}
			s.cfg.Log.Info("a track is published", "track", in.Track, "codec", codec)
		}
		now := time.Now()
		buffer.Push(p, now)
		for ordered, ok := buffer.Pop(now); ok; ordered, ok = buffer.Pop(now) {
			s.inputs.Add(uint64(len(units.Push(ordered))))
		}
		if units.NeedKeyframe() && now.Sub(asked) > keyframeInterval {
			asked = now
			if err := in.RequestKeyframe(); err != nil {
				return
			}
		}
	}
}

// InputFrames is how many pictures have come on input tracks.
func (s *Server) InputFrames() uint64 { return s.inputs.Load() }
