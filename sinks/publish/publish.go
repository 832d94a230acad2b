package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/sinks/internal/fatal"
)

// retryEvery is how often a session that is not ready is tried again: each try
// costs a keyframe.
const retryEvery = 200 * time.Millisecond

// Sink publishes a track. The track and the encoder are opened with the first
// picture.
type Sink struct {
	cfg        Config
	env        pipeline.Env
	notReady   func(float64)
	bitrate    func(float64)
	onSoftware func(worked bool, why error)

	requests *requests
	idle     idle

	mu       sync.Mutex            // guards what follows, which both writing and idling touch
	track    pipeline.SampleWriter // nil before the first picture
	encoder  encode.Encoder        // nil before it, and after a change
	format   format                // the encoder's
	target   int                   // bitrate that the encoder was told
	held     int                   // target at its last keyframe, in bit/s
	heldFrom time.Time             // of that keyframe

	sound sound

	next    time.Duration // PTS at which a picture is due
	last    time.Duration // PTS of the last one
	sentAny bool
	retryAt time.Time // while the session is not ready
	shown   shown
}

// shown is the picture that was sent last.
type shown struct {
	tag pipeline.Sample // without data
	at  time.Time       // when it came
	now time.Time       // when it was sent, or sent again
}

// format is what an encoder was made for.
type format struct {
	codec         decode.Codec
	width, height int
}

var (
	_ pipeline.AudioSink   = (*Sink)(nil)
	_ pipeline.SessionUser = (*Sink)(nil)
)

// New returns a sink.
func New(env pipeline.Env, cfg Config) (pipeline.Sink, error) {
	if env.Session == nil {
		return nil, errors.New("there is no session to publish to")
	}
	if cfg.Require && cfg.Codec != "" {
		if err := ffmpeg.CheckRequired(cfg.Codec, cfg.Device); err != nil {
			return nil, pipeline.Invalid(fmt.Errorf("device: %w", err))
		}
	}
	s := &Sink{
		onSoftware: encode.LogSoftware(env.Log, cfg.Device),
		cfg:        cfg, env: env, requests: newRequests(env.Clock, int(cfg.Bitrate)),
		notReady: env.Metrics.Counter("not_ready_total", "Pictures not sent because the session was not ready."),
		bitrate:  env.Metrics.Gauge("bitrate_bits_per_second", "What is aimed at."),
	}
	s.sound = sound{
		track: cfg.AudioTrack, env: env,
		lost: env.Metrics.Counter("sound_lost_total", "Packets of sound not sent because the session was not ready."),
	}
	s.idle.done = make(chan struct{})
	env.Sent.Declare(env.Name)
	return s, nil
}

// trackChecker is a session that can tell beforehand whether the model takes a
// track. The error wraps ErrInvalid.
type trackChecker interface {
	CheckPublish(p pipeline.Publish) error
}

// SessionReady says whether the model takes the track, where the session knows.
func (s *Sink) SessionReady(context.Context) error {
	c, ok := s.env.Session.(trackChecker)
	if !ok {
		return nil
	}
	var errs []error
	if s.cfg.Track != "" {
		errs = append(errs, c.CheckPublish(pipeline.Publish{Track: s.cfg.Track, Codec: string(s.cfg.Codec)}))
	}
	if s.cfg.AudioTrack != "" {
		errs = append(errs, c.CheckPublish(pipeline.Publish{Track: s.cfg.AudioTrack, Codec: string(decode.Opus)}))
	}
	return errors.Join(errs...)
}

// Write sends f, if a picture is due. A session that is not ready is no error:
// the pictures are counted and not sent.
func (s *Sink) Write(ctx context.Context, f *pipeline.Frame) error {
	if s.cfg.Track == "" {
		return nil
	}
	if f.Image() == nil {
		return pipeline.ErrNoPixels
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.begin(s)
	return errors.Join(s.picture(ctx, f), s.sound.until(ctx, f.PTS))
}

// WriteAudio sends a packet of sound: where there are pictures, when they have
// come as far.
func (s *Sink) WriteAudio(ctx context.Context, a pipeline.Audio) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.begin(s)
	if s.cfg.Track == "" {
		return s.sound.send(ctx, a)
	}
	return s.sound.hold(ctx, a)
}

