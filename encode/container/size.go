package container

import (
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"

	"github.com/reactorpipe/reactorpipe/decode"
)

// Size returns the size of the picture that a keyframe says, in pixels.
func Size(codec decode.Codec, keyframe []byte) (width, height int, err error) {
	switch codec {
	case decode.VP8:
		width, height, err = sizeOfVP8(keyframe)
	case decode.VP9:
		var h vp9.Header
		if err = h.Unmarshal(keyframe); err == nil {
			width, height = h.Width(), h.Height()
		}
	case decode.H264:
		width, height, err = sizeOfH264(keyframe)
	default:
		err = errors.New("is not known")
	}
	if err == nil && (width <= 0 || height <= 0) {
		err = fmt.Errorf("is %d × %d", width, height)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("size of a keyframe of %s: %w", codec, err)
	}
	return width, height, nil
}

// sizeOfVP8 reads the frame header of RFC 6386 §9.1.
func sizeOfVP8(b []byte) (width, height int, err error) {
	if len(b) < 10 || b[0]&1 != 0 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return 0, 0, errors.New("no keyframe")
	}
	const bits = 1<<14 - 1 // the other two say how to scale
	return (int(b[6]) | int(b[7])<<8) & bits, (int(b[8]) | int(b[9])<<8) & bits, nil
}

func sizeOfH264(unit []byte) (width, height int, err error) {
	const sequence = 7
	for nal := range nalUnits(unit) {
		if nal[0]&0x1f != sequence {
			continue
		}
		var sps h264.SPS
		if err := sps.Unmarshal(nal); err != nil {
			return 0, 0, err
		}
		return sps.Width(), sps.Height(), nil
	}
	return 0, 0, errors.New("no sequence parameter set")
}
