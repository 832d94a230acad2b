package depacketize

// opus is RFC 7587: a packet is a unit.
type opus struct{}

func (opus) begin() {}

func (opus) add(u *unit, payload []byte) error {
	if len(payload) == 0 {
		return errMalformed
	}
	u.picture, u.keyframe = true, true
	u.data = append(u.data, payload...)
	return nil
}

func (opus) whole(*unit) bool { return true }
