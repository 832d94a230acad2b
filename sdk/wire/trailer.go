package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// trailerMagic ends a frame that carries metadata.
const trailerMagic = "RXMT"

// trailerTail is what follows the metadata message: its length and the magic.
const trailerTail = 4 + len(trailerMagic)

// AppendTrailer appends metadata to an encoded video frame. Only where both
// sides negotiated it ([Features]), and never with AV1, whose packetizer takes
// the trailer for an OBU.
func AppendTrailer(frame []byte, m *FrameMetadata) []byte {
	start := len(frame)
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(frame, m)
	if err != nil {
		return frame // two integers and bytes: there is nothing to refuse
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(len(out)-start))
	return append(out, trailerMagic...)
}

// SplitTrailer takes the metadata off a reassembled frame. The payload and the
// user data are parts of frame. Without a valid trailer the frame comes back
// whole, with nil. It is inlined, so that the metadata of who does not keep it is
// no allocation.
func SplitTrailer(frame []byte) (payload []byte, m *FrameMetadata) {
	m = &FrameMetadata{}
	if payload, found := m.cutFrom(frame); found {
		return payload, m
	}
	return frame, nil
}

// EndsLikeTrailer says that a frame ends as one with metadata does, valid or not.
func EndsLikeTrailer(frame []byte) bool {
	return len(frame) >= len(trailerMagic) && string(frame[len(frame)-len(trailerMagic):]) == trailerMagic
}

// cutFrom fills in m.
func (x *FrameMetadata) cutFrom(frame []byte) (payload []byte, found bool) {
	body := len(frame) - trailerTail
	if body < 0 || !EndsLikeTrailer(frame) {
		return nil, false
	}
	size := binary.LittleEndian.Uint32(frame[body:])
	if uint64(size) > uint64(body) {
		return nil, false
	}
	start := body - int(size)
	return frame[:start:start], x.read(frame[start:body:body])
}

// read is proto.Unmarshal without its allocations. What it does not know it
// leaves out.
func (x *FrameMetadata) read(b []byte) bool {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		switch {
		case field == 1 && kind == protowire.VarintType:
			x.FrameId, n = protowire.ConsumeVarint(b)
		case field == 2 && kind == protowire.VarintType:
			x.CaptureTimeUs, n = protowire.ConsumeVarint(b)
		case field == 3 && kind == protowire.BytesType:
			x.UserData, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, kind, b)
		}
		if n < 0 {
			return false
		}
		b = b[n:]
	}
	return true
}
