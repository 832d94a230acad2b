// Package sim is a model that can be had without a GPU or a key: it shows a
// clip, changes the picture as commands say, takes tracks, and encodes live, or
// sends what is encoded already, behind the server of package sdk/sessiontest.
package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// Config says what the model shows and where it listens. The zero Config is a
// test pattern on a free port of the loopback interface.
type Config struct {
	// Addr to listen on; "127.0.0.1:0" if empty.
	Addr string
	// Name of the model; that of Schema, or "sim", if empty.
	Name string
	// Clip is the path of a video; a test picture if empty.
	Clip string
	// Pattern names the test picture, one of [Patterns]; bars if empty.
	Pattern string
	// Loop is the path of a video that is sent over and over as it is, without
	// decoding or encoding: see [ReadLoop]. Codec, size and rate are its own, and
	// commands do not change the picture.
	Loop string
	// Schema is the path of another model's OpenAPI document, whose tracks,
	// commands and messages take the place of the built-in ones.
	Schema string
	// Codec that is preferred: vp8, vp9, h264 or av1; vp8 if empty.
	Codec string
	// Width and Height of the picture in pixels, even; the clip's own if zero,
	// 640×480 without one. FPS is 30 if zero, whatever the clip's rate is.
	Width, Height int
	FPS           float64
	// Bitrate in bit/s; 0 is 4 Mbit/s at most.
	Bitrate int
	// Recording lets clients fetch clips and recordings.
	Recording sessiontest.Recording
	// StepFrames lets sessions be stepped, that many pictures a step; 0 does not.
	// The results of steps can be fetched over HTTP, too.
	StepFrames int
	// NeedsImage has the built-in model show nothing before it was given a picture
	// by set_image.
	NeedsImage bool
	// Delay is how long after a command its effect is seen.
	Delay time.Duration
	// Trouble is what goes wrong from the start; PUT /_trouble changes it.
	Trouble sessiontest.Trouble
	// Incidents happen once, so long after the first client is there.
	Incidents []Incident
	// Sessions is how many the cloud's routes give at a time; 5 if zero.
	Sessions int
	// SessionLimit ends each session after that time; 0 does not.
	SessionLimit time.Duration
	Surface      Surface
	Log          *slog.Logger // nothing is logged if nil

	newEncoder func(encode.Config) (encode.Encoder, error) // ffmpeg's if nil
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	if codec, err := decode.ParseCodec(c.Codec); c.Codec != "" && (err != nil || !slices.Contains(codecs(), codec)) {
		errs = append(errs, fmt.Errorf("codec: must be vp8, vp9, h264 or av1, got %q", c.Codec))
	}
	if c.Width < 0 || c.Height < 0 || c.Width%2 != 0 || c.Height%2 != 0 {
		errs = append(errs, fmt.Errorf("width, height: must be even and not negative, got %dx%d", c.Width, c.Height))
	}
	if c.FPS < 0 || c.FPS > maxFPS {
		errs = append(errs, fmt.Errorf("fps: must be 0 to %d, got %g", maxFPS, c.FPS))
	}
	if c.Bitrate < 0 {
		errs = append(errs, fmt.Errorf("bitrate: must not be negative, got %d", c.Bitrate))
	}
	if c.Loop != "" && (c.Clip != "" || c.Codec != "" || c.Width != 0 || c.Height != 0 || c.FPS != 0 || c.Bitrate != 0) {
		errs = append(errs, errors.New("loop: is sent as it is: clip, codec, width, height, fps and bitrate do not go with it"))
	}
	if _, ok := patterns()[c.Pattern]; c.Pattern != "" && !ok {
		errs = append(errs, fmt.Errorf("pattern: must be one of %s, got %q", strings.Join(Patterns(), ", "), c.Pattern))
	}
	if c.Pattern != "" && c.Clip+c.Loop != "" {
		errs = append(errs, errors.New("pattern: is shown in place of a clip or a loop"))
	}
	if c.StepFrames < 0 || c.StepFrames > maxStepFrames {
		errs = append(errs, fmt.Errorf("steps: must be 0 to %d, got %d", maxStepFrames, c.StepFrames))
	}
	if c.StepFrames > 0 && c.Loop != "" {
		errs = append(errs, errors.New("steps: draw their pictures: a loop does not go with them"))
	}
	if c.NeedsImage && c.Loop+c.Schema != "" {
		errs = append(errs, errors.New("needs_image: is of the built-in model's picture: loop and schema do not go with it"))
	}
	if c.Sessions < 0 {
		errs = append(errs, fmt.Errorf("sessions: must not be negative, got %d", c.Sessions))
	}
	if c.Delay < 0 {
		errs = append(errs, fmt.Errorf("delay: must not be negative, got %s", c.Delay))
	}
	if c.SessionLimit < 0 {
		errs = append(errs, fmt.Errorf("session_limit: must not be negative, got %s", c.SessionLimit))
	}
	if c.Recording.Chunk < 0 {
		errs = append(errs, fmt.Errorf("record_chunk: must not be negative, got %s", c.Recording.Chunk))
	}
	if _, _, err := net.SplitHostPort(c.Addr); c.Addr != "" && err != nil {
		errs = append(errs, fmt.Errorf("addr: must be host:port, got %q", c.Addr))
	}
	for _, i := range c.Incidents {
		errs = append(errs, i.What.Validate())
	}
	return errors.Join(append(errs, c.Trouble.Validate())...)
}

