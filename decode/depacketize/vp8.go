package depacketize

import (
	"fmt"

	"github.com/pion/rtp/codecs"
)

// vp8 is RFC 7741.
type vp8 struct {
	packet codecs.VP8Packet
}

func (*vp8) begin() {}

func (v *vp8) add(u *unit, payload []byte) error {
	data, err := v.packet.Unmarshal(payload)
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	first := len(u.data) == 0
	head := v.packet.S == 1 && v.packet.PID == 0
	switch {
	case len(data) == 0:
		return errMalformed
	case first && !head:
		return errNoStart
	case !first && head:
		return errMalformed
	}
	if first {
		u.picture = true
		u.keyframe = data[0]&1 == 0 // RFC 6386 §9.1
		u.pictureID, u.pictureIDBits = v.packet.PictureID, pictureIDBits(payload)
	}
	u.data = append(u.data, data...)
	return nil
}

// pictureIDBits returns the width of the picture ID of a descriptor that has
// been parsed: 0, 7 or 15.
func pictureIDBits(payload []byte) int {
	if payload[0]&0x80 == 0 || payload[1]&0x80 == 0 {
		return 0
	}
	if payload[2]&0x80 == 0 {
		return 7
	}
	return 15
}

func (*vp8) whole(*unit) bool { return true }
