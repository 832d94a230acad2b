package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// liveConfig is what a source of packets is told, wherever they come from.
type liveConfig struct {
	// kind and from name what it receives, in errors and in the log: track and
	// main_video, say.
	kind, from string
	// repairs says that the sender is asked for what is missing, and sends it
	// again.
	repairs bool
	Receiving
}

// liveSource receives, decodes and yields the frames of one stream of packets.
// They are taken by a goroutine of its own, so that neither decoding nor the graph
// holds them up; pictures are decoded by whoever calls Read.
type liveSource struct {
	name       string
	cfg        liveConfig
	log        *slog.Logger
	open       func() (feed, error)
	newDecoder func(ffmpeg.Config) (decode.Decoder, error)

	start  sync.Once
	cancel context.CancelFunc
	done   chan struct{} // closed when nobody receives any more

	playing    atomic.Pointer[reception] // whose units are decoded; nil before the first
	units      *queue
	complaints pipeline.Turns // of the log
	tally      tally
	relay      func(pipeline.Unit)  // nil where nobody takes units
	times      timeline             // of the goroutine that receives
	clock      clock                // of sound, by the pictures received
	hear       func(pipeline.Audio) // nil where nobody takes sound
	voice      voice                // of the sound that is heard

	// Touched by Read and, after it, Close.
	decoder decode.Decoder
	codec   decode.Codec
	pending []*pipeline.Frame
	seq     uint64
	mark    pipeline.Reason // for the next frame
}

var (
	_ pipeline.UnitSource     = (*liveSource)(nil)
	_ pipeline.AudioSource    = (*liveSource)(nil)
	_ pipeline.CountingSource = (*liveSource)(nil)
)

func newLiveSource(name string, log *slog.Logger, cfg liveConfig, open func() (feed, error)) *liveSource {
	s := &liveSource{
		name: name, cfg: cfg, log: log.With(cfg.kind, cfg.from), open: open,
		newDecoder: ffmpeg.NewDecoder,
		units:      newQueue(), cancel: func() {}, done: make(chan struct{}),
		tally: tally{made: time.Now()},
	}
	s.voice.clock = &s.clock
	return s
}

// Read waits for the next picture.
func (s *liveSource) Read(ctx context.Context) (*pipeline.Frame, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	for len(s.pending) == 0 {
		u, err := s.units.pop(ctx)
		if err != nil {
			return nil, err
		}
		err = s.decode(u)
		s.units.recycle(u)
		if err != nil {
			return nil, err
		}
	}
	f := s.pending[0]
	s.pending = append(s.pending[:0], s.pending[1:]...)
	return f, nil
}