// maxFPS is more than any model makes.
const maxFPS = 240

// maxStepFrames is what an input of the real runtime holds.
const maxStepFrames = 128

// codecs are those that the model can encode, in the order of preference.
func codecs() []decode.Codec { return []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.AV1} }

// complete fills in the defaults.
func (c Config) complete() Config {
	if codec, err := decode.ParseCodec(c.Codec); err == nil { // Validate has seen it
		c.Codec = string(codec)
	} else {
		c.Codec = string(decode.VP8)
	}
	if c.Pattern == "" {
		c.Pattern = defaultPattern
	}
	if c.FPS == 0 {
		c.FPS = 30
	}
	if c.Bitrate == 0 {
		c.Bitrate = 4_000_000
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.newEncoder == nil {
		c.newEncoder = ffmpeg.New
	}
	return c
}

// Server is a running model.
type Server struct {
	cfg      Config
	server   *sessiontest.Server
	other    *standIn          // nil: the built-in model
	loop     *sessiontest.Clip // nil: pictures are drawn and encoded
	beat     *sessiontest.Clip // what outputs of audio sound like
	outputs  []string          // of video
	scene    *scene
	width    int // of the picture, in pixels
	height   int
	studio   *studio                   // nil with a loop; touched by show only
	encoders map[viewed]encode.Encoder // made when first wanted

	complaints pipeline.Turns // of pictures that could not be shown

	frames, inputs atomic.Uint64
	visited        chan struct{} // closed when the first client is there
	visit          sync.Once

	mu       sync.Mutex         // guards steppers
	steppers map[string]*studio // by their sessions

	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error // of closing
}

// viewed is what an encoder is for.
type viewed struct{ output, codec string }

// Serve serves the model until ctx ends or Close is called. Close is needed in
// both cases. A configuration that makes no sense, or a clip that cannot be
// played, is pipeline.ErrInvalid.
func Serve(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, pipeline.Invalid(err)
	}
	s := &Server{
		cfg: cfg.complete(), scene: newScene(), encoders: map[viewed]encode.Encoder{}, steppers: map[string]*studio{}, visited: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	ctx, s.cancel = context.WithCancel(ctx)
	m := s.model()
	for _, t := range m.Tracks {
		if t.Direction != sessiontest.SendOnly && t.Kind != sessiontest.Audio {
			s.outputs = append(s.outputs, t.Name)
		}
	}
	var err error
	s.server, err = sessiontest.Serve(ctx, sessiontest.Config{
		Addr: s.cfg.Addr, Model: m, Codecs: s.taken(), SessionLimit: s.cfg.SessionLimit,
		MaxSessions: s.cfg.Sessions, Logger: s.cfg.Log,
		Black:       s.black,
		Recording:   s.cfg.Recording,
		StepResults: sessiontest.StepResults{Enabled: s.cfg.StepFrames > 0},
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.server.SetTrouble(s.cfg.Trouble); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.loop == nil {
		s.wg.Go(func() { s.show(ctx) })
	}
	s.wg.Go(func() { s.tell(ctx) })
	s.wg.Go(func() { s.runIncidents(ctx) })
	return s, nil
}

// sent are the codecs that the model can show itself in, the preferred one first.
func (s *Server) sent() []string {
	if s.loop != nil {
		return []string{s.loop.Codec}
	}
	return appendNew([]string{s.cfg.Codec}, codecs()...)
}

// taken are the codecs that input tracks may have.
func (s *Server) taken() []string {
	return appendNew([]string{s.cfg.Codec}, append(codecs(), decode.H265)...)
}

func appendNew(names []string, more ...decode.Codec) []string {
	for _, c := range more {
		if !slices.Contains(names, string(c)) {
			names = append(names, string(c))
		}
	}
	return names
}

// open gets at what there is to be.
func (s *Server) open() error {
	if s.cfg.Schema != "" {
		other, err := readSchema(s.cfg.Schema)
		if err != nil {
			return pipeline.Invalid(fmt.Errorf("schema: %w", err))
		}
		s.other = other
	}
	var err error
	if s.beat, err = newBeat(); err != nil {
		return err
	}
	if s.cfg.Loop == "" {
		if s.studio, err = openStudio(s.cfg); err != nil {
			return err
		}
		s.width, s.height = s.studio.size()
		return nil
	}
	if s.loop, s.width, s.height, err = readLoop(s.cfg.Loop); err != nil {
		return pipeline.Invalid(fmt.Errorf("loop: %w", err))
	}
	return nil
}

// URL is where the model answers, "http://host:port".
func (s *Server) URL() string { return s.server.URL() }

// Close ends all sessions and waits until nothing of the model is left.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.cancel()
		if s.server != nil {
			s.server.Close()
		}
		s.wg.Wait()
		var errs []error
		if s.studio != nil {
			errs = append(errs, s.studio.Close())
		}
		for _, e := range s.encoders {
			errs = append(errs, e.Close())
		}
		s.err = errors.Join(errs...)
	})
	return s.err
}

