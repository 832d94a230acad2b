package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// FileConfig is the source that plays a video file.
type FileConfig struct {
	// File is the path of the video, relative to the pipeline's file. Any
	// container and codec that FFmpeg reads.
	File string `yaml:"file"`
	// Loop begins again at the end; PTS goes on.
	Loop bool `yaml:"loop"`
	// Realtime plays at the file's own rate, as a live source that does not
	// wait. Otherwise every frame is read, as fast as the graph takes them.
	Realtime bool `yaml:"realtime"`
	// Audio has the file's sound be there for sinks that take it, as stereo Opus
	// of 48 kHz.
	Audio bool `yaml:"audio"`

	Decoding `yaml:",inline"`
}

func defaultFile() FileConfig { return FileConfig{Decoding: defaultDecoding()} }

// Validate reports every field that is wrong.
func (c *FileConfig) Validate() error {
	var errs []error
	if c.File == "" {
		errs = append(errs, errors.New("file: must be the path of a video"))
	}
	return errors.Join(append(errs, c.problems()...)...)
}

// HasAudio says whether the file's sound is played.
func (c *FileConfig) HasAudio() bool { return c.Audio }

var _ pipeline.AudioUser = (*FileConfig)(nil)

// fileSource plays a file.
type fileSource struct {
	env     pipeline.Env
	cfg     FileConfig
	file    *ffmpeg.File
	decoder decode.Decoder
	closed  bool
	relay   func(pipeline.Unit)  // nil where nobody takes units
	sound   *fileSound           // nil where there is none
	hear    func(pipeline.Audio) // nil where nobody takes it

	frameTime time.Duration // of one frame at the file's own rate

	pending []*pipeline.Frame
	seq     uint64
	last    time.Duration // PTS given out last
	base    time.Duration // PTS at which the present round began
	end     time.Duration // PTS at which the next one begins
	pace    pace
	drained bool // the decoder has given all of this round
	mark    pipeline.Reason

	mu     sync.Mutex // guards counts
	counts pipeline.SourceCounts
}

var (
	_ pipeline.UnitSource     = (*fileSource)(nil)
	_ pipeline.AudioSource    = (*fileSource)(nil)
	_ pipeline.CountingSource = (*fileSource)(nil)
)

// NewFile opens a video file. One that cannot be played is ErrInvalid.
func NewFile(env pipeline.Env, cfg FileConfig) (pipeline.Source, error) {
	file, err := ffmpeg.OpenFile(env.ReadPath(cfg.File))
	if err != nil {
		return nil, pipeline.Invalid(fmt.Errorf("file: %w", err))
	}
	decoder, err := file.NewDecoder(cfg.config(env.Log))
	if err != nil {
		return nil, errors.Join(pipeline.Invalid(fmt.Errorf("file: %w", err)), file.Close())
	}
	var sound *fileSound
	if cfg.Audio {
		if sound, err = openFileSound(env.ReadPath(cfg.File), env.Log); err != nil {
			return nil, errors.Join(pipeline.Invalid(fmt.Errorf("audio: %w", err)), decoder.Close(), file.Close())
		}
	}
	return &fileSource{
		sound: sound, env: env, cfg: cfg, file: file, decoder: decoder, pace: pace{clock: env.Clock},
		frameTime: time.Duration(float64(time.Second) / file.FPS()),
		counts:    pipeline.SourceCounts{Dropped: make(map[string]uint64)},
	}, nil
}

// Read returns the next picture; with realtime, when it is due.
func (s *fileSource) Read(ctx context.Context) (*pipeline.Frame, error) {
	if s.closed {
		return nil, errClosed
	}
	for len(s.pending) == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	f := s.pending[0]
	if s.cfg.Realtime {
		if err := s.pace.await(ctx, f.PTS); err != nil {
			return nil, err
		}
		due := s.env.Clock.Now()
		f.Waiting += f.Arrival.Sub(due)
		f.Arrival = due
	}
	if err := s.sounds(f.PTS + s.frameTime); err != nil {
		return nil, err
	}
	s.pending = append(s.pending[:0], s.pending[1:]...)
	return f, nil
}

