package sessiontest

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

// trouble is what a test makes go wrong.
type trouble struct {
	mu     sync.Mutex // guards what follows
	faults map[Route][]*Fault
	loss   Loss
	random *rand.Rand
}

// Fault is what a route does instead of its duty.
type Fault struct {
	// Status to answer with; 0 does the duty, after Delay.
	Status int
	// RetryAfter, in seconds, is the header of that name if it is not empty.
	RetryAfter string
	// Body of the answer; {"detail": "<status text>"} if empty.
	Body string
	// Delay before anything happens.
	Delay time.Duration
	// Times is how many requests it hits; 0: all to come.
	Times int
}

// Fail makes a route misbehave. Faults of the same route queue up: the next one
// begins when the one before it has hit often enough.
func (s *Server) Fail(r Route, f Fault) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	if s.trouble.faults == nil {
		s.trouble.faults = map[Route][]*Fault{}
	}
	s.trouble.faults[r] = append(s.trouble.faults[r], &f)
}

// Delay makes a route slow.
func (s *Server) Delay(r Route, d time.Duration) { s.Fail(r, Fault{Delay: d}) }

// Heal makes a route do its duty again.
func (s *Server) Heal(r Route) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	delete(s.trouble.faults, r)
}

// next takes the fault that hits a request.
func (t *trouble) next(r Route) (Fault, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := t.faults[r]
	if len(queue) == 0 {
		return Fault{}, false
	}
	f := *queue[0]
	if queue[0].Times == 1 {
		t.faults[r] = slices.Delete(queue, 0, 1)
	} else if queue[0].Times > 1 {
		queue[0].Times--
	}
	return f, true
}

// hit does what a fault does to a request and says whether that was all.
func (f Fault) hit(w http.ResponseWriter, r *http.Request) bool {
	select {
	case <-time.After(f.Delay):
	case <-r.Context().Done():
		return true
	}
	if f.Status == 0 {
		return false
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	switch {
	case f.Body != "":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	case f.Status == http.StatusAccepted:
		w.WriteHeader(f.Status)
	default:
		refuse(w, f.Status, http.StatusText(f.Status))
	}
	return true
}

// Loss is what happens to the RTP packets that the server sends, repairs
// included. Each part is a probability from 0 to 1.
type Loss struct {
	Drop float64
	// Duplicate sends the packet twice. SRTP's replay protection takes the
	// second one out before a receiver sees it.
	Duplicate float64
	Reorder   float64 // the packet changes places with the next one
	// Seed makes a run repeatable, as far as the timing allows.
	Seed uint64
}

// SetLoss changes what happens to the packets from now on.
func (s *Server) SetLoss(l Loss) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	s.trouble.loss = l
	s.trouble.random = rand.New(rand.NewPCG(l.Seed, l.Seed))
}

// fate is what becomes of one packet.
type fate struct{ drop, duplicate, reorder bool }

func (t *trouble) fate() fate {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.random == nil {
		return fate{}
	}
	return fate{
		drop:      t.random.Float64() < t.loss.Drop,
		duplicate: t.random.Float64() < t.loss.Duplicate,
		reorder:   t.random.Float64() < t.loss.Reorder,
	}
}

// Freeze throws away all samples: connections stay up, pictures stop.
func (s *Server) Freeze() { s.frozen.Store(true) }

// Thaw lets samples pass again, from the next keyframe on, which it asks for.
func (s *Server) Thaw() {
	for _, o := range s.outputs {
		o.restart()
	}
	s.frozen.Store(false)
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

// lossFactory makes the interceptor that loses packets.
type lossFactory struct{ trouble *trouble }

func (f *lossFactory) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &lossInterceptor{trouble: f.trouble}, nil
}

type lossInterceptor struct {
	interceptor.NoOp
	trouble *trouble
}

// BindLocalStream stands between the stream and the wire.
func (i *lossInterceptor) BindLocalStream(_ *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	l := &lossyWriter{trouble: i.trouble, wire: w}
	return interceptor.RTPWriterFunc(l.write)
}

// lossyWriter loses, repeats and swaps the packets of one stream.
type lossyWriter struct {
	trouble *trouble
	wire    interceptor.RTPWriter

	mu   sync.Mutex // guards late
	late *latePacket
}

type latePacket struct {
	header     rtp.Header
	payload    []byte
	attributes interceptor.Attributes
}

func (l *lossyWriter) write(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
	f := l.trouble.fate()
	if f.drop {
		return h.MarshalSize() + len(payload), nil
	}
	if f.reorder && l.keep(h, payload, a) {
		return h.MarshalSize() + len(payload), nil
	}
	n, err := l.wire.Write(h, payload, a)
	if err == nil && f.duplicate {
		_, err = l.wire.Write(h, payload, a)
	}
	if late := l.take(); late != nil && err == nil {
		_, err = l.wire.Write(&late.header, late.payload, late.attributes)
	}
	return n, err
}

// keep holds a packet back until the next one has gone; one at a time.
func (l *lossyWriter) keep(h *rtp.Header, payload []byte, a interceptor.Attributes) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.late != nil {
		return false
	}
	l.late = &latePacket{h.Clone(), slices.Clone(payload), a}
	return true
}

func (l *lossyWriter) take() *latePacket {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := l.late
	l.late = nil
	return late
}
