package app

import (
	"context"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// frozen notices that no picture comes any more, once each time.
type frozen struct {
	after  time.Duration
	frames uint64
	moved  time.Time
	told   bool
}

// look takes how many pictures have come so far, and says whether to act. While
// there is no session to blame, nothing stands still.
func (s *frozen) look(now time.Time, frames uint64, up bool) bool {
	switch {
	case frames != s.frames || s.moved.IsZero():
		s.frames, s.moved, s.told = frames, now, false
	case !up:
		s.moved = now
	case !s.told && now.Sub(s.moved) >= s.after:
		s.told = true
		return true
	}
	return false
}

// watchPicture sends a session's on_stall commands when its picture stands still.
func (l *line) watchPicture(running context.Context, s namedSession, spec config.Session, g *graph.Graph) {
	still := frozen{after: spec.StallAfter}
	tick := time.NewTicker(min(spec.StallAfter/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-running.Done():
			return
		case now := <-tick.C:
			if !still.look(now, l.picturesOf(s.name, g.Stats()), s.Status() == sdk.StatusReady) {
				continue
			}
			l.about(s.name).Warn("the picture stands still", "for", spec.StallAfter, "commands", len(spec.OnStall))
			if err := s.Stalled(running); err != nil && running.Err() == nil {
				l.about(s.name).Warn("not all commands for a standstill were taken", "err", err)
			}
		}
	}
}

// picturesOf counts the pictures that a session's sources have yielded.
func (l *line) picturesOf(session string, st graph.Stats) (n uint64) {
	for _, source := range pictureSources(st) {
		of := slices.ContainsFunc(l.spec.Sources, func(s config.Source) bool { return s.Name == source.Name && s.Session == session })
		if of {
			n += source.In
		}
	}
	return n
}

// peer returns what the file says of a session.
func (l *line) peer(name string) config.Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.peers, func(s config.Session) bool { return s.Name == name })
	return l.peers[i] // the line has made its sessions of them
}
