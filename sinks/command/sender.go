package command

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// closeGrace is how long Close lets a command that is under way, or waits,
	// come to its end.
	closeGrace = 2 * time.Second
	// retryEvery is for a session that comes back without saying so.
	retryEvery = time.Second
	// warnEvery bounds the log where the model refuses everything.
	warnEvery = time.Second
)

var (
	errNewer = errors.New("a newer decision took its place")
	errEnded = errors.New("the pipeline ended")
)

// sender sends one command after the other. While one is under way the newest
// decision waits; the one it replaces is superseded.
type sender struct {
	cfg   Config
	env   pipeline.Env
	count map[pipeline.Outcome]func(float64)

	ready    chan struct{} // holds a token once the session is ready again
	wake     chan struct{} // holds a token while a decision waits
	done     chan struct{} // closed by Close
	finished chan struct{} // closed when the goroutine has ended
	cancel   context.CancelCauseFunc
	once     sync.Once

	mu      sync.Mutex // guards what follows
	waiting *decision
	drift   error // why the session no longer takes the command

	// The goroutine's own.
	sent     map[string]any // the arguments that the model took last
	sentAny  bool
	warnings pipeline.Turns
}

func newSender(env pipeline.Env, cfg Config) *sender {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &sender{
		cfg: cfg, env: env, count: counters(env.Metrics), cancel: cancel,
		ready: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		done: make(chan struct{}), finished: make(chan struct{}),
	}
	go s.run(ctx)
	return s
}

func counters(m pipeline.Metrics) map[pipeline.Outcome]func(float64) {
	count := make(map[pipeline.Outcome]func(float64))
	for outcome, help := range map[pipeline.Outcome]string{
		pipeline.CommandSent:       "Commands that the model took.",
		pipeline.CommandRefused:    "Commands that the model refused.",
		pipeline.CommandFailed:     "Commands that did not reach the model or were not answered.",
		pipeline.CommandExpired:    "Decisions that waited too long.",
		pipeline.CommandSuperseded: "Decisions that a newer one took the place of.",
		pipeline.CommandDeduped:    "Decisions that said what the last command said.",
		pipeline.CommandSuppressed: "Decisions held back because they are part of a circle.",
		pipeline.CommandDryRun:     "Decisions of a dry run.",
	} {
		count[outcome] = m.Counter("commands_"+string(outcome)+"_total", help)
	}
	return count
}

// put leaves d to be sent, in place of the one that waits.
func (s *sender) put(d decision) {
	d.cause = d.cause.Held() // until keep
	s.mu.Lock()
	old := s.waiting
	s.waiting = &d
	s.mu.Unlock()
	token(s.wake)
	if old != nil {
		s.end(*old, pipeline.CommandSuperseded, errNewer)
	}
}

// take returns the decision that waits.
func (s *sender) take() (decision, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		return decision{}, false
	}
	d := *s.waiting
	s.waiting = nil
	return d, true
}

// newer says that a decision waits.
func (s *sender) newer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting != nil
}

// sessionReady has what waits tried at once, and says whether the session takes
// the command at all.
func (s *sender) sessionReady(drift error) {
	s.mu.Lock()
	s.drift = drift
	s.mu.Unlock()
	token(s.ready)
}

// drifted says why the session no longer takes the command.
func (s *sender) drifted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drift
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *sender) run(ctx context.Context) {
	defer close(s.finished)
	for open := true; open; {
		select {
		case <-s.wake:
		case <-s.done:
			open = false // but what waits is still sent
		}
		if d, ok := s.take(); ok {
			s.deliver(ctx, d)
		}
	}
}

// deliver brings d to its end, whatever that is.
func (s *sender) deliver(ctx context.Context, d decision) {
	drift := s.drifted()
	switch {
	case drift != nil:
		s.end(d, pipeline.CommandRefused, fmt.Errorf("disabled: %w", drift))
	case s.cfg.Dedupe && s.sentAny && reflect.DeepEqual(d.args, s.sent):
		s.end(d, pipeline.CommandDeduped, nil)
	case s.cfg.DryRun:
		s.rehearse(d)
	default:
		s.send(ctx, d)
	}
}