// sounds hands on the sound before a time.
func (s *fileSource) sounds(until time.Duration) error {
	if s.sound == nil || s.hear == nil {
		return nil
	}
	return s.sound.until(until, s.hear)
}

// advance decodes one more unit, or what the decoder holds at the end.
func (s *fileSource) advance() error {
	if s.drained {
		return s.again()
	}
	au, err := s.file.Next()
	if err != nil {
		return s.drain(err)
	}
	s.mu.Lock()
	s.counts.Received++
	s.mu.Unlock()
	au.Arrival = s.env.Clock.Now()
	if s.relay != nil {
		u := codedUnit(au)
		u.PTS += s.base
		if err := s.sounds(u.PTS); err != nil { // a decoder may hold many pictures
			return err
		}
		s.relay(u)
	}
	return s.take(s.decoder.Decode(au))
}

// Relay has take called with each unit before it is decoded.
func (s *fileSource) Relay(take func(pipeline.Unit)) { s.relay = take }

// Listen has take called with each packet of the file's sound.
func (s *fileSource) Listen(take func(pipeline.Audio)) { s.hear = take }

// RequestKeyframe does nothing: a file has the keyframes that it has.
func (s *fileSource) RequestKeyframe() {}

// drain takes what the decoder holds at the end. A file that cannot be read any
// further, a recording that was cut off, ends there.
func (s *fileSource) drain(why error) error {
	if !errors.Is(why, io.EOF) {
		s.env.Log.Warn("file ends before its end", "after", s.end-s.base, "err", why)
	}
	s.drained = true
	return s.take(s.decoder.Flush())
}

// take makes frames of pictures. A unit that cannot be decoded is left out.
func (s *fileSource) take(pictures []decode.Picture, err error) error {
	for _, p := range pictures {
		s.pending = append(s.pending, s.frame(p))
	}
	if err != nil && s.mark == "" && s.seq > 0 {
		s.mark = pipeline.Loss
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Decoded += uint64(len(pictures))
	if errors.Is(err, decode.ErrRequired) {
		return pipeline.Invalid(fmt.Errorf("file: %w", err))
	}
	switch {
	case errors.Is(err, ffmpeg.ErrTooLarge):
		s.counts.Dropped["over_max_pixels"]++
	case err != nil:
		s.counts.Dropped["undecodable"]++
	}
	return nil
}

// frame makes the next frame. Where a file's own times go back, the frame's do
// not.
func (s *fileSource) frame(p decode.Picture) *pipeline.Frame {
	p.Unit.PTS += s.base
	if s.seq > 0 {
		p.Unit.PTS = max(p.Unit.PTS, s.last+time.Microsecond)
	}
	s.last = p.Unit.PTS
	s.end = s.last + s.frameTime
	f := newFrame(s.env.Name, s.seq, p, s.env.Clock.Now())
	f.Discontinuity, s.mark = s.mark, ""
	s.seq++
	return f
}

// again begins the next round, or ends. A file without one picture ends too.
func (s *fileSource) again() error {
	if !s.cfg.Loop || s.end == s.base {
		return io.EOF
	}
	if err := s.file.Rewind(); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	s.base, s.drained, s.mark = s.end, false, pipeline.Loop
	if s.sound != nil {
		if err := s.sound.again(s.base); err != nil {
			return fmt.Errorf("audio: %w", err)
		}
	}
	return nil
}

// Live says whether the file plays at its own rate.
func (s *fileSource) Live() bool { return s.cfg.Realtime }

// Counts returns what was read and decoded.
func (s *fileSource) Counts() pipeline.SourceCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Dropped = maps.Clone(s.counts.Dropped)
	return c
}

// Close closes the file and frees the decoder. Nobody may be in Read; later ones
// fail.
func (s *fileSource) Close() error {
	s.closed = true
	var errs []error
	for _, f := range s.pending {
		errs = append(errs, f.Release())
	}
	s.pending = nil
	if s.sound != nil {
		errs = append(errs, s.sound.Close())
		s.sound = nil
	}
	return errors.Join(append(errs, s.decoder.Close(), s.file.Close())...)
}
