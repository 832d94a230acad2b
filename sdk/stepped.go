package sdk

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// How a session generates, for [Config.Generation].
const (
	Streamed = "streamed" // media flows by itself
	Stepped  = "stepped"  // nothing flows; each [Session.Step] brings its media with it
)

const opStep = "step"

// stepTimeout is the default of [Config.StepTimeout].
const stepTimeout = 300 * time.Second

// StepRequest is one request of a stepped session. Nothing in it is kept.
type StepRequest struct {
	// State are fields of the model: "x" runs its command set_x with {x: value}.
	// File references may stand anywhere.
	State map[string]any
	// Commands run after State, in order.
	Commands []StepCommand
	// Media are the frames for each input track, in order.
	Media map[string][]StepFrame
}

// StepCommand is a command within a step. What a model answers to it comes as a
// message, before the result.
type StepCommand struct {
	Name string
	Args map[string]any
}

// The encodings of a [StepFrame].
const (
	EncodingRaw  = "raw"
	EncodingH264 = "h264"
)

// StepFrame is one frame into or out of a step. [RawPicture], [RawAudio] and
// [EncodedPicture] make it.
type StepFrame struct {
	Encoding string // [EncodingRaw] if empty
	// DType and Shape say what Data is: of a raw picture uint8 and height, width,
	// 3 (RGB, rows from the top); of raw audio int16 and channels, samples (one
	// channel after the other, little endian); of an encoded picture the shape of
	// the decoded one, or none.
	DType string
	Shape []int
	Data  []byte // H.264: one access unit in Annex B form

	Metadata    []byte        // nil for none
	CaptureTime time.Duration // 0 for none
}

// RawPicture is a frame of width×height RGB pixels, three bytes each.
func RawPicture(rgb []byte, width, height int) StepFrame {
	return StepFrame{DType: "uint8", Shape: []int{height, width, 3}, Data: rgb}
}

// RawAudio is a frame of samples at the rate that the model declares: a slice
// for each channel, all equally long.
func RawAudio(channels ...[]int16) StepFrame {
	f := StepFrame{DType: "int16", Shape: []int{len(channels), 0}}
	for _, samples := range channels {
		f.Shape[1] = len(samples)
		for _, s := range samples {
			f.Data = binary.LittleEndian.AppendUint16(f.Data, uint16(s))
		}
	}
	return f
}

// EncodedPicture is one H.264 access unit in Annex B form. The first of a track
// in a step must be a keyframe.
func EncodedPicture(accessUnit []byte, width, height int) StepFrame {
	return StepFrame{Encoding: EncodingH264, DType: "uint8", Shape: []int{height, width, 3}, Data: accessUnit}
}

// StepResult is what a step brought.
type StepResult struct {
	Step    uint64 // its number in the session, from 1
	Elapsed time.Duration
	Outputs []StepOutput // in the model's order; none where it sent nothing
	Files   []StepFile   // kept beside the step; see [Session.DownloadStepFile]
	// Failure is why the model could not generate, "" if it could.
	Failure string
}

// StepOutput is what a step put out on one track.
type StepOutput struct {
	Track  string
	Kind   string // [Video] or [Audio]
	Frames []StepFrame
	Rate   float64 // frames or samples a second, 0 if not said
}

// StepFile is a file that a model made in a step.
type StepFile struct {
	Name string `json:"name"`
	Type string `json:"content_type"`
	Size uint64 `json:"size"` // bytes
}

// Output returns what the step put out on a track; false if nothing.
func (r StepResult) Output(track string) (StepOutput, bool) {
	i := slices.IndexFunc(r.Outputs, func(o StepOutput) bool { return o.Track == track })
	if i < 0 {
		return StepOutput{}, false
	}
	return r.Outputs[i], true
}

