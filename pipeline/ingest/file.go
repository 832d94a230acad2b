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

// FileConfig names a video file and how it is played.
type FileConfig struct {
	// File is the path of the video, relative to the pipeline's file. Any
	// container and codec that FFmpeg reads.
	File string `yaml:"file"`
	// Loop begins again at the end; PTS goes on.
	Loop bool `yaml:"loop"`
	// Realtime plays at the file's own rate, as a live source that does not
	// wait. Otherwise every frame is read, as fast as the graph takes them.
	Realtime bool `yaml:"realtime"`
	// Threads that the decoder may use for one picture.
	Threads int `yaml:"threads"`
}

// Validate reports every field that is wrong.
func (c *FileConfig) Validate() error {
	var errs []error
	if c.File == "" {
		errs = append(errs, errors.New("file: must be the path of a video"))
	}
	if c.Threads < 0 || c.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("threads: must be 0 to %d, got %d", maxThreads, c.Threads))
	}
	return errors.Join(errs...)
}

// fileSource plays a file.
type fileSource struct {
	env     pipeline.Env
	cfg     FileConfig
	file    *ffmpeg.File
	decoder decode.Decoder

	pending []*pipeline.Frame
	seq     uint64
	base    time.Duration // PTS at which the present round began
	end     time.Duration // PTS at which the next one begins
	began   time.Time     // when PTS 0 was due
	drained bool          // the decoder has given all of this round
	mark    pipeline.Reason

	mu     sync.Mutex // guards counts
	counts pipeline.SourceCounts
}

var (
	_ pipeline.Source         = (*fileSource)(nil)
	_ pipeline.CountingSource = (*fileSource)(nil)
)

// NewFile opens a video file. One that cannot be played is ErrInvalid.
func NewFile(env pipeline.Env, cfg FileConfig) (pipeline.Source, error) {
	file, err := ffmpeg.OpenFile(env.ReadPath(cfg.File))
	if err != nil {
		return nil, pipeline.Invalid(fmt.Errorf("file: %w", err))
	}
	decoder, err := file.NewDecoder(ffmpeg.Config{Threads: cfg.Threads})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("file: %w", err), file.Close())
	}
	return &fileSource{
		env: env, cfg: cfg, file: file, decoder: decoder,
		counts: pipeline.SourceCounts{Dropped: make(map[string]uint64)},
	}, nil
}

// Read returns the next picture; with realtime, when it is due.
func (s *fileSource) Read(ctx context.Context) (*pipeline.Frame, error) {
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
		if err := s.await(ctx, f.PTS); err != nil {
			return nil, err
		}
		f.Arrival = s.env.Clock.Now()
	}
	s.pending = append(s.pending[:0], s.pending[1:]...)
	return f, nil
}

// await waits until a picture is due.
func (s *fileSource) await(ctx context.Context, pts time.Duration) error {
	now := s.env.Clock.Now()
	if s.began.IsZero() {
		s.began = now.Add(-pts)
	}
	wait := s.began.Add(pts).Sub(now)
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.env.Clock.After(wait):
		return nil
	}
}

// advance decodes one more unit, or what the decoder holds at the end.
func (s *fileSource) advance() error {
	if s.drained {
		return s.again()
	}
	au, err := s.file.Next()
	if errors.Is(err, io.EOF) {
		s.drained = true
		pictures, err := s.decoder.Flush()
		return s.take(pictures, err)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.counts.Received++
	s.mu.Unlock()
	au.Arrival = s.env.Clock.Now()
	pictures, err := s.decoder.Decode(au)
	return s.take(pictures, err)
}

// take makes frames of pictures. A unit that cannot be decoded is left out.
func (s *fileSource) take(pictures []decode.Picture, err error) error {
	for _, p := range pictures {
		p.Unit.PTS += s.base
		s.end = max(s.end, p.Unit.PTS+time.Duration(float64(time.Second)/s.file.FPS()))
		f := newFrame(s.env.Name, s.seq, p)
		f.Discontinuity, s.mark = s.mark, ""
		s.seq++
		s.pending = append(s.pending, f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Decoded += uint64(len(pictures))
	if err != nil {
		s.counts.Dropped["undecodable"]++
		s.mark = pipeline.Loss
		s.env.Log.Debug("access unit not decoded", "err", err)
	}
	return nil
}

// again begins the next round, or ends. A file without one picture ends too.
func (s *fileSource) again() error {
	if !s.cfg.Loop || s.end == s.base {
		return io.EOF
	}
	if err := s.file.Rewind(); err != nil {
		return err
	}
	s.base, s.drained, s.mark = s.end, false, pipeline.Loop
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

// Close closes the file and frees the decoder.
func (s *fileSource) Close() error {
	var errs []error
	for _, f := range s.pending {
		errs = append(errs, f.Release())
	}
	s.pending = nil
	return errors.Join(append(errs, s.decoder.Close(), s.file.Close())...)
}
