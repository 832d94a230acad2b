package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Sink decides on commands. A goroutine of its own sends them, so that a reply
// that takes its time holds up no frame: meanwhile the newest decision waits.
type Sink struct {
	cfg    Config
	env    pipeline.Env
	absent func(float64)
	stale  func(float64)
	empty  func(float64)
	sender *sender

	last decision // the last that was made
}

var (
	_ pipeline.Sink        = (*Sink)(nil)
	_ pipeline.SessionUser = (*Sink)(nil)
)

// decision is a command to be sent.
type decision struct {
	at    time.Time
	args  map[string]any
	cause pipeline.Cause
	basis string // the held results that it rests on; "" if on others too
}

// New starts a goroutine that sends, which Close ends.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	if env.Session == nil {
		return nil, errors.New("there is no session to send commands to")
	}
	return &Sink{
		cfg: cfg, env: env, sender: newSender(env, cfg),
		absent: env.Metrics.Counter("absent_total", "Decisions not sent because a value of theirs was absent."),
		stale:  env.Metrics.Counter("stale_total", "Frames passed over because they carried no new result."),
		empty:  env.Metrics.Counter("empty_crops_total", "Decisions not sent because their crop lay outside of the picture."),
	}, nil
}

// SessionReady checks the command against the model's schema: name, constants
// and the names of what is computed. After an error decisions are refused, each
// with that error, until it succeeds.
func (s *Sink) SessionReady(context.Context) error {
	args, err := arguments(s.cfg.Data.Consts())
	if err == nil {
		err = s.env.Session.Check(s.cfg.Command, args)
	}
	s.sender.sessionReady(err)
	return err
}

// Write decides on a command for f and leaves it to be sent.
func (s *Sink) Write(_ context.Context, f *pipeline.Frame) error {
	d, ok, err := s.decide(f)
	if errors.Is(err, pipeline.ErrEmptyCrop) {
		s.empty(1)
		return nil
	}
	if err != nil {
		return err
	}
	if !ok {
		s.absent(1)
		return nil
	}
	if d.basis != "" && d.basis == s.last.basis && reflect.DeepEqual(d.args, s.last.args) {
		s.stale(1)
		return nil
	}
	s.last = d
	s.sender.put(d)
	return nil
}

func (s *Sink) decide(f *pipeline.Frame) (d decision, ok bool, err error) {
	now := s.env.Clock.Now()
	data, ok, err := s.cfg.Data.Eval(s.input(f, now))
	if !ok || err != nil {
		return decision{}, false, err
	}
	args, err := arguments(data)
	if err != nil {
		return decision{}, false, fmt.Errorf("data: %w", err)
	}
	frame, err := f.JSON(now)
	if err != nil {
		return decision{}, false, err
	}
	cause := pipeline.Cause{Node: s.env.Name, Stream: f.Stream, Seq: f.Seq, Frame: frame, Trace: f.Trace()}
	return decision{at: now, args: args, cause: cause, basis: heldResults(frame)}, true, nil
}

func (s *Sink) input(f *pipeline.Frame, now time.Time) expr.Input {
	in := expr.Input{Frame: f, LastMessage: s.env.LastMessage, Now: now}
	if s.env.Still != nil {
		in.Still = func(still pipeline.Still) (pipeline.Upload, error) { return s.env.Still(f, still) }
	}
	return in
}

// heldResults returns what tells the results on a frame from others if all of
// them are held from earlier frames and none is seen for the first time, else
// "".
func heldResults(frame json.RawMessage) string {
	var f struct {
		Annotations map[string]struct {
			Origin *struct {
				Seq   uint64 `json:"seq"`
				Fresh bool   `json:"fresh"`
			} `json:"origin"`
		} `json:"annotations"`
	}
	if err := json.Unmarshal(frame, &f); err != nil || len(f.Annotations) == 0 {
		return ""
	}
	seqs := make(map[string]uint64, len(f.Annotations))
	for stage, a := range f.Annotations {
		if a.Origin == nil {
			return ""
		}
		seqs[stage] = a.Origin.Seq
	}
	return fmt.Sprint(seqs) // maps print sorted
}

// Close sends what waits, unless that takes too long, and ends the goroutine.
func (s *Sink) Close() error { return s.sender.Close() }
