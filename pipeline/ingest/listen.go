package ingest

import (
	"context"
	"errors"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// listen has the sound beside the picture taken, if somebody wants it, until ctx
// ends or no more comes. What it returns is closed then. That the sound ends
// before the picture is a warning.
func (r *reception) listen(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	f, ok := r.feed.(soundedFeed)
	if !ok || f.Sound() == nil || r.source.hear == nil {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		err := r.takeSound(ctx, f.Sound())
		if ctx.Err() == nil && !errors.Is(err, sdk.ErrSessionEnded) {
			r.source.log.Warn("no sound any more", "err", err)
		}
	}()
	return done
}

func (r *reception) takeSound(ctx context.Context, f feed) error {
	if err := f.Resume(ctx); err != nil {
		return err
	}
	receiver, fresh := receiver{onLoss: ShowLoss}, true
	for {
		err := listen(ctx, f, &receiver, func(u unit) {
			if r.source.playing.Load() != r { // the session before still has the picture
				return
			}
			if fresh || u.restart {
				r.source.voice.restart()
			}
			fresh = false
			r.source.sound(u)
		})
		if err != nil {
			return err
		}
	}
}

// sound hands a packet of sound on, with its place on the picture's clock. It is
// the playing reception's.
func (s *liveSource) sound(u unit) {
	if pts, heard := s.voice.place(u.AccessUnit); heard {
		s.hear(pipeline.Audio{
			Codec: string(u.Codec), Data: u.Data, PTS: pts, Duration: soundLength(u.Data), Arrival: u.Arrival,
		})
	}
}
