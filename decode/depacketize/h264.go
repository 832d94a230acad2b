package depacketize

// h264 is RFC 6184, packetization modes 0 and 1.
type h264 struct{}

func (h264) headerSize() int { return 1 }

func (h264) packing(payload []byte) packing {
	const stapA, fuA = 24, 28
	switch t := payload[0] & 0x1f; {
	case t == stapA:
		return aggregated
	case t == fuA:
		return fragmented
	case 1 <= t && t < stapA:
		return single
	}
	return unpackable
}

func (h264) fragment(payload []byte) (header [2]byte, first, last bool, data []byte) {
	header[0] = payload[0]&0xe0 | payload[1]&0x1f
	return header, payload[1]&0x80 != 0, payload[1]&0x40 != 0, payload[2:]
}

func (h264) kind(nal []byte) nalKind {
	const partitionC, idr = 4, 5
	switch t := nal[0] & 0x1f; {
	case t == idr:
		return keyframeNAL
	case 1 <= t && t <= partitionC:
		return sliceNAL
	}
	return otherNAL
}

// beginsPicture reads first_mb_in_slice, whose first bit is set for 0 alone.
func (h264) beginsPicture(nal []byte) bool { return nal[1]&0x80 != 0 }
