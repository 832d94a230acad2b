package sessiontest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sample is one encoded picture, or one packet of audio.
type Sample struct {
	// Codec of Data; the track's only or first codec if empty. It goes to those
	// who watch the track in that codec.
	Codec string
	// Data is an access unit: Annex B for H.264 and H.265, with the parameter
	// sets in front of a keyframe. It is copied.
	Data []byte
	// PTS of the picture. It may be any clock that does not go back.
	PTS time.Duration
	// Keyframe says that decoding can start here: nobody gets a picture before.
	Keyframe bool
	// Metadata travels in the trailer behind the picture, where the client takes it.
	Metadata *Metadata
}

// Metadata is what a model attaches to a picture.
type Metadata struct {
	FrameID     uint64        // counted per connection, from 1, if 0
	CaptureTime time.Duration // time since the server started, if 0
	UserData    []byte
}

// Demand is what is asked of an output in one codec.
type Demand struct {
	Codec   string
	Viewers int
	// Keyframe says that somebody needs one: who just came, or lost a packet.
	Keyframe bool
}

// Output is an output track of the model, with all who watch it.
type Output struct {
	srv     *Server
	track   Track
	changed chan struct{}
	sent    atomic.Uint64

	mu        sync.Mutex // guards what follows
	viewers   []viewer
	playing   []*Clip           // the loop, or what took its place
	keyframes map[string]Sample // the last of each codec
}

// viewer takes the samples of an output: a connection's sender or a recording.
type viewer interface {
	// demand says whether it watches in a codec, and whether it needs a
	// keyframe. It counts as told.
	demand(codec string, now time.Time) (watching, keyframe bool)
	// offer hands over a sample and does not wait.
	offer(s Sample)
	// block lets nothing but a keyframe through, and asks for one.
	block()
}

// Output returns the named output track. It panics if the model has none of
// that name: that is a mistake of the test.
func (s *Server) Output(name string) *Output {
	if o := s.outputs[name]; o != nil {
		return o
	}
	panic(fmt.Sprintf("sessiontest: the model has no output %q", name))
}

// Track is the declaration of the output, completed.
func (o *Output) Track() Track { return o.track }

// Send hands a sample to everybody who watches the track in its codec, and does
// not wait: a connection that does not keep up loses it, and the pictures up to
// the next keyframe.
func (o *Output) Send(s Sample) {
	if s.Codec == "" {
		s.Codec = o.track.Codecs[0]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.viewers) == 0 {
		return
	}
	s.Data = slices.Clone(s.Data)
	if s, ok := o.shown(s); ok {
		o.hand(s)
	}
}

// Sent counts the samples that went out to somebody, of all codecs.
func (o *Output) Sent() uint64 { return o.sent.Load() }

// hand gives a sample to all viewers. o.mu is held.
func (o *Output) hand(s Sample) {
	o.sent.Add(1)
	for _, v := range o.viewers {
		v.offer(s)
	}
}

// Demand says what is watched at the moment: one entry for each codec in which
// somebody does, none where nobody does. It takes note of the demand: Keyframe is
// reported once for each request, and again if none was sent for half a second.
func (o *Output) Demand() []Demand {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []Demand
	for _, name := range o.track.Codecs {
		d := Demand{Codec: name}
		for _, v := range o.viewers {
			watching, key := v.demand(name, now)
			if watching {
				d.Viewers++
			}
			d.Keyframe = d.Keyframe || key
		}
		if d.Viewers > 0 {
			all = append(all, d)
		}
	}
	return all
}

// Changed has a value when the demand may have changed: a viewer came or went,
// or needs a keyframe. It is for one reader, who may otherwise sleep.
func (o *Output) Changed() <-chan struct{} { return o.changed }

// restart makes every viewer wait for a keyframe.
func (o *Output) restart() {
	o.mu.Lock()
	for _, v := range o.viewers {
		v.block()
	}
	o.mu.Unlock()
	o.signal()
}

func (o *Output) signal() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *Output) add(v viewer) {
	o.mu.Lock()
	o.viewers = append(o.viewers, v)
	o.mu.Unlock()
	o.signal()
}

func (o *Output) remove(v viewer) {
	o.mu.Lock()
	o.viewers = slices.DeleteFunc(o.viewers, func(e viewer) bool { return e == v })
	o.mu.Unlock()
	o.signal()
}
