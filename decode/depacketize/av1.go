package depacketize

import (
	"fmt"

	"github.com/pion/rtp/codecs"
)

// av1 is the RTP payload format for AV1, version 1.0. pion's depacketizer adds
// the size fields that decoders need and keeps the fragment of an OBU.
type av1 struct {
	obus codecs.AV1Depacketizer
}

func (a *av1) begin() { *a = av1{} }

func (a *av1) add(u *unit, payload []byte) error {
	data, err := a.obus.Unmarshal(payload)
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	if u.size == 0 {
		if a.obus.Z {
			return errNoStart
		}
		u.picture = true
		u.keyframe = a.obus.N
	}
	u.data = append(u.data, data...)
	return nil
}

// whole is false where the last OBU goes on in a packet that did not come.
func (a *av1) whole(u *unit) bool { return !a.obus.Y && len(u.data) > 0 }
