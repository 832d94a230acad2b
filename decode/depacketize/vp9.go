package depacketize

// vp9 is RFC 9628, flexible mode and not. Of a stream with several spatial
// layers the lowest is taken. pion's parser is not used: its reference indices
// grow from packet to packet.
type vp9 struct {
	ended bool // the last packet had the end-of-frame bit
}

func (v *vp9) begin() { v.ended = false }

func (v *vp9) add(u *unit, payload []byte) error {
	d, ok := parseVP9(payload)
	if !ok {
		return errMalformed
	}
	if d.spatialLayer > 0 {
		return nil
	}
	first := len(u.data) == 0
	if first && !d.begin {
		return errNoStart
	}
	if !first && d.begin != v.ended {
		return errMalformed
	}
	if first {
		u.picture = true
		u.keyframe = vp9Keyframe(d.data[0])
		u.pictureID, u.pictureIDBits = d.pictureID, d.pictureIDBits
	}
	v.ended = d.end
	u.data = append(u.data, d.data...)
	return nil
}

func (v *vp9) whole(u *unit) bool { return u.picture }

// vp9Descriptor is what precedes the data in a payload (RFC 9628 §4.2).
type vp9Descriptor struct {
	begin, end    bool
	spatialLayer  int
	pictureID     uint16
	pictureIDBits int
	data          []byte
}

// bytesOf reads a descriptor byte by byte; after the last, failed is set.
type bytesOf struct {
	rest   []byte
	failed bool
}

func (b *bytesOf) next() byte {
	if len(b.rest) == 0 {
		b.failed = true
		return 0
	}
	c := b.rest[0]
	b.rest = b.rest[1:]
	return c
}

func (b *bytesOf) skip(n int) {
	if n > len(b.rest) {
		b.failed = true
		n = len(b.rest)
	}
	b.rest = b.rest[n:]
}

// parseVP9 returns false for a descriptor that is cut off, or has no data
// behind it.
func parseVP9(payload []byte) (vp9Descriptor, bool) {
	const (
		hasPictureID  = 0x80
		predicted     = 0x40
		hasLayers     = 0x20
		flexible      = 0x10
		beginsFrame   = 0x08
		endsFrame     = 0x04
		hasStructure  = 0x02
		maxReferences = 3
	)
	b := bytesOf{rest: payload}
	flags := b.next()
	d := vp9Descriptor{begin: flags&beginsFrame != 0, end: flags&endsFrame != 0}
	if flags&hasPictureID != 0 {
		d.readPictureID(&b)
	}
	if flags&hasLayers != 0 {
		d.spatialLayer = int(b.next()>>1) & 7
		if flags&flexible == 0 {
			b.next() // TL0PICIDX
		}
	}
	if flags&flexible != 0 && flags&predicted != 0 {
		for n := 1; b.next()&1 != 0; n++ {
			if n == maxReferences {
				return d, false
			}
		}
	}
	if flags&hasStructure != 0 {
		skipStructure(&b)
	}
	d.data = b.rest
	return d, !b.failed && len(d.data) > 0
}

func (d *vp9Descriptor) readPictureID(b *bytesOf) {
	id := b.next()
	if id&0x80 == 0 {
		d.pictureID, d.pictureIDBits = uint16(id), 7
		return
	}
	d.pictureID, d.pictureIDBits = uint16(id&0x7f)<<8|uint16(b.next()), 15
}

// skipStructure passes over the scalability structure.
func skipStructure(b *bytesOf) {
	flags := b.next()
	if flags&0x10 != 0 { // a width and a height for each layer
		b.skip(4 * (int(flags>>5) + 1))
	}
	if flags&0x08 == 0 {
		return
	}
	for pictures := b.next(); pictures > 0 && !b.failed; pictures-- {
		b.skip(int(b.next()>>2) & 3)
	}
}

// vp9Keyframe reads the first byte of the uncompressed header (VP9 bitstream
// specification §6.2): marker, profile, show_existing_frame, frame_type.
func vp9Keyframe(c byte) bool {
	const marker, profile3 = 0x80, 0x30
	if c&0xc0 != marker {
		return false
	}
	if c&profile3 == profile3 { // a reserved bit comes before the others
		c <<= 1
	}
	return c&0x08 == 0 && c&0x04 == 0
}
