package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// Sink records. While nothing can be written it leaves pictures out, and goes
// on in a new file when there is room again.
type Sink struct {
	files
	outage     outage
	onSoftware func(worked bool, why error)

	file *segment // nil before the first picture and while nothing can be written
	last time.Duration
}

var _ pipeline.AudioSink = (*Sink)(nil)

// New makes the file, so that a folder that cannot be written is found before
// frames flow. Close removes it if no picture came.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	if cfg.Require {
		if err := ffmpeg.CheckRequired(cfg.Codec, cfg.Device); err != nil {
			return nil, pipeline.Invalid(fmt.Errorf("device: %w", err))
		}
	}
	f, err := newFiles(env, cfg)
	if err != nil {
		return nil, fatal.Error(fmt.Errorf("path: %w", err))
	}
	o := outage{lost: env.Metrics.Counter("frames_lost_total", "Pictures not recorded because nothing could be written.")}
	if cfg.Encoded() {
		return &Relay{files: f, outage: o}, nil
	}
	return &Sink{files: f, outage: o, onSoftware: encode.LogSoftware(env.Log, cfg.Device)}, nil
}

// Write records f. That nothing can be written, because the disk is full for
// instance, is an error once; the pictures that are lost meanwhile are counted.
func (s *Sink) Write(_ context.Context, f *pipeline.Frame) error {
	img := f.Image()
	if img == nil {
		return pipeline.ErrNoPixels
	}
	if s.started && f.PTS <= s.last {
		return nil // one picture an instant
	}
	now := s.env.Clock.Now()
	s.kept.Tidy()
	if s.outage.on && s.outage.waits(now, s.folder()) {
		return nil
	}
	err := s.write(img, f.PTS)
	if err == nil {
		s.last = f.PTS
		s.recovered(f.PTS)
		return nil
	}
	if _, ok := errors.AsType[*unwritable](err); !ok {
		return err // this picture's own
	}
	return s.outage.begin(now, err)
}

func (s *Sink) recovered(pts time.Duration) {
	if s.outage.on && pts-s.file.begun >= proven {
		s.env.Log.Info("recording again", "path", s.file.name, "frames_lost", s.outage.end())
	}
}

func (s *Sink) write(img pipeline.Image, pts time.Duration) error {
	format := img.Format()
	if s.file != nil && (!s.file.takes(format) || s.cfg.full(pts-s.file.begun, s.file.bytes)) {
		file := s.file
		s.file = nil
		if err := s.finish(file, pts); err != nil {
			return &unwritable{err}
		}
	}
	if s.file == nil {
		if err := s.begin(format, pts); err != nil {
			return err
		}
	}
	err := s.hear(s.file, pts)
	if err == nil {
		err = s.file.write(img, pts)
	}
	if _, ok := errors.AsType[*unwritable](err); ok {
		s.abandon(s.file)
		s.file = nil
	}
	return err
}

// begin begins the next file.
func (s *Sink) begin(format pipeline.Format, pts time.Duration) error {
	path, err := s.next()
	if err != nil {
		return err
	}
	file, err := s.newSegment(path, format, pts)
	if err != nil {
		return errors.Join(err, outfile.Discard(path))
	}
	s.file = file
	s.begun(path, file.width, file.height)
	return nil
}

// Close completes the recording.
func (s *Sink) Close() error {
	if s.file == nil {
		return s.close(nil)
	}
	file := s.file
	s.file = nil
	return s.close(file)
}