// Step runs one step of a stepped session and waits for its result. Steps run
// one after the other, in the order of the calls. One that did not run is an
// error, [Error.Entry] names the part at fault; after [ErrTimeout] and
// [ErrDisconnected] it may have run. One whose ctx is over before the call does not.
func (s *Session) Step(ctx context.Context, step StepRequest) (StepResult, error) {
	if s.cfg.Generation != Stepped {
		return StepResult{}, gpuErrorf(CodeInvalidState, opStep, "the session is streamed, not stepped")
	}
	request, err := s.encodeStep(step)
	if err != nil {
		return StepResult{}, err
	}
	c, err := s.ready(opStep)
	if err != nil {
		return StepResult{}, err
	}
	timeout := cmp.Or(s.cfg.StepTimeout, stepTimeout)
	answer, err := c.ask(ctx, opStep, &wire.DataClientMessage{Payload: &wire.DataClientMessage_RequestStep{RequestStep: request}}, timeout)
	if err != nil {
		return StepResult{}, err
	}
	r := answer.GetStepResult()
	if r == nil {
		return StepResult{}, gpuErrorf(CodeDecode, opStep, "the answer holds no result")
	}
	if e := stepError(r); e != nil {
		return StepResult{}, e
	}
	return decodeStep(r)
}

// ask sends a request on the data channel and waits for its answer.
func (c *conn) ask(ctx context.Context, op string, m *wire.DataClientMessage, patience time.Duration) (*wire.DataServerMessage, error) {
	id := c.session.requestID("data", &c.session.dataIDs)
	m.RequestId, m.Kind = id, wire.MessageKind_MESSAGE_KIND_REQUEST
	a, err := c.roundTrip(ctx, op, id, m, patience)
	return a.data, err
}

func (s *Session) encodeStep(step StepRequest) (*wire.RequestStep, error) {
	r := &wire.RequestStep{}
	var err error
	if len(step.State) > 0 {
		if r.State, err = wire.NewStruct(step.State); err != nil {
			return nil, gpuErrorf(CodeDecode, opStep, "state.%v", err)
		}
	}
	for i, command := range step.Commands {
		data, uploads, err := arguments(command.Args)
		if err != nil {
			return nil, gpuErrorf(CodeDecode, opStep, "commands[%d]: %v", i, err)
		}
		if len(command.Args) == 0 {
			data = nil
		}
		r.Commands = append(r.Commands, &wire.Command{Type: command.Name, Data: data, Uploads: uploads})
	}
	for _, name := range slices.Sorted(maps.Keys(step.Media)) {
		frames, err := s.encodeFrames(name, step.Media[name])
		if err != nil {
			return nil, err
		}
		r.MediaInput = append(r.MediaInput, frames)
	}
	return r, nil
}

func (s *Session) encodeFrames(name string, frames []StepFrame) (*wire.TrackFrames, error) {
	t, err := s.Track(name)
	if err != nil {
		return nil, err
	}
	if t.info.Direction != SendOnly {
		return nil, gpuErrorf(CodeInvalidState, opStep, "track %s is not an input of the model", name)
	}
	out := &wire.TrackFrames{Track: name, Kind: wireKind(t.info.Kind)}
	for i, f := range frames {
		encoded, err := f.encode(t.info.Kind)
		if err != nil {
			return nil, gpuErrorf(CodeBadRequest, opStep, "media %s[%d]: %v", name, i, err)
		}
		out.Frames = append(out.Frames, encoded)
	}
	return out, nil
}

func wireKind(kind string) wire.TrackKind {
	if kind == Audio {
		return wire.TrackKind_TRACK_KIND_AUDIO
	}
	return wire.TrackKind_TRACK_KIND_VIDEO
}

func (f StepFrame) encode(kind string) (*wire.Frame, error) {
	out := &wire.Frame{Dtype: f.DType, Data: f.Data, Metadata: f.Metadata}
	switch f.Encoding {
	case "", EncodingRaw:
		out.Encoding = wire.FrameEncoding_FRAME_ENCODING_RAW
		if err := f.checkRaw(); err != nil {
			return nil, err
		}
	case EncodingH264:
		out.Encoding = wire.FrameEncoding_FRAME_ENCODING_H264
		if kind != Video || len(f.Data) == 0 {
			return nil, fmt.Errorf("an H.264 frame is one picture of a video track")
		}
	default:
		return nil, fmt.Errorf("encoding: must be %s or %s, got %q", EncodingRaw, EncodingH264, f.Encoding)
	}
	for _, n := range f.Shape {
		if n < 0 || n > maxDimension {
			return nil, fmt.Errorf("shape: must be from 0 to %d, got %d", maxDimension, n)
		}
		out.Shape = append(out.Shape, uint32(n))
	}
	if us := f.CaptureTime.Microseconds(); us != 0 {
		out.CaptureTimeUs = &us
	}
	return out, nil
}

