package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// Step is one turn of a stepped model, which [Model.Step] makes.
type Step struct {
	Server  *Server
	Session string
	Number  uint64 // in the session, from 1
	// Inputs are the frames that came for each input track since the last step
	// that ran, in order.
	Inputs map[string][]StepFrame
	// Elapsed is the time the model says it took; it is measured if 0.
	Elapsed time.Duration

	session *session
	outputs map[string]*stepOutput
	files   []StepFile
}

// StepFrame is a picture, or a stretch of sound, of a step.
type StepFrame struct {
	// H264 says that Data is an access unit in Annex B form. It is raw otherwise:
	// RGB from the top left, or planes of 16-bit little-endian samples.
	H264 bool
	// Type is that of the elements, "uint8" or "int16".
	Type string
	// Shape is [height, width, 3] of a picture, [channels, samples] of sound.
	Shape       []int
	Data        []byte
	Metadata    []byte        // nil for none
	CaptureTime time.Duration // by the sender's clock; 0 for none
}

// Picture is a raw frame of RGB.
func Picture(width, height int, rgb []byte) StepFrame {
	return StepFrame{Type: "uint8", Shape: []int{height, width, 3}, Data: rgb}
}

// Sound is a raw frame of one channel.
func Sound(samples []int16) StepFrame {
	data := make([]byte, 0, 2*len(samples))
	for _, s := range samples {
		data = append(data, byte(s), byte(uint16(s)>>8))
	}
	return StepFrame{Type: "int16", Shape: []int{1, len(samples)}, Data: data}
}

// StepFile is a file that a step leaves beside its pictures.
type StepFile struct {
	Name, ContentType string
	Data              []byte
}

type stepOutput struct {
	frames []StepFrame
	rate   float64
}

// Emit adds frames to what the step puts out on a track. Rate is in frames, or
// samples, a second; 0 means as fast as the step was.
func (s *Step) Emit(track string, rate float64, frames ...StepFrame) {
	o := s.outputs[track]
	if o == nil {
		o = &stepOutput{}
		s.outputs[track] = o
	}
	o.frames, o.rate = append(o.frames, frames...), rate
}

// pace is the rate of the output of a step that took so long.
func (o *stepOutput) pace(elapsed time.Duration) float64 {
	if o.rate > 0 {
		return o.rate
	}
	return float64(len(o.frames)) / max(elapsed, time.Millisecond).Seconds()
}

// Say broadcasts a message to the clients of the session, ahead of the result.
func (s *Step) Say(typ string, data map[string]any) { s.session.tell(typ, data) }

// Attach keeps a file with the step's result, where results are saved.
func (s *Step) Attach(f StepFile) { s.files = append(s.files, f) }

// StepRefusal is how a model refuses a step: nothing ran, and the frames of the
// request stay for the next one.
type StepRefusal struct{ Reason string }

// Error returns the reason.
func (e *StepRefusal) Error() string { return e.Reason }

// Texts of the runtime about steps.
const (
	textNotStepped   = "this session is not stepped; start it with generation 'stepped' to request steps"
	textNeedChunks   = "this connection cannot carry a step's result; a stepped session needs a WebRTC connection that negotiated data-channel chunking"
	textSessionEnded = "the session ended before the step's result was sent"
)

// stepFailure is a step that has no result, or one of failure.
type stepFailure struct {
	kind        wire.StepFailureCode
	text        string
	code, entry string
}

func refused(entry, format string, args ...any) *stepFailure {
	return &stepFailure{kind: wire.StepFailureCode_STEP_FAILURE_CODE_REFUSED, text: fmt.Sprintf(format, args...), entry: entry}
}

// requestStep queues a step; the connection's later messages wait behind it.
func (c *connection) requestStep(id string, request *wire.RequestStep) {
	x := c.session
	x.post(func() {
		result, failure := c.step(request)
		if failure != nil {
			x.note(eventError, object{"message": "step request: " + failure.text, "conn_id": c.id, "request_id": id})
			result = failure.into(result)
		}
		c.send(&wire.DataServerMessage{
			RequestId: id, Kind: wire.MessageKind_MESSAGE_KIND_RESPONSE,
			Payload: &wire.DataServerMessage_StepResult{StepResult: result},
		})
	})
}

// into writes the failure into a result; the result of a step that ran keeps
// its number.
func (f *stepFailure) into(r *wire.StepResult) *wire.StepResult {
	if r == nil {
		r = &wire.StepResult{}
	}
	r.Error, r.FailureCode = &f.text, f.kind
	if f.code != "" {
		r.Code = &f.code
	}
	if f.entry != "" {
		r.Entry = &f.entry
	}
	return r
}