// effect changes the picture as a command says, after the delay.
func (s *Server) effect(apply func(*state)) { s.scene.change(s.cfg.Delay, apply) }

// show draws and encodes a picture whenever one is due and somebody watches.
func (s *Server) show(ctx context.Context) {
	interval := time.Duration(float64(time.Second) / s.cfg.FPS)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	begun := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// The time that a tick carries may be older than the last picture's.
			if err := s.picture(time.Since(begun)); err != nil {
				s.complain(err)
			}
		}
	}
}

// complaintInterval is how often the same trouble is logged.
const complaintInterval = 10 * time.Second

// complain says, now and then, that pictures are missing: the next one may be
// better.
func (s *Server) complain(err error) {
	if _, ok := s.complaints.Take(time.Now(), complaintInterval); ok {
		s.cfg.Log.Warn("picture not shown", "err", err)
	}
}

// picture sends one picture to everybody who watches.
func (s *Server) picture(t time.Duration) error {
	var errs []error
	drawn, now := false, s.scene.now()
	if s.cfg.NeedsImage && now.inset == nil {
		return nil
	}
	for _, name := range s.outputs {
		output := s.server.Output(name)
		for _, d := range output.Demand() {
			if !drawn {
				if err := s.studio.draw(t, now); err != nil {
					return err
				}
				drawn = true
			}
			if err := s.send(output, d, t, now.effects); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if drawn {
		s.frames.Add(1)
	}
	return errors.Join(errs...)
}

func (s *Server) send(output *sessiontest.Output, d sessiontest.Demand, t time.Duration, effects int) error {
	to := viewed{output.Track().Name, d.Codec}
	e, err := s.encoder(to)
	if err != nil {
		return err
	}
	packets, err := e.Encode(s.studio.canvas, t, d.Keyframe)
	if err != nil {
		// The next picture gets a new encoder, which begins with a keyframe.
		delete(s.encoders, to)
		return errors.Join(fmt.Errorf("encode %s: %w", d.Codec, err), e.Close())
	}
	for _, p := range packets {
		output.Send(sessiontest.Sample{
			Codec: d.Codec, Data: p.Data, PTS: p.PTS, Keyframe: p.Keyframe,
			Metadata: &sessiontest.Metadata{UserData: counted(s.frames.Load(), effects)},
		})
	}
	return nil
}

func (s *Server) encoder(to viewed) (encode.Encoder, error) {
	if e := s.encoders[to]; e != nil {
		return e, nil
	}
	width, height := s.studio.size()
	e, err := s.cfg.newEncoder(encode.Config{
		Codec: decode.Codec(to.codec), Width: width, Height: height, FPS: s.cfg.FPS, Bitrate: s.cfg.Bitrate,
	})
	if err != nil {
		return nil, fmt.Errorf("encoder for %s: %w", to.codec, err)
	}
	s.encoders[to] = e
	return e, nil
}

// black is a keyframe of a black picture as large as the model's; nil in a codec
// that the model does not encode.
func (s *Server) black(codec string) []byte {
	if !slices.Contains(codecs(), decode.Codec(codec)) {
		return nil
	}
	picture, err := encodeBlack(s.cfg.newEncoder, encode.Config{
		Codec: decode.Codec(codec), Width: encode.EvenDown(s.width), Height: encode.EvenDown(s.height), FPS: s.cfg.FPS, Bitrate: s.cfg.Bitrate,
	})
	if err != nil {
		s.cfg.Log.Warn("no black picture in the size of the model's", "codec", codec, "err", err)
	}
	return picture
}

func encodeBlack(newEncoder func(encode.Config) (encode.Encoder, error), cfg encode.Config) (picture []byte, err error) {
	canvas, err := mat.New(cfg.Width, cfg.Height)
	if err != nil {
		return nil, err
	}
	defer canvas.Close()
	canvas.Mat().SetTo(gocv.NewScalar(0, 0, 0, 0))
	e, err := newEncoder(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	packets, err := e.Encode(canvas, 0, true)
	if err != nil || len(packets) == 0 {
		return nil, err
	}
	return bytes.Clone(packets[0].Data), nil
}

// stateInterval is how often the model says what it does.
const stateInterval = time.Second

// tell broadcasts the state.
func (s *Server) tell(ctx context.Context) {
	tick := time.NewTicker(stateInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.sayState()
		}
	}
}

// sayState broadcasts what the model does, if that is something it says.
func (s *Server) sayState() {
	if s.other != nil {
		s.say(stateName, nil)
		return
	}
	s.server.Broadcast(stateName, s.known())
}

// known is what the model says of itself in every state.
func (s *Server) known() map[string]any {
	known := map[string]any{"current_frame": int(s.shown()), "input_frames": int(s.inputs.Load())} //nolint:gosec // no stream is that long
	if s.other == nil {
		known["current_prompt"] = s.scene.now().caption
	}
	return known
}

// shown is how many pictures there have been.
func (s *Server) shown() uint64 {
	if s.loop == nil {
		return s.frames.Load()
	}
	var n uint64
	for _, name := range s.outputs {
		n = max(n, s.server.Output(name).Sent())
	}
	return n
}
