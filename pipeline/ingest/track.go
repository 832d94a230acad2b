package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// TrackConfig chooses a track of the session and how it is received.
type TrackConfig struct {
	// Track is the name of the model's output track.
	Track string `yaml:"track"`
	// Codecs to offer, the most wanted first. The server's order decides among
	// them.
	Codecs []string `yaml:"codecs"`
	// OnLoss says what is shown between a loss and the next keyframe: freeze
	// lets no damaged picture through, show lets them.
	OnLoss OnLoss `yaml:"on_loss"`
	// Threads that the decoder may use for one picture; more than one helps
	// above 1080p.
	Threads int `yaml:"threads"`
}

// OnLoss is what a source does about pictures that a loss damaged.
type OnLoss string

// The ways of a loss.
const (
	FreezeLoss OnLoss = "freeze"
	ShowLoss   OnLoss = "show"
)

func defaultTrack() TrackConfig {
	return TrackConfig{
		Codecs: []string{string(decode.VP8), string(decode.VP9), string(decode.H264)},
		OnLoss: FreezeLoss, Threads: 1,
	}
}

// maxThreads is more than any decoder makes use of.
const maxThreads = 64

// Validate reports every field that is wrong.
func (c *TrackConfig) Validate() error {
	var errs []error
	if c.Track == "" {
		errs = append(errs, errors.New("track: must be the name of one of the model's tracks"))
	}
	if len(c.Codecs) == 0 {
		errs = append(errs, errors.New("codecs: must name at least one codec"))
	}
	for _, name := range c.Codecs {
		codec, err := decode.ParseCodec(name)
		if err != nil || !codec.Video() {
			errs = append(errs, fmt.Errorf("codecs: must be vp8, vp9, h264, h265 or av1, got %q", name))
		}
	}
	if c.OnLoss != FreezeLoss && c.OnLoss != ShowLoss {
		errs = append(errs, fmt.Errorf("on_loss: must be freeze or show, got %q", c.OnLoss))
	}
	if c.Threads < 1 || c.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("threads: must be 1 to %d, got %d", maxThreads, c.Threads))
	}
	return errors.Join(errs...)
}

// trackSource receives, decodes and yields the frames of one track. Packets are
// taken by a goroutine of its own, so that neither decoding nor the graph holds
// them up; pictures are decoded by whoever calls Read.
type trackSource struct {
	name  string
	cfg   TrackConfig
	log   *slog.Logger
	open  func() (*sdk.Track, error)
	units *queue

	start  sync.Once
	cancel context.CancelFunc
	done   chan struct{}

	track     *sdk.Track
	keyframes keyframeRequests
	decoder   decode.Decoder
	codec     decode.Codec
	pending   []*pipeline.Frame
	times     timeline
	seq       uint64
	mark      pipeline.Reason // for the next frame

	mu     sync.Mutex // guards counts
	counts pipeline.SourceCounts
}

var (
	_ pipeline.Source         = (*trackSource)(nil)
	_ pipeline.CountingSource = (*trackSource)(nil)
)

// liver is the session as this package needs it: what pipeline/session makes.
type liver interface {
	Live() (*sdk.Session, error)
}

// NewTrack returns a source for a track. It receives from the first Read on,
// which needs the session to be ready.
func NewTrack(env pipeline.Env, cfg TrackConfig) (pipeline.Source, error) {
	return newTrackSource(env.Name, env.Log, cfg, func() (*sdk.Track, error) {
		l, ok := env.Session.(liver)
		if !ok {
			return nil, pipeline.Invalid(errors.New("this session has no tracks"))
		}
		live, err := l.Live()
		if err != nil {
			return nil, err
		}
		return live.Track(cfg.Track)
	}), nil
}

func newTrackSource(name string, log *slog.Logger, cfg TrackConfig, open func() (*sdk.Track, error)) *trackSource {
	return &trackSource{
		name: name, cfg: cfg, log: log, open: open,
		units: newQueue(), cancel: func() {}, done: make(chan struct{}),
		counts: pipeline.SourceCounts{Dropped: make(map[string]uint64)},
	}
}

