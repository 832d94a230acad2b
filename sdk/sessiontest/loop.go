package sessiontest

import (
	"maps"
	"slices"
	"time"
)

// maxLag is how far a loop may be behind and still catch up, frame by frame.
const maxLag = 200 * time.Millisecond

// play makes the outputs and starts the loops of those that have one.
func (s *Server) play() {
	for _, t := range s.model.Tracks {
		if t.Direction != RecvOnly {
			continue
		}
		o := &Output{srv: s, track: t, changed: make(chan struct{}, 1), playing: t.Loop}
		s.outputs[t.Name] = o
		if len(t.Loop) > 0 {
			s.wg.Go(o.loop)
		}
	}
}

// Play makes an output with a Loop play other clips from their first frames on.
// Who watches in a codec that has none sees nothing.
func (o *Output) Play(clips []*Clip) {
	o.mu.Lock()
	o.playing = clips
	for _, v := range o.viewers {
		v.block()
	}
	o.mu.Unlock()
	o.signal()
}

// take shows what a command brings, when the model has thought about it.
func (s *Server) take(effect []*Clip) {
	time.AfterFunc(s.model.EffectDelay, func() {
		for _, t := range s.model.Tracks {
			if t.Direction == RecvOnly && t.Kind == Video && len(t.Loop) > 0 {
				s.outputs[t.Name].Play(effect)
				return
			}
		}
	})
}

// playhead is where an output is in the clip of one codec.
type playhead struct {
	clip  *Clip
	frame int       // the next one
	due   time.Time // when that is
	seek  bool      // somebody waits for a keyframe
}

// loop plays the track's clips to whoever watches; for nobody, it sleeps. Who
// needs a keyframe makes the clip go on at the next one.
func (o *Output) loop() {
	heads := map[string]*playhead{} // by codec
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := o.playDue(heads)
		changed, due := o.changed, timer.C
		if next.IsZero() {
			due = nil
		} else {
			changed = nil
			timer.Reset(time.Until(next))
		}
		select {
		case <-due:
		case <-changed:
		case <-o.srv.ctx.Done():
			return
		}
	}
}

// playDue sends the frames that are due and says when the next one is; the time
// is zero if nobody watches.
func (o *Output) playDue(heads map[string]*playhead) (next time.Time) {
	now := time.Now()
	o.mu.Lock()
	playing := o.playing
	o.mu.Unlock()
	demand := o.Demand()
	maps.DeleteFunc(heads, func(codec string, _ *playhead) bool {
		return !slices.ContainsFunc(demand, func(d Demand) bool { return d.Codec == codec })
	})
	for _, d := range demand {
		i := slices.IndexFunc(playing, func(c *Clip) bool { return c.Codec == d.Codec })
		if i < 0 {
			continue
		}
		h := heads[d.Codec]
		if h == nil {
			h = &playhead{due: now}
			heads[d.Codec] = h
		}
		if h.clip != playing[i] {
			h.clip, h.frame = playing[i], 0
		}
		h.seek = h.seek || d.Keyframe
		if !h.due.After(now) {
			o.Send(h.take(now, o.srv.started))
		}
		if next.IsZero() || h.due.Before(next) {
			next = h.due
		}
	}
	return next
}

// take gives the frame that is due, with its time since the server started.
func (h *playhead) take(now, started time.Time) Sample {
	if now.Sub(h.due) > maxLag {
		h.due = now
	}
	if h.seek {
		h.frame, h.seek = h.clip.entry(h.frame), false
	}
	n := h.frame
	s := Sample{
		Codec: h.clip.Codec, Data: h.clip.Frames[n], PTS: h.due.Sub(started),
		Keyframe: h.clip.keyframe(n), Metadata: h.clip.metadata(n),
	}
	h.due = h.due.Add(h.clip.length(n))
	h.frame = (n + 1) % len(h.clip.Frames)
	return s
}