// picture sends the picture of f, if one is due.
func (s *Sink) picture(ctx context.Context, f *pipeline.Frame) error {
	if !s.due(f.PTS) {
		return nil
	}
	if s.env.Clock.Now().Before(s.retryAt) {
		s.notReady(1)
		return nil
	}
	userData, err := s.userData(f)
	if err == nil {
		err = s.send(ctx, f, userData)
	}
	return s.missed(err)
}

// missed counts a picture that was not sent because the session is not ready,
// which is no error.
func (s *Sink) missed(err error) error {
	if !errors.Is(err, pipeline.ErrNotReady) {
		return err
	}
	s.notReady(1)
	s.retryAt = s.env.Clock.Now().Add(retryEvery)
	s.requests.begin() // what comes next follows nothing that was sent
	return nil
}

// due says whether pts is a picture's turn. A turn stays on its grid, so that
// pictures which come a little early are not left out.
func (s *Sink) due(pts time.Duration) bool {
	if s.sentAny && (pts <= s.last || pts < s.next) {
		return false
	}
	period := time.Duration(float64(time.Second) / float64(s.cfg.FPS))
	s.next += period
	if s.next < pts {
		s.next = pts + period/2
	}
	s.last, s.sentAny = pts, true
	return true
}

func (s *Sink) userData(f *pipeline.Frame) ([]byte, error) { return s.compute(s.cfg.UserData, f) }

// compute returns what a template makes of f: texts as they are, other values as
// JSON, nil for what is absent.
func (s *Sink) compute(t expr.Template, f *pipeline.Frame) ([]byte, error) {
	key, ok, err := t.Text(expr.Input{Frame: f, LastMessage: s.env.LastMessage, Now: s.env.Clock.Now()})
	if !ok || err != nil {
		return nil, err
	}
	return []byte(key), nil
}

// note remembers a frame that was sent, for the replies to it.
func (s *Sink) note(f *pipeline.Frame, userData []byte) error {
	key := userData
	if s.cfg.Key.String() != "" {
		var err error
		if key, err = s.compute(s.cfg.Key, f); err != nil {
			return fmt.Errorf("key: %w", err)
		}
	}
	if len(key) > 0 {
		sent := pipeline.SentFrame{Seq: f.Seq, PTS: f.PTS, At: s.env.Clock.Now()}
		s.noteDetections(&sent, f)
		s.env.Sent.Note(s.env.Name, string(key), sent)
	}
	return nil
}

// noteDetections adds those that somebody asks for.
func (s *Sink) noteDetections(sent *pipeline.SentFrame, f *pipeline.Frame) {
	asked := s.env.Sent.Asked(s.env.Name)
	if len(asked) == 0 || f.Image() == nil {
		return
	}
	format := f.Image().Format()
	sent.Width, sent.Height = format.Width, format.Height
	sent.Detections = make(map[string][]pipeline.Detection, len(asked))
	for _, stage := range asked {
		if found, ok := pipeline.GetFrom(f, stage, pipeline.Detections); ok {
			sent.Detections[stage] = found
		}
	}
}

// captureTime returns what a picture of f carries.
func (s *Sink) captureTime(f *pipeline.Frame) time.Duration {
	if s.cfg.Group == "" || f.CaptureTime != 0 {
		return f.CaptureTime
	}
	return f.PTS + time.Microsecond // 0 would be none
}

func (s *Sink) send(ctx context.Context, f *pipeline.Frame, userData []byte) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	img := f.Image()
	if err := s.prepare(img.Format()); err != nil {
		return err
	}
	tag := pipeline.Sample{PTS: f.PTS, CaptureTime: s.captureTime(f), UserData: userData}
	if tag.PTS <= s.shown.tag.PTS && !s.shown.at.IsZero() { // that was sent again meanwhile
		tag.PTS = s.shown.tag.PTS + time.Millisecond
	}
	now := s.env.Clock.Now()
	if err := s.note(f, userData); err != nil {
		return err
	}
	if err := s.encode(img, tag); err != nil {
		return err
	}
	s.shown = shown{tag, now, now}
	return nil
}