// begin starts to receive, once.
func (s *liveSource) begin() error {
	var err error
	s.start.Do(func() {
		f, openErr := s.open()
		if err = openErr; err != nil {
			close(s.done)
			s.units.close(err)
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.cancel = cancel
		go func() {
			defer close(s.done)
			s.units.close(s.receive(ctx, f))
		}()
	})
	return err
}

// Relay has take called with each unit before it waits for the decoder.
func (s *liveSource) Relay(take func(pipeline.Unit)) { s.relay = take }

// Listen has take called with each packet of the sound that the feed brings.
func (s *liveSource) Listen(take func(pipeline.Audio)) { s.hear = take }

// RequestKeyframe asks the sender for a keyframe.
func (s *liveSource) RequestKeyframe() {
	if r := s.playing.Load(); r != nil {
		r.requestKeyframe(time.Now())
	}
}

// Live is true: a sender does not wait.
func (s *liveSource) Live() bool { return true }

// Counts returns what came and what became of it.
func (s *liveSource) Counts() pipeline.SourceCounts {
	c := s.tally.counts()
	if r := s.playing.Load(); r != nil {
		if f, ok := r.feed.(pickyFeed); ok {
			maps.Copy(c.Dropped, f.Refused())
		}
	}
	return c
}

// Close ends receiving and frees the decoder. Nobody may be in Read; later ones
// fail.
func (s *liveSource) Close() error {
	s.start.Do(func() { close(s.done) })
	s.cancel()
	<-s.done
	s.units.clear(errClosed)
	var errs []error
	for _, f := range s.pending {
		errs = append(errs, f.Release())
	}
	s.pending = nil
	return errors.Join(append(errs, s.closeDecoder())...)
}

// errClosed answers who reads from a source that is closed.
var errClosed = errors.New("the source is closed")

func (s *liveSource) closeDecoder() error {
	if s.decoder == nil {
		return nil
	}
	err := s.decoder.Close()
	s.decoder = nil
	return err
}

// decode makes frames of a unit. One that cannot be decoded is left out.
func (s *liveSource) decode(u *unit) error {
	if err := s.prepare(u); err != nil {
		return err
	}
	u.Waiting = time.Since(u.Arrival)
	pictures, err := s.decoder.Decode(&u.AccessUnit)
	for _, p := range pictures {
		s.pending = append(s.pending, s.frame(p))
	}
	s.tally.decoded.Add(uint64(len(pictures)))
	if errors.Is(err, decode.ErrRequired) {
		return pipeline.Invalid(err)
	}
	if err != nil {
		s.fail(err)
	}
	return nil
}

// fail notes a unit that could not be decoded.
func (s *liveSource) fail(err error) {
	s.tally.failed(err)
	s.interrupt(pipeline.Loss)
	now := time.Now()
	if errors.Is(err, decode.ErrNeedKeyframe) {
		s.playing.Load().requestKeyframe(now)
		return
	}
	s.complain(now, "access unit not decoded", err)
}

// complaintInterval is how often trouble with what comes is logged.
const complaintInterval = 10 * time.Second

func (s *liveSource) complain(now time.Time, what string, err error) {
	if _, ok := s.complaints.Take(now, complaintInterval); ok {
		s.log.Warn(what, "err", err)
	}
}

// prepare has the right decoder for u.
func (s *liveSource) prepare(u *unit) error {
	switch {
	case u.renewed:
		s.interrupt(pipeline.Renewal)
	case u.restart:
		s.interrupt(pipeline.Reconnect)
	case u.lost:
		s.interrupt(pipeline.Loss)
	}
	if s.decoder != nil && u.Codec == s.codec {
		return nil
	}
	if err := s.closeDecoder(); err != nil {
		return fmt.Errorf("decoder for %s: %w", s.codec, err)
	}
	cfg := s.cfg.config(s.log)
	cfg.Codec, cfg.ShowCorrupt = u.Codec, s.cfg.OnLoss == ShowLoss
	decoder, err := s.newDecoder(cfg)
	if errors.Is(err, decode.ErrRequired) {
		return pipeline.Invalid(fmt.Errorf("%s: %w", u.Codec, err))
	}
	if err != nil {
		return fmt.Errorf("decoder for %s: %w", u.Codec, err)
	}
	s.decoder, s.codec = decoder, u.Codec
	s.log.Info("receiving", "codec", u.Codec)
	return nil
}

// interrupt notes that the next frame does not follow the last one, if there was
// one. A new connection outranks a loss, and a new session both.
func (s *liveSource) interrupt(why pipeline.Reason) {
	graver := s.mark == "" || s.mark == pipeline.Loss || why == pipeline.Renewal
	if s.seq > 0 && graver {
		s.mark = why
	}
}

func (s *liveSource) frame(p decode.Picture) *pipeline.Frame {
	f := newFrame(s.name, s.seq, p, time.Now())
	f.Discontinuity, s.mark = s.mark, ""
	s.seq++
	return f
}

// newFrame makes a frame of a picture that is decoded now.
func newFrame(stream string, seq uint64, p decode.Picture, now time.Time) *pipeline.Frame {
	u, format := p.Unit, p.Image.Format()
	return pipeline.NewFrame(pipeline.Meta{
		Stream: stream, Seq: seq, PTS: u.PTS, Arrival: u.Arrival, SenderTime: u.SenderTime,
		Receiving: u.Receiving, Waiting: u.Waiting, Decoding: now.Sub(u.Arrival) - u.Waiting,
		Width: format.Width, Height: format.Height, Keyframe: u.Keyframe,
		FrameID: u.FrameID, CaptureTime: u.CaptureTime, UserData: u.UserData,
	}, p.Image)
}
