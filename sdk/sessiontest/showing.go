package sessiontest

// Showing is what outputs show instead of their pictures. Sound is not touched,
// except that nothing at all is sent while they are [Stopped].
type Showing string

// What outputs may show.
const (
	Live    Showing = ""        // what the model sends
	Stopped Showing = "stopped" // nothing: connections stay up, packets stop
	Still   Showing = "still"   // the last keyframe, or the next if there was none, over and over
	Black   Showing = "black"   // a black picture: Config.Black's, or one of 160×120
	Large   Showing = "large"   // the test picture in 320×240: another resolution
)

func showings() []Showing { return []Showing{Live, Stopped, Still, Black, Large} }

// reshow makes every viewer wait for a keyframe of what is shown now.
func (s *Server) reshow() {
	for _, o := range s.outputs {
		o.restart()
	}
}

// standIns are the clips whose first pictures take the place of the model's.
func (s *Server) standIns(w Showing) []*Clip {
	if w != Black && w != Large {
		return nil
	}
	clips := all(string(w))
	if w == Large || s.cfg.Black == nil {
		return clips
	}
	for _, c := range clips {
		if picture := s.cfg.Black(c.Codec); picture != nil {
			c.Frames = [][]byte{picture}
		}
	}
	return clips
}

func (s *Server) showing() (w Showing, standIns []*Clip) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	return s.trouble.now.Show, s.trouble.standIns
}

// shown is what becomes of a sample, if anything. A codec that there is no such
// picture in shows nothing. o.mu is held.
func (o *Output) shown(s Sample) (Sample, bool) {
	w, standIns := o.srv.showing()
	if w == Live || w != Stopped && o.track.Kind == Audio {
		if s.Keyframe && o.track.Kind == Video {
			o.keep(s)
		}
		return s, true
	}
	switch w {
	case Still:
		k, ok := o.keyframes[s.Codec]
		if !ok && s.Keyframe {
			o.keep(s)
			return s, true
		}
		k.PTS = s.PTS
		return k, ok
	case Black, Large:
		for _, c := range standIns {
			if c.Codec == s.Codec {
				return Sample{Codec: s.Codec, Data: c.Frames[0], PTS: s.PTS, Keyframe: true}, true
			}
		}
	case Live, Stopped:
	}
	return s, false
}

// keep remembers a keyframe. o.mu is held.
func (o *Output) keep(s Sample) {
	if o.keyframes == nil {
		o.keyframes = map[string]Sample{}
	}
	o.keyframes[s.Codec] = s
}
