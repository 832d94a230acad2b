package sessiontest

import (
	"encoding/json"
	"sync"
	"time"
)

// The events of the journal. Those of the second group change no state.
const (
	eventStart    = "start_session"
	eventStop     = "stop_session"
	eventTimeout  = "timeout"
	eventCleanup  = "cleanup_complete"
	eventOpened   = "connection_opened"
	eventClosed   = "connection_closed"
	eventEviction = "eviction"
	eventLoading  = "initializing"
	eventLoaded   = "initialization_success"

	eventAnswered   = "connection_answered"
	eventChunkReady = "chunk_ready"
	eventClipReady  = "clip_ready"
	eventCommand    = "command"
	eventError      = "error"
	eventMetric     = "metric"
	eventStepDone   = "step_completed"
	eventStepSaved  = "step_result_ready"
)

// maxJournal bounds the history, and what waits for one subscriber.
const maxJournal = 4096

// entry is one line of the journal.
type entry struct {
	seq  uint64
	line []byte // JSON
}

// journal is what happened on the server, as GET /events tells it.
type journal struct {
	mu          sync.Mutex // guards what follows
	seq         uint64
	states      map[string]string // of sessions; ready if absent
	history     []entry
	subscribers map[*subscriber]bool
}

// subscriber reads the journal. When it is slow its oldest entries go.
type subscriber struct {
	mu      sync.Mutex // guards waiting
	waiting []entry
	wake    chan struct{}
}

// boot records that the model was loaded.
func (j *journal) boot() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append(eventLoading, stateCreated, stateCreated, nil)
	j.append(eventLoaded, stateCreated, stateReady, nil)
}

// move records that an event took a session to another state.
func (j *journal) move(session, event, to string, detail object) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := j.state(session)
	if j.states == nil {
		j.states = map[string]string{}
	}
	j.states[session] = to
	if to == stateReady {
		delete(j.states, session)
	}
	j.append(event, from, to, detail)
}

// note records a fact, which changes no state.
func (j *journal) note(session, event string, detail object) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.append(event, j.state(session), j.state(session), detail)
}

// state is the session's state. j.mu is held.
func (j *journal) state(session string) string {
	if s, ok := j.states[session]; ok {
		return s
	}
	return stateReady
}

// append adds a line. j.mu is held.
func (j *journal) append(event, from, to string, detail object) {
	if detail == nil {
		detail = object{}
	}
	line, err := json.Marshal(struct {
		Type   string `json:"type"`
		Event  string `json:"event"`
		From   string `json:"from"`
		To     string `json:"to"`
		TS     int64  `json:"ts"`
		Detail object `json:"detail"`
	}{"transition", event, from, to, time.Now().UnixMilli(), detail})
	if err != nil { // a model's value without a JSON form
		return
	}
	j.seq++
	e := entry{j.seq, line}
	if len(j.history) == maxJournal {
		j.history = j.history[1:]
	}
	j.history = append(j.history, e)
	for s := range j.subscribers {
		s.push(e)
	}
}

// subscribe gives what came after an entry, and all that comes from now on.
func (j *journal) subscribe(after uint64) *subscriber {
	s := &subscriber{wake: make(chan struct{}, 1)}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.history {
		if e.seq > after {
			s.push(e)
		}
	}
	if j.subscribers == nil {
		j.subscribers = map[*subscriber]bool{}
	}
	j.subscribers[s] = true
	return s
}

func (j *journal) unsubscribe(s *subscriber) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.subscribers, s)
}

func (s *subscriber) push(e entry) {
	s.mu.Lock()
	if len(s.waiting) == maxJournal {
		s.waiting = s.waiting[1:]
	}
	s.waiting = append(s.waiting, e)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) take() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.waiting
	s.waiting = nil
	return taken
}
