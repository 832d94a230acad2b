package sessiontest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// Trouble is all that goes wrong at a time. The zero Trouble is none. Its JSON
// form, which PUT /_trouble takes and GET /_trouble gives, has these names:
//
//	{
//	  "http":     {"POST /start_session": [{"status": 429, "retry_after": "7", "times": 1}]},
//	  "messages": {"control": [{"of": "clip_ready", "delay": "2s"}]},
//	  "network":  {"drop": 0.05, "delay": "40ms", "jitter": "10ms", "bandwidth": 1000000},
//	  "show":     "black",
//	  "clock_skew": "-1h"
//	}
type Trouble struct {
	// HTTP has the faults of each route, by its [Route]. They queue up: the next
	// one begins when the one before it has hit often enough.
	HTTP map[Route][]Fault `json:"http,omitempty"`
	// Messages has the faults of each data channel, which queue up as well.
	Messages map[wire.Channel][]MessageFault `json:"messages,omitempty"`
	// Network is what happens to the media packets that the server sends.
	Network Network `json:"network,omitzero"`
	// Show says what the outputs show.
	Show Showing `json:"show,omitempty"`
	// ClockSkew is how far the server's clock is ahead: in the Date of its
	// answers, and in what it says about expiry and clips.
	ClockSkew time.Duration `json:"clock_skew,omitempty"`
}

// Validate says what makes no sense in t.
func (t Trouble) Validate() error {
	routes := (&Server{}).routes()
	for route, faults := range t.HTTP {
		if routes[route] == nil {
			return fmt.Errorf("http: %q is no route", route)
		}
		for _, f := range faults {
			if err := f.validate(); err != nil {
				return fmt.Errorf("http: %s: %w", route, err)
			}
		}
	}
	for channel, faults := range t.Messages {
		for _, f := range faults {
			if err := f.validate(channel); err != nil {
				return fmt.Errorf("messages: %s: %w", channel, err)
			}
		}
		if messageKinds(channel) == nil {
			return fmt.Errorf("messages: %q is no channel", channel)
		}
	}
	if err := t.Network.validate(); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if !slices.Contains(showings(), t.Show) {
		return fmt.Errorf("show: must be stopped, still, black or large, got %q", t.Show)
	}
	return nil
}

// trouble is what goes wrong now.
type trouble struct {
	mu       sync.Mutex // guards what follows
	now      Trouble
	random   *rand.Rand
	standIns []*Clip // of now.Show
}

// SetTrouble makes this go wrong from now on, and nothing else. What it says
// about itself that makes no sense is an error, and changes nothing.
func (s *Server) SetTrouble(t Trouble) error {
	if err := t.Validate(); err != nil {
		return err
	}
	t.HTTP, t.Messages = cloneQueues(t.HTTP), cloneQueues(t.Messages)
	standIns := s.standIns(t.Show)
	s.trouble.mu.Lock()
	s.trouble.now = t
	s.trouble.random = t.Network.source()
	s.trouble.standIns = standIns
	s.trouble.mu.Unlock()
	s.reshow()
	return nil
}

// Trouble is what goes wrong now, without the faults that have hit.
func (s *Server) Trouble() Trouble {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	t := s.trouble.now
	t.HTTP, t.Messages = cloneQueues(t.HTTP), cloneQueues(t.Messages)
	return t
}

func cloneQueues[K comparable, V any](queues map[K][]V) map[K][]V {
	queues = maps.Clone(queues)
	for k, q := range queues {
		queues[k] = slices.Clone(q)
	}
	return queues
}

// Fail adds a fault to a route.
func (s *Server) Fail(r Route, f Fault) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	if s.trouble.now.HTTP == nil {
		s.trouble.now.HTTP = map[Route][]Fault{}
	}
	s.trouble.now.HTTP[r] = append(s.trouble.now.HTTP[r], f)
}

// Delay makes a route slow.
func (s *Server) Delay(r Route, d time.Duration) { s.Fail(r, Fault{Delay: d}) }

// Heal makes a route do its duty again.
func (s *Server) Heal(r Route) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	delete(s.trouble.now.HTTP, r)
}

// Garble adds a fault to the messages of a channel.
func (s *Server) Garble(c wire.Channel, f MessageFault) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	if s.trouble.now.Messages == nil {
		s.trouble.now.Messages = map[wire.Channel][]MessageFault{}
	}
	s.trouble.now.Messages[c] = append(s.trouble.now.Messages[c], f)
}

// SetNetwork changes what happens to the media packets from now on.
func (s *Server) SetNetwork(n Network) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	s.trouble.now.Network = n
	s.trouble.random = n.source()
}

// Show changes what the outputs show, from the next picture on.
func (s *Server) Show(w Showing) {
	standIns := s.standIns(w)
	s.trouble.mu.Lock()
	s.trouble.now.Show = w
	s.trouble.standIns = standIns
	s.trouble.mu.Unlock()
	s.reshow()
}

// Drop cuts all connections without a word: the server forgets them and their
// sockets go dead. The sessions live on, without a client. It returns at once.
func (s *Server) Drop() {
	for _, x := range s.live() {
		for _, c := range x.everyConnection() {
			c.drop()
		}
	}
}

// Mute lets all connections go dead without the server noticing, until it does:
// what a network that is gone does to both sides.
func (s *Server) Mute() {
	for _, x := range s.live() {
		for _, c := range x.everyConnection() {
			c.sockets.mute()
		}
	}
}

// ExpireTokens ends the life of all tokens.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// now is the time as the server's clock has it.
func (s *Server) now() time.Time {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	return time.Now().Add(s.trouble.now.ClockSkew)
}

// duration is a time.Duration as people write it.
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// strictly decodes JSON that has no members but those of v.
func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// MarshalJSON writes the skew as people do.
func (t Trouble) MarshalJSON() ([]byte, error) {
	type plain Trouble
	return json.Marshal(struct {
		plain
		ClockSkew duration `json:"clock_skew,omitempty"`
	}{plain(t), duration(t.ClockSkew)})
}

// UnmarshalJSON reads what MarshalJSON writes. What it does not name stays.
func (t *Trouble) UnmarshalJSON(b []byte) error {
	type plain Trouble
	v := struct {
		*plain
		ClockSkew duration `json:"clock_skew"`
	}{(*plain)(t), duration(t.ClockSkew)}
	err := strictly(b, &v)
	t.ClockSkew = time.Duration(v.ClockSkew)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s: must not be a %s", wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:], wrong.Value)
	}
	return err
}
