package depacketize

import "encoding/binary"

// nalKind is what a NAL unit means for the unit it is in.
type nalKind int

const (
	otherNAL nalKind = iota
	sliceNAL
	keyframeNAL
)

// packing says how a payload holds NAL units.
type packing int

const (
	unpackable packing = iota
	single
	aggregated
	fragmented
)

// nalFormat is what differs between H.264 and H.265.
type nalFormat interface {
	headerSize() int
	packing(payload []byte) packing
	// fragment takes apart a payload of a fragmented NAL unit. The header is
	// that of the whole NAL unit; its last byte is in front of all that follow.
	fragment(payload []byte) (header [2]byte, first, last bool, data []byte)
	kind(nal []byte) nalKind
	// beginsPicture says that a slice is the first of its picture.
	beginsPicture(nal []byte) bool
}

// annexB makes a byte stream of NAL units, each behind a start code. pion's
// H.264 depacketizer is not used: it allocates for each NAL unit, twice for a
// fragmented one.
type annexB struct {
	nal  nalFormat
	open bool // a fragmented NAL unit is not complete
}

func (a *annexB) begin() { a.open = false }

func (a *annexB) whole(*unit) bool { return !a.open }

func (a *annexB) add(u *unit, payload []byte) error {
	if len(payload) <= a.nal.headerSize() {
		return errMalformed
	}
	packing := a.nal.packing(payload)
	if a.open && packing != fragmented {
		return errMalformed
	}
	switch packing {
	case single:
		return a.append(u, payload)
	case aggregated:
		return a.addAggregated(u, payload[a.nal.headerSize():])
	case fragmented:
		return a.addFragment(u, payload)
	case unpackable:
	}
	return errMalformed
}

// addAggregated takes a list of NAL units, each behind its size in 16 bits.
func (a *annexB) addAggregated(u *unit, list []byte) error {
	for len(list) > 0 {
		if len(list) < 2 {
			return errMalformed
		}
		size := int(binary.BigEndian.Uint16(list))
		list = list[2:]
		if size <= a.nal.headerSize() || size > len(list) {
			return errMalformed
		}
		if err := a.append(u, list[:size]); err != nil {
			return err
		}
		list = list[size:]
	}
	return nil
}

func (a *annexB) addFragment(u *unit, payload []byte) error {
	size := a.nal.headerSize()
	if len(payload) < size+2 {
		return errMalformed
	}
	header, first, last, data := a.nal.fragment(payload)
	switch {
	case first && a.open:
		return errMalformed
	case !first && !a.open:
		return errNoStart
	}
	a.open = !last
	if !first {
		u.data = append(u.data, data...)
		return nil
	}
	u.data = append(u.data, 0, 0, 0, 1)
	start := len(u.data)
	u.data = append(u.data, header[:size]...)
	u.data = append(u.data, data...)
	return a.inspect(u, u.data[start:])
}

func (a *annexB) append(u *unit, nal []byte) error {
	u.data = append(u.data, 0, 0, 0, 1)
	u.data = append(u.data, nal...)
	return a.inspect(u, nal)
}

// inspect takes notice of a NAL unit. After a loss, a picture that does not
// begin with its first slice has lost that.
func (a *annexB) inspect(u *unit, nal []byte) error {
	kind := a.nal.kind(nal)
	if kind == otherNAL {
		return nil
	}
	if !u.picture && u.afterLoss && !a.nal.beginsPicture(nal) {
		return errNoStart
	}
	u.picture = true
	u.keyframe = u.keyframe || kind == keyframeNAL
	return nil
}
