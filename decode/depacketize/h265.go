package depacketize

// h265 is RFC 7798 without decoding order numbers, which WebRTC does not use.
type h265 struct{}

func (h265) headerSize() int { return 2 }

func (h265) packing(payload []byte) packing {
	const aggregation, fragmentation = 48, 49
	switch t := payload[0] >> 1 & 0x3f; {
	case t == aggregation:
		return aggregated
	case t == fragmentation:
		return fragmented
	case t < aggregation:
		return single
	}
	return unpackable
}

func (h265) fragment(payload []byte) (header [2]byte, first, last bool, data []byte) {
	header[0] = payload[0]&0x81 | payload[2]&0x3f<<1
	header[1] = payload[1]
	return header, payload[2]&0x80 != 0, payload[2]&0x40 != 0, payload[3:]
}

func (h265) kind(nal []byte) nalKind {
	const firstParameterSet, firstIRAP, lastIRAP = 32, 16, 23
	switch t := nal[0] >> 1 & 0x3f; {
	case firstIRAP <= t && t <= lastIRAP:
		return keyframeNAL
	case t < firstParameterSet:
		return sliceNAL
	}
	return otherNAL
}

// beginsPicture reads first_slice_segment_in_pic_flag.
func (h265) beginsPicture(nal []byte) bool { return nal[2]&0x80 != 0 }
