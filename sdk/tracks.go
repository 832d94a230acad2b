package sdk

// TrackFilter chooses tracks; what is empty takes any.
type TrackFilter struct {
	Kind      string // [Video] or [Audio]
	Direction string // [ReceiveOnly] or [SendOnly]
}

func (f TrackFilter) takes(t TrackInfo) bool {
	return (f.Kind == "" || f.Kind == t.Kind) && (f.Direction == "" || f.Direction == t.Direction)
}

// Tracks returns the handles of the declared tracks that the filter takes, in
// the model's order.
func (s *Session) Tracks(f TrackFilter) []*Track {
	var out []*Track
	for _, t := range s.tracks {
		if f.takes(t.info) {
			out = append(out, t)
		}
	}
	return out
}

// OneTrack returns the only track that the filter takes. It is an error if there
// is none or more than one.
func (s *Session) OneTrack(f TrackFilter) (*Track, error) {
	found := s.Tracks(f)
	if len(found) == 1 {
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, t := range found {
		names[i] = t.info.Name
	}
	return nil, gpuErrorf(CodeNotFound, "track", "expected one track, the model has %s", list(names))
}

// PausedTracks returns the names of the received tracks that are paused, in the
// model's order.
func (s *Session) PausedTracks() []string {
	var out []string
	for _, t := range s.tracks {
		if t.Paused() {
			out = append(out, t.info.Name)
		}
	}
	return out
}

// MID returns the track's media section in the present connection, "" where there
// is none.
func (t *Track) MID() string {
	c, err := t.session.ready("track")
	if err != nil {
		return ""
	}
	for mid, other := range c.mids {
		if other == t {
			return mid
		}
	}
	return ""
}

// Published reports whether this client publishes the track at the moment: not
// while the session reconnects.
func (t *Track) Published() bool {
	p := t.publication()
	return p != nil && p.live.Load() != nil
}