// maxDimension bounds the sides of a frame, so that their product does not
// overflow where it is computed. A message holds fewer bytes.
const maxDimension = 1 << 26

// itemSizes are the bytes of one item of a frame.
var itemSizes = map[string]int{
	"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "float16": 2, "float32": 4, "float64": 8,
}

// checkRaw compares a raw frame's bytes with its shape.
func (f StepFrame) checkRaw() error {
	size := itemSizes[f.DType]
	if size == 0 {
		return fmt.Errorf("dtype: must be one of %s, got %q", list(slices.Sorted(maps.Keys(itemSizes))), f.DType)
	}
	for _, n := range f.Shape {
		if n < 0 || n > maxDimension || size*n > maxDimension*8 {
			return fmt.Errorf("shape: %v is larger than a message", f.Shape)
		}
		size *= n
	}
	if size != len(f.Data) {
		return fmt.Errorf("a frame of %s %v is %d bytes, got %d", f.DType, f.Shape, size, len(f.Data))
	}
	return nil
}

// stepError is the error of a step that did not run, nil for one that did.
func stepError(r *wire.StepResult) *Error {
	code, refused := "", false
	switch r.GetFailureCode() {
	case wire.StepFailureCode_STEP_FAILURE_CODE_UNSPECIFIED, wire.StepFailureCode_STEP_FAILURE_CODE_FAILED:
		return nil
	case wire.StepFailureCode_STEP_FAILURE_CODE_REFUSED:
		code, refused = CodeStepRefused, true
	case wire.StepFailureCode_STEP_FAILURE_CODE_NOT_READY:
		code = CodeStepNotReady
	case wire.StepFailureCode_STEP_FAILURE_CODE_RESULT_TOO_LARGE:
		code = CodeStepTooLarge
	case wire.StepFailureCode_STEP_FAILURE_CODE_COMMAND_FAILED:
		code, refused = CodeStepCommand, true
	case wire.StepFailureCode_STEP_FAILURE_CODE_SESSION_ENDED:
		code = CodeStepSessionEnded
	default:
		code = CodeInternal
	}
	e := gpuError(code, opStep, r.GetError())
	e.refused, e.Entry, e.CommandCode = refused, r.GetEntry(), r.GetCode()
	return e
}

func decodeStep(r *wire.StepResult) (StepResult, error) {
	out := StepResult{Step: r.GetStep(), Elapsed: seconds(r.GetElapsedSeconds()), Failure: r.GetError()}
	for _, f := range r.GetFiles() {
		out.Files = append(out.Files, StepFile{Name: f.GetName(), Type: f.GetContentType(), Size: f.GetSize()})
	}
	for _, t := range r.GetTracks() {
		o := StepOutput{Track: t.GetTrack(), Kind: Video, Rate: t.GetRate()}
		if t.GetKind() == wire.TrackKind_TRACK_KIND_AUDIO {
			o.Kind = Audio
		}
		for i, f := range t.GetFrames() {
			frame, err := decodeFrame(f)
			if err != nil {
				err.Message = fmt.Sprintf("output %s[%d]: %s", o.Track, i, err.Message)
				return StepResult{}, err
			}
			o.Frames = append(o.Frames, frame)
		}
		out.Outputs = append(out.Outputs, o)
	}
	return out, nil
}

func decodeFrame(f *wire.Frame) (StepFrame, *Error) {
	out := StepFrame{
		Encoding: EncodingRaw, DType: f.GetDtype(), Data: f.GetData(), Metadata: f.Metadata,
		CaptureTime: time.Duration(f.GetCaptureTimeUs()) * time.Microsecond,
	}
	for _, n := range f.GetShape() {
		out.Shape = append(out.Shape, int(n))
	}
	switch f.GetEncoding() {
	case wire.FrameEncoding_FRAME_ENCODING_H264:
		out.Encoding = EncodingH264
		return out, nil
	case wire.FrameEncoding_FRAME_ENCODING_RAW:
		if err := out.checkRaw(); err != nil {
			return StepFrame{}, gpuErrorf(CodeDecode, opStep, "%v", err)
		}
		return out, nil
	}
	return StepFrame{}, gpuErrorf(CodeFrameEncoding, opStep, "unknown frame encoding %d", f.GetEncoding())
}