func (s *sender) rehearse(d decision) {
	if err := s.env.Session.Check(s.cfg.Command, d.args); err != nil {
		s.end(d, pipeline.CommandFailed, err)
		return
	}
	s.sent, s.sentAny = d.args, true
	s.end(d, pipeline.CommandDryRun, nil)
}

// send sends d, again if the session is not ready, until something comes of it.
func (s *sender) send(ctx context.Context, d decision) {
	for {
		select {
		case <-s.ready: // of before
		default:
		}
		left := s.cfg.TTL.Std() - s.env.Clock.Now().Sub(d.at)
		if left <= 0 {
			s.end(d, pipeline.CommandExpired, fmt.Errorf("waited longer than %s", s.cfg.TTL))
			return
		}
		err := s.try(ctx, d)
		if !errors.Is(err, pipeline.ErrNotReady) {
			return
		}
		switch err := s.await(min(left, again(err))); {
		case errors.Is(err, errNewer):
			s.end(d, pipeline.CommandSuperseded, err)
			return
		case err != nil:
			s.end(d, pipeline.CommandFailed, err)
			return
		}
	}
}

// again returns when to try again: once there is room for another command, where
// the session says that it has none.
func again(err error) time.Duration {
	if throttled, ok := errors.AsType[*pipeline.Throttled](err); ok {
		return throttled.After
	}
	return retryEvery
}

// await waits for the session, so long at most. An error says why there is no
// sense in waiting on.
func (s *sender) await(most time.Duration) error {
	select {
	case <-s.wake:
		if s.newer() {
			token(s.wake)
			return errNewer
		}
	case <-s.ready:
	case <-s.env.Clock.After(most):
	case <-s.done:
		return errEnded
	}
	return nil
}

// try sends d once. If the session was not ready nothing came of it.
func (s *sender) try(ctx context.Context, d decision) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout.Std(), fmt.Errorf("no reply within %s", s.cfg.Timeout))
	defer cancel()
	begun := s.env.Clock.Now()
	reply, err := s.env.Session.Command(pipeline.WithCause(ctx, d.cause), s.cfg.Command, d.args)
	if errors.Is(err, pipeline.ErrNotReady) {
		return err
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r := s.record(d)
	r.Settle(reply, err, s.env.Clock.Now().Sub(begun))
	if err == nil {
		s.sent, s.sentAny = d.args, true
	}
	s.keep(r)
	return err
}

func (s *sender) record(d decision) pipeline.CommandRecord {
	return pipeline.CommandRecord{Time: d.at, Command: s.cfg.Command, Args: d.args, Cause: d.cause}
}

// end records that d came to its end without the session.
func (s *sender) end(d decision, outcome pipeline.Outcome, why error) {
	r := s.record(d)
	r.Outcome = outcome
	if why != nil {
		r.Reason = why.Error()
	}
	if noter, ok := s.env.Session.(pipeline.Noter); ok {
		noter.Note(r)
	}
	s.keep(r)
}

// keep counts r. Nothing more comes of its decision.
func (s *sender) keep(r pipeline.CommandRecord) {
	defer r.Cause.Trace.Release()
	s.count[r.Outcome](1)
	switch r.Outcome {
	case pipeline.CommandRefused, pipeline.CommandFailed, pipeline.CommandExpired:
		s.warn(r)
	}
}

// warn tells of a command that was not taken, so often at most. Only the
// goroutine comes here: who puts decisions supersedes, which is no trouble.
func (s *sender) warn(r pipeline.CommandRecord) {
	unsaid, ok := s.warnings.Take(s.env.Clock.Now(), warnEvery)
	if !ok {
		return
	}
	log := s.env.Log.With("command", r.Command, "outcome", r.Outcome, "reason", r.Reason,
		"stream", r.Cause.Stream, "seq", r.Cause.Seq)
	if unsaid > 0 {
		log = log.With("before_unsaid", unsaid)
	}
	log.Warn("command not taken")
}

// Close sends what waits, unless that takes too long, and ends the goroutine.
// It is safe twice.
func (s *sender) Close() error {
	s.once.Do(func() {
		close(s.done)
		select {
		case <-s.finished:
		case <-s.env.Clock.After(closeGrace):
		}
		s.cancel(errEnded)
		<-s.finished
	})
	return nil
}