// encode sends a picture; nil is the last one.
func (s *Sink) encode(img pipeline.Image, tag pipeline.Sample) error {
	packets, err := s.encoder.Encode(img, tag.PTS, s.keyframe())
	if err != nil {
		s.requests.begin()
		return err
	}
	for _, p := range packets {
		tag.Data, tag.PTS = bytes.Clone(p.Data), p.PTS
		if err := s.track.WriteSample(tag); err != nil {
			return fmt.Errorf("track %s: %w", s.cfg.Track, err)
		}
	}
	return nil
}

// keyframe says whether the next picture has to be one: because somebody asked,
// or for the bitrate's sake.
func (s *Sink) keyframe() bool {
	now := s.env.Clock.Now()
	if s.bitrateWaits(now) {
		s.requests.ask()
	}
	if !s.requests.keyframe() {
		return false
	}
	s.held, s.heldFrom = s.target, now
	return true
}

// bitrateWaits says that a change of the bitrate has to be brought about by a
// keyframe: see [encode.Encoder]. H.264 has followed already.
func (s *Sink) bitrateWaits(now time.Time) bool {
	if s.format.codec == decode.H264 || now.Sub(s.heldFrom) < keyframeRest {
		return false
	}
	return math.Abs(float64(s.target-s.held)) >= keyframeStep*float64(s.held)
}

// open publishes the track.
func (s *Sink) open(ctx context.Context) error {
	if s.track != nil {
		return nil
	}
	track, err := publish(ctx, s.env.Session, pipeline.Publish{
		Track: s.cfg.Track, Codec: string(s.cfg.Codec),
		OnKeyframe: s.requests.ask, OnBitrate: s.requests.limit,
	})
	if err != nil {
		return err
	}
	s.track = track
	return nil
}

// publish begins to send a track. What no retry can mend is fatal.
func publish(ctx context.Context, s pipeline.Session, p pipeline.Publish) (pipeline.SampleWriter, error) {
	w, err := s.Publish(ctx, p)
	if errors.Is(err, pipeline.ErrInvalid) {
		return nil, fatal.Error(err)
	}
	if err != nil {
		return nil, fmt.Errorf("track %s: %w", p.Track, err)
	}
	return w, nil
}

// prepare sees to an encoder that fits the picture, the track and the
// connection.
func (s *Sink) prepare(picture pipeline.Format) error {
	want := format{codec: decode.Codec(s.track.Codec())}
	want.width, want.height = s.cfg.size(picture.Width, picture.Height)
	target := s.requests.bitrate()
	if s.encoder == nil || s.format != want {
		return s.openEncoder(want, target)
	}
	if target == s.target {
		return nil
	}
	s.target = target
	s.bitrate(float64(target))
	if err := s.encoder.SetBitrate(target); err != nil && !errors.Is(err, encode.ErrFixedBitrate) {
		return err
	}
	return nil
}

func (s *Sink) openEncoder(want format, bitrate int) error {
	if err := s.closeEncoder(); err != nil {
		return err
	}
	encoder, err := ffmpeg.New(encode.Config{
		Codec: want.codec, Width: want.width, Height: want.height,
		FPS: float64(s.cfg.FPS), Bitrate: bitrate,
		Device: s.cfg.Device, Require: s.cfg.Require, OnSoftware: s.onSoftware,
	})
	if errors.Is(err, decode.ErrRequired) {
		return fatal.Error(pipeline.Invalid(fmt.Errorf("device: %w", err)))
	}
	if err != nil {
		return err
	}
	s.encoder, s.format, s.target = encoder, want, bitrate
	s.held, s.heldFrom = bitrate, s.env.Clock.Now() // its first picture is a keyframe
	s.bitrate(float64(bitrate))
	s.env.Log.Info("publishing", "track", s.cfg.Track, "codec", want.codec, "width", want.width, "height", want.height)
	return nil
}

func (s *Sink) closeEncoder() error {
	if s.encoder == nil {
		return nil
	}
	err := s.encoder.Close()
	s.encoder = nil
	return err
}

// Close ends the publications.
func (s *Sink) Close() error {
	s.idle.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.giveBack()
}

// giveBack ends the publications until the next picture, or packet of sound.
func (s *Sink) giveBack() error {
	err := errors.Join(s.closeEncoder(), s.sound.Close())
	if s.track != nil {
		err = errors.Join(err, s.track.Close())
		s.track = nil
	}
	return err
}