// SessionReady finds the track; a name that the model does not have is a
// mistake in the file.
func (s *trackSource) SessionReady(context.Context) error {
	t, err := s.open()
	if err != nil {
		return pipeline.Invalid(err)
	}
	if t.Kind() != sdk.Video || t.Direction() != sdk.ReceiveOnly {
		return pipeline.Invalid(fmt.Errorf("track %q: the model does not send video on it", s.cfg.Track))
	}
	return nil
}

// Read waits for the next picture.
func (s *trackSource) Read(ctx context.Context) (*pipeline.Frame, error) {
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
func (s *trackSource) begin() error {
	var err error
	s.start.Do(func() {
		if s.track, err = s.open(); err != nil {
			close(s.done)
			s.units.close(err)
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.cancel = cancel
		go func() {
			defer close(s.done)
			s.units.close(s.receive(ctx))
		}()
	})
	return err
}

// Live is true: a model does not wait.
func (s *trackSource) Live() bool { return true }

// Counts returns what came and what became of it.
func (s *trackSource) Counts() pipeline.SourceCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Dropped = maps.Clone(s.counts.Dropped)
	return c
}

func (s *trackSource) count(change func(*pipeline.SourceCounts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counts)
}

// Close ends receiving and frees the decoder.
func (s *trackSource) Close() error {
	s.start.Do(func() { close(s.done) })
	s.cancel()
	<-s.done
	var errs []error
	for _, f := range s.pending {
		errs = append(errs, f.Release())
	}
	s.pending = nil
	if s.decoder != nil {
		errs = append(errs, s.decoder.Close())
		s.decoder = nil
	}
	return errors.Join(errs...)
}

// receive takes packets until the session is over. What it returns ends the
// source: io.EOF when the server ended the session in an orderly way.
func (s *trackSource) receive(ctx context.Context) error {
	r := &receiver{onLoss: s.cfg.OnLoss}
	for {
		p, err := s.readPacket(ctx, r)
		switch {
		case errors.Is(err, sdk.ErrSessionEnded):
			return io.EOF
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("track %q: %w", s.cfg.Track, err)
		case err == nil:
			s.notice(p, r)
			if err := r.push(p); err != nil {
				s.log.Warn("packet not understood", "err", err)
			}
		}
		now := time.Now()
		r.pop(now, s.enqueue)
		if r.needKeyframe() {
			s.requestKeyframe(now)
		}
		s.settle(r)
	}
}

// readPacket waits for a packet, but no longer than the receiver can.
func (s *trackSource) readPacket(ctx context.Context, r *receiver) (sdk.Packet, error) {
	if deadline, ok := r.deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	return s.track.ReadRTP(ctx)
}

// notice looks at what a packet says of the connection.
func (s *trackSource) notice(p sdk.Packet, r *receiver) {
	r.setRTT(s.track.RTT())
	reconnected := r.started && p.Epoch != r.epoch
	s.count(func(c *pipeline.SourceCounts) {
		c.LastArrival = p.Arrival
		if reconnected {
			c.Reconnects++
		}
	})
}

func (s *trackSource) enqueue(u unit) {
	if t, ok := s.track.SenderTime(uint32(u.RTPTime)); ok { //nolint:gosec // the lower half is the RTP timestamp
		u.SenderTime = t
	}
	if dropped := s.units.push(u); dropped > 0 {
		s.count(func(c *pipeline.SourceCounts) { c.Dropped["decoder_behind"] += uint64(dropped) })
		s.requestKeyframe(time.Now())
	}
}

// settle takes over what the receiver has counted.
func (s *trackSource) settle(r *receiver) {
	n := r.counts()
	s.count(func(c *pipeline.SourceCounts) {
		c.Received = n.units + n.broken + n.withheld
		c.Dropped["loss"] = n.broken
		c.Dropped["waiting_for_keyframe"] = n.withheld
	})
}

func (s *trackSource) requestKeyframe(now time.Time) {
	if !s.keyframes.due(now, s.track.RTT()) {
		return
	}
	if err := s.track.RequestKeyframe(); err != nil {
		s.log.Debug("keyframe not requested", "err", err)
		return
	}
	s.count(func(c *pipeline.SourceCounts) { c.KeyframeRequests++ })
}

// decode makes frames of a unit.
func (s *trackSource) decode(u *unit) error {
	if err := s.prepare(u); err != nil {
		return err
	}
	u.PTS = s.times.at(u.RTPTime, u.Codec.ClockRate(), u.Arrival)
	pictures, err := s.decoder.Decode(&u.AccessUnit)
	for _, p := range pictures {
		s.pending = append(s.pending, s.frame(p))
	}
	n := uint64(len(pictures))
	s.count(func(c *pipeline.SourceCounts) { c.Decoded += n })
	if err == nil {
		return nil
	}
	s.mark = pipeline.Loss
	s.count(func(c *pipeline.SourceCounts) { c.Dropped["undecodable"]++ })
	s.requestKeyframe(time.Now())
	s.log.Debug("access unit not decoded", "err", err)
	return nil
}

// prepare has the right decoder and timeline for u.
func (s *trackSource) prepare(u *unit) error {
	if u.restart {
		s.times.restart(u.RTPTime, u.Arrival)
		s.mark = pipeline.Reconnect
	} else if u.lost && s.seq > 0 {
		s.mark = pipeline.Loss
	}
	if s.decoder != nil && u.Codec == s.codec {
		return nil
	}
	if s.decoder != nil {
		if err := s.decoder.Close(); err != nil {
			s.log.Warn("decoder did not close", "err", err)
		}
	}
	var err error
	s.decoder, err = ffmpeg.NewDecoder(ffmpeg.Config{
		Codec: u.Codec, Threads: s.cfg.Threads, ShowCorrupt: s.cfg.OnLoss == ShowLoss,
	})
	s.codec = u.Codec
	if err != nil {
		return fmt.Errorf("decoder for %s: %w", u.Codec, err)
	}
	s.log.Info("receiving", "track", s.cfg.Track, "codec", u.Codec)
	return nil
}

func (s *trackSource) frame(p decode.Picture) *pipeline.Frame {
	f := newFrame(s.name, s.seq, p)
	f.Discontinuity, s.mark = s.mark, ""
	s.seq++
	return f
}

// newFrame makes a frame of a decoded picture.
func newFrame(stream string, seq uint64, p decode.Picture) *pipeline.Frame {
	u, format := p.Unit, p.Image.Format()
	return pipeline.NewFrame(pipeline.Meta{
		Stream: stream, Seq: seq, PTS: u.PTS, Arrival: u.Arrival, SenderTime: u.SenderTime,
		Width: format.Width, Height: format.Height, Keyframe: u.Keyframe,
		FrameID: u.FrameID, CaptureTime: u.CaptureTime, UserData: u.UserData,
	}, p.Image)
}

// keyframeRequests bounds how often a keyframe is asked for: once in half a
// second or a round trip, whichever is longer, however many ask.
type keyframeRequests struct {
	mu   sync.Mutex
	last time.Time
}

const keyframeInterval = 500 * time.Millisecond

func (k *keyframeRequests) due(now time.Time, rtt time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.last.IsZero() && now.Sub(k.last) < max(keyframeInterval, rtt) {
		return false
	}
	k.last = now
	return true
}

// SessionUse says which track is received.
func (c *TrackConfig) SessionUse() pipeline.Use { return pipeline.Use{Receives: []string{c.Track}} }

// CodecNames returns the codecs to offer, in order.
func (c *TrackConfig) CodecNames() []string {
	names := make([]string, len(c.Codecs))
	for i, name := range c.Codecs {
		codec, _ := decode.ParseCodec(name) // Validate has seen it
		names[i] = string(codec)
	}
	return names
}
