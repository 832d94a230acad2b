package clip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// late is how long after its picture an event may be seen and still have all of
// what was before it.
const late = 2 * time.Second

// Sink holds what came last, and writes it when something happens.
type Sink struct {
	cfg     Config
	env     pipeline.Env
	kept    *outfile.Kept
	dropped func(float64)

	ring  ring
	file  *container.Relay // of the event under way; nil without one
	path  string           // of file
	until time.Duration    // when that is over
}

var _ pipeline.UnitSink = (*Sink)(nil)

// New looks whether files can be written where they are to be.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	if err := cfg.Path.Check(); err != nil {
		return nil, fatal.Error(fmt.Errorf("path: %w", err))
	}
	return &Sink{
		cfg: cfg, env: env, kept: outfile.NewKept(cfg.Path, cfg.Keep, env),
		dropped: env.Metrics.Counter("units_dropped_total", "Pictures that would have been held if there were more memory."),
		ring:    ring{span: cfg.Before.Std() + late, maxBytes: int64(cfg.Memory)},
	}, nil
}

// WriteUnit holds u for the events to come, and adds it to the clip of the one
// under way.
func (s *Sink) WriteUnit(_ context.Context, u pipeline.Unit) error {
	s.kept.Tidy()
	if lost := s.ring.add(u); lost > 0 {
		s.dropped(float64(lost))
	}
	if err := s.follow(u); err != nil {
		return err
	}
	if len(s.ring.units) == 0 || s.ring.sinceKeyframe() >= s.cfg.Before.Std() {
		return pipeline.ErrNeedKeyframe
	}
	return nil
}

// follow adds u to the clip under way, or ends that.
func (s *Sink) follow(u pipeline.Unit) error {
	switch {
	case s.file == nil:
		return nil
	case u.PTS > s.until || !s.file.Continues(u):
		return s.finish()
	}
	return s.write(u)
}

func (s *Sink) write(u pipeline.Unit) error {
	if err := s.file.Write(u); err != nil {
		return errors.Join(err, s.finish())
	}
	return nil
}

// Write takes f for an event: its clip begins, or goes on for longer.
func (s *Sink) Write(_ context.Context, f *pipeline.Frame) error {
	s.until = f.PTS + s.cfg.After.Std()
	if s.file != nil {
		return nil
	}
	units := s.ring.from(f.PTS - s.cfg.Before.Std())
	if len(units) == 0 {
		return errors.New("there is no keyframe yet that a clip could begin with")
	}
	if err := s.begin(units[0]); err != nil {
		return err
	}
	for _, u := range units {
		if err := s.follow(u); err != nil || s.file == nil {
			return err
		}
	}
	return nil
}

func (s *Sink) begin(keyframe pipeline.Unit) error {
	if !container.Takes(string(s.cfg.Path), decode.Codec(keyframe.Codec)) {
		return fmt.Errorf("path: a file such as %s holds no %s; .mkv does", s.cfg.Path, keyframe.Codec)
	}
	path, err := outfile.Reserve(s.cfg.Path.At(s.env.Clock.Now()), s.cfg.Exists)
	if err != nil {
		return err
	}
	file, err := container.NewRelay(path, keyframe)
	if err != nil {
		return errors.Join(err, outfile.Discard(path))
	}
	s.file, s.path = file, path
	s.kept.Begin(path)
	s.env.Log.Info("clip begins", "path", path)
	return nil
}

// finish completes the clip under way.
func (s *Sink) finish() error {
	file := s.file
	s.file = nil
	err := file.Close()
	s.kept.End()
	return errors.Join(err, outfile.Discard(s.path)) // if nothing could be written
}

// Close completes the clip under way.
func (s *Sink) Close() error {
	if s.file == nil {
		return nil
	}
	return s.finish()
}
