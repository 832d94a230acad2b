package clip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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
	lost    func(float64)

	ring  ring
	sound []pipeline.Audio // as old as the ring's pictures may be
	heard time.Duration    // PTS from which on sound is still to be written
	file  *container.Relay // of the event under way; nil without one
	path  string           // of file
	until time.Duration    // when that is over
	fails bool             // the last clip could not be written
}

var (
	_ pipeline.UnitSink  = (*Sink)(nil)
	_ pipeline.AudioSink = (*Sink)(nil)
)

// New looks whether files can be written where they are to be.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	if err := cfg.Path.Check(); err != nil {
		return nil, fatal.Error(fmt.Errorf("path: %w", err))
	}
	return &Sink{
		cfg: cfg, env: env, kept: outfile.NewKept(cfg.Path, cfg.Keep, env),
		dropped: env.Metrics.Counter("units_dropped_total", "Pictures that would have been held if there were more memory."),
		lost:    env.Metrics.Counter("clips_lost_total", "Clips that could not be written, or not to their end."),
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

// mostSound bounds the sound that is held, in packets: ten minutes of usual ones.
const mostSound = 30_000

// WriteAudio holds a packet of sound for the events to come.
func (s *Sink) WriteAudio(_ context.Context, a pipeline.Audio) error {
	s.sound = append(s.sound, a)
	old := max(s.soundAt(a.PTS-s.ring.span-late), len(s.sound)-mostSound)
	s.sound = s.sound[:copy(s.sound, s.sound[old:])]
	return nil
}

// soundAt returns the first packet that begins at pts or later.
func (s *Sink) soundAt(pts time.Duration) int {
	i, _ := slices.BinarySearchFunc(s.sound, pts, func(a pipeline.Audio, pts time.Duration) int { return cmp.Compare(a.PTS, pts) })
	return i
}

// hear writes the sound up to pts to the clip under way. What comes later than its
// picture is written with the next one.
func (s *Sink) hear(pts time.Duration) error {
	for _, a := range s.sound[s.soundAt(s.heard):max(s.soundAt(pts), s.soundAt(s.heard))] {
		if err := s.file.WriteAudio(a); err != nil {
			return err
		}
		s.heard = a.PTS + 1
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
	err := s.hear(u.PTS)
	if err == nil {
		err = s.file.Write(u)
	}
	if err == nil {
		return nil
	}
	file := s.file
	s.file = nil
	_ = s.kept.Finish(s.path, file) // what it holds stays; that the rest cannot be written either is no news
	return s.lose(err)
}

// lose counts a clip that is not there, or not whole, and returns why if that is
// news: of one after the other, because the disk is full for instance, the first.
func (s *Sink) lose(err error) error {
	s.lost(1)
	if s.fails {
		return nil
	}
	s.fails = true
	return err
}

// Write takes f for an event: its clip begins, or goes on for longer. That nothing
// can be written is an error once; the clips that are lost meanwhile are counted.
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
	if errors.Is(err, fs.ErrExist) {
		return err // this clip's own
	}
	if err != nil {
		return s.lose(err)
	}
	file, err := container.NewRelay(path, keyframe, s.env.Audio)
	if err != nil {
		return s.lose(errors.Join(err, outfile.Discard(path)))
	}
	s.file, s.path, s.heard = file, path, keyframe.PTS
	s.kept.Begin(path)
	s.env.Log.Info("clip begins", "path", path)
	return nil
}

// finish completes the clip under way.
func (s *Sink) finish() error {
	err := s.hear(s.until)
	file := s.file
	s.file = nil
	if err = errors.Join(err, s.kept.Finish(s.path, file)); err != nil {
		return s.lose(err)
	}
	if s.fails {
		s.fails = false
		s.env.Log.Info("clips are written again", "path", s.path)
	}
	return nil
}

// Close completes the clip under way.
func (s *Sink) Close() error {
	if s.file == nil {
		return nil
	}
	return s.finish()
}