// step carries a request out: everything is checked first, then the state is
// set, the commands run, and the model turns once.
func (c *connection) step(request *wire.RequestStep) (*wire.StepResult, *stepFailure) {
	x := c.session
	switch {
	case !x.stepped:
		return nil, refused("", textNotStepped)
	case c.features.MaxMessage == 0:
		return nil, refused("", textNeedChunks)
	case x.stepLimit > 0 && x.steps >= uint64(x.stepLimit):
		return nil, refused("", "the session already took its %d steps", x.stepLimit)
	}
	if failure := checkStreams(request.GetMediaInput()); failure != nil {
		return nil, failure
	}
	calls := stepCalls(request)
	if failure := x.awaitCalls(c.ctx, calls, x.srv.cfg.UploadTimeout); failure != nil {
		return nil, failure
	}
	frames, failure := x.stepFrames(request.GetMediaInput())
	if failure != nil {
		return nil, failure
	}
	if failure := x.srv.surface().checkCalls(calls); failure != nil {
		return nil, failure
	}
	if failure := x.runCalls(c.id, calls); failure != nil {
		return nil, failure
	}
	for track, f := range frames {
		x.inputs[track] = append(x.inputs[track], f...)
	}
	result, failure := x.turn()
	if failure == nil && result != nil {
		failure = c.fits(result)
	}
	return result, failure
}

// turn has the model make one step. Touched by the session's events only.
func (x *session) turn() (*wire.StepResult, *stepFailure) {
	s := &Step{Server: x.srv, Session: x.id, session: x, Number: x.steps + 1, Inputs: x.inputs, outputs: map[string]*stepOutput{}}
	begun := time.Now()
	err := runStep(x.ctx, x.srv.model.Step, s)
	if s.Elapsed == 0 {
		s.Elapsed = time.Since(begun)
	}
	var refusal *StepRefusal
	switch {
	case x.ctx.Err() != nil:
		return nil, &stepFailure{kind: wire.StepFailureCode_STEP_FAILURE_CODE_SESSION_ENDED, text: textSessionEnded}
	case errors.As(err, &refusal):
		return nil, refused("", "%s", refusal.Reason)
	}
	x.steps++
	x.inputs = map[string][]StepFrame{}
	result := &wire.StepResult{Step: s.Number, ElapsedSeconds: s.Elapsed.Seconds()}
	if err != nil {
		x.keepStep(s, err.Error())
		return result, &stepFailure{kind: wire.StepFailureCode_STEP_FAILURE_CODE_FAILED, text: err.Error()}
	}
	if x.keepStep(s, "") {
		for _, f := range s.files {
			result.Files = append(result.Files, &wire.StepFileRef{Name: f.Name, ContentType: f.ContentType, Size: uint64(len(f.Data))})
		}
	}
	result.Tracks = x.srv.model.stepTracks(s)
	return result, nil
}

// runStep turns a model's panic into an error, and a model without steps into
// one that puts nothing out.
func runStep(ctx context.Context, step func(context.Context, *Step) error, s *Step) (err error) {
	if step == nil {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return step(ctx, s)
}

// stepTracks are the outputs of a step, in the order of the declaration.
func (m Model) stepTracks(s *Step) []*wire.TrackFrames {
	if len(s.outputs) == 0 {
		return nil
	}
	var tracks []*wire.TrackFrames
	for _, t := range m.Tracks {
		if t.Direction != RecvOnly {
			continue
		}
		track := &wire.TrackFrames{Track: t.Name, Kind: wireKind(t.Kind)}
		if o := s.outputs[t.Name]; o != nil {
			track.Rate = o.pace(s.Elapsed)
			for _, f := range o.frames {
				track.Frames = append(track.Frames, f.message())
			}
		}
		tracks = append(tracks, track)
	}
	return tracks
}

func wireKind(k Kind) wire.TrackKind {
	if k == Audio {
		return wire.TrackKind_TRACK_KIND_AUDIO
	}
	return wire.TrackKind_TRACK_KIND_VIDEO
}

func (f StepFrame) message() *wire.Frame {
	m := &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_RAW, Dtype: f.Type, Data: f.Data, Metadata: f.Metadata}
	if f.H264 {
		m.Encoding = wire.FrameEncoding_FRAME_ENCODING_H264
	}
	for _, n := range f.Shape {
		m.Shape = append(m.Shape, uint32(n))
	}
	if f.CaptureTime != 0 {
		us := f.CaptureTime.Microseconds()
		m.CaptureTimeUs = &us
	}
	return m
}

// fits empties a result that one message cannot carry.
func (c *connection) fits(r *wire.StepResult) *stepFailure {
	size := 0
	for _, t := range r.GetTracks() {
		for _, f := range t.GetFrames() {
			size += len(f.GetData()) + len(f.GetMetadata())
		}
	}
	const envelope = 4096
	if size <= c.features.MaxMessage-envelope {
		return nil
	}
	r.Tracks, r.Files = nil, nil
	return &stepFailure{
		kind: wire.StepFailureCode_STEP_FAILURE_CODE_RESULT_TOO_LARGE,
		text: fmt.Sprintf("step %d's result is at least %d bytes, more than this connection takes in one message", r.GetStep(), size),
	}
}
