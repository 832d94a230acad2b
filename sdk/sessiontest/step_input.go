package sessiontest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// maxInputFrames is how many frames an input of the model holds.
const maxInputFrames = 128

// checkStreams looks at the H.264 frames of a request: each is one access unit,
// and those of a track begin with a keyframe.
func checkStreams(media []*wire.TrackFrames) *stepFailure {
	for i, t := range media {
		begun := false
		for j, f := range t.GetFrames() {
			if f.GetEncoding() != wire.FrameEncoding_FRAME_ENCODING_H264 {
				continue
			}
			reason := streamRefusal(f, !begun)
			if reason != "" {
				return refused(fmt.Sprintf("media_input[%d].frames[%d]", i, j), "%s", reason)
			}
			begun = true
		}
	}
	return nil
}

// streamRefusal says what is wrong with an encoded frame, "" if nothing is.
func streamRefusal(f *wire.Frame, first bool) string {
	if len(f.GetData()) == 0 {
		return "an H.264 frame carries no data"
	}
	units, err := nalUnits(f.GetData())
	if err != nil {
		return "the H.264 frame holds no picture; each frame is one access unit"
	}
	pictures, idr, over := 0, false, false
	for _, u := range units {
		switch h264.NALUType(u[0] & 0x1f) {
		case h264.NALUTypeIDR, h264.NALUTypeNonIDR:
			if len(u) > 1 && u[1]&0x80 != 0 { // first_mb_in_slice is 0
				pictures++
			}
			idr = idr || h264.NALUType(u[0]&0x1f) == h264.NALUTypeIDR
		case h264.NALUTypeAccessUnitDelimiter, h264.NALUTypeSPS, h264.NALUTypePPS:
			over = over || pictures > 0
		}
	}
	switch {
	case over:
		return "the H.264 frame holds more than one access unit; each frame is one access unit"
	case pictures > 1:
		return "the H.264 frame holds more than one picture; each frame is one access unit"
	case pictures == 0:
		return "the H.264 frame holds no picture; each frame is one access unit"
	case first && !idr:
		return "a track's H.264 frames must start at a keyframe (an IDR access unit)"
	}
	return sizeRefusal(units, f.GetShape())
}

// sizeRefusal compares a keyframe's size with what the frame says of itself.
func sizeRefusal(units [][]byte, shape []uint32) string {
	sps := unitOf(units, h264.NALUTypeSPS)
	var p h264.SPS
	if sps == nil || len(shape) == 0 || p.Unmarshal(sps) != nil {
		return ""
	}
	if is := []uint32{uint32(p.Height()), uint32(p.Width()), 3}; !slices.Equal(is, shape) {
		return fmt.Sprintf("the H.264 frame decodes to %s, not the %s it declares", list(is), list(shape))
	}
	return ""
}

// list writes a shape as Python does.
func list(shape []uint32) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ", ")
}

// stepFrames checks the frames of a request and brings them into the model's
// form.
func (x *session) stepFrames(media []*wire.TrackFrames) (map[string][]StepFrame, *stepFailure) {
	frames := map[string][]StepFrame{}
	for i, t := range media {
		entry, name := fmt.Sprintf("media_input[%d]", i), t.GetTrack()
		track, ok := x.srv.model.track(name)
		_, twice := frames[name]
		switch {
		case !ok || track.Direction != SendOnly:
			return nil, refused(entry, "%s names '%s', which is not an input track of the model", entry, name)
		case twice:
			return nil, refused(entry, "%s names '%s' a second time", entry, name)
		case t.GetKind() != wire.TrackKind_TRACK_KIND_UNSPECIFIED && t.GetKind() != wireKind(track.Kind):
			return nil, refused(entry, "%s says '%s' is not a %s track", entry, name, track.Kind)
		case len(t.GetFrames()) > maxInputFrames:
			return nil, refused(entry, "%s holds %d frames for '%s', whose input buffer holds %d frames", entry, len(t.GetFrames()), name, maxInputFrames)
		}
		frames[name] = []StepFrame{}
		for j, f := range t.GetFrames() {
			if reason := frameRefusal(f, track.Kind); reason != "" {
				if f.GetEncoding() > wire.FrameEncoding_FRAME_ENCODING_H264 {
					return nil, refused(fmt.Sprintf("%s.frames[%d]", entry, j), "%s", reason)
				}
				return nil, refused(entry, "%s.frames[%d]: %s", entry, j, reason)
			}
			frames[name] = append(frames[name], stepFrame(f))
		}
	}
	return frames, nil
}

// frameRefusal says what is wrong with one frame, "" if nothing is.
func frameRefusal(f *wire.Frame, kind Kind) string {
	switch f.GetEncoding() {
	case wire.FrameEncoding_FRAME_ENCODING_RAW, wire.FrameEncoding_FRAME_ENCODING_UNSPECIFIED:
	case wire.FrameEncoding_FRAME_ENCODING_H264:
		if kind == Audio {
			return "an audio frame is raw"
		}
		return ""
	default:
		return fmt.Sprintf("frame encoding %d is not supported", f.GetEncoding())
	}
	dtype, dims, width := "uint8", 3, 1
	if kind == Audio {
		dtype, dims, width = "int16", 2, 2
	}
	if f.GetDtype() != dtype {
		return fmt.Sprintf("a raw %s frame is %s, not '%s'", kind, dtype, f.GetDtype())
	}
	size := width
	for _, n := range f.GetShape() {
		if n == 0 || size > wire.MaxChunkedMessage {
			size = 0
			break
		}
		size *= int(n)
	}
	switch {
	case len(f.GetShape()) != dims || size == 0 || kind == Video && f.GetShape()[2] != 3:
		return fmt.Sprintf("a raw %s frame has %d non-zero dimensions, got shape %s", kind, dims, list(f.GetShape()))
	case size != len(f.GetData()):
		return fmt.Sprintf("a raw %s frame of shape %s is %d bytes, got %d", kind, list(f.GetShape()), size, len(f.GetData()))
	}
	return ""
}

func stepFrame(f *wire.Frame) StepFrame {
	s := StepFrame{
		H264: f.GetEncoding() == wire.FrameEncoding_FRAME_ENCODING_H264, Type: f.GetDtype(), Data: f.GetData(),
		Metadata: f.Metadata, CaptureTime: time.Duration(f.GetCaptureTimeUs()) * time.Microsecond,
	}
	for _, n := range f.GetShape() {
		s.Shape = append(s.Shape, int(n))
	}
	return s
}
