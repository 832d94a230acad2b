package wire

import (
	"encoding/binary"

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

// SplitTrailer takes the metadata off a reassembled frame. The payload is a part
// of frame. Without a valid trailer the frame comes back whole, with nil.
func SplitTrailer(frame []byte) (payload []byte, m *FrameMetadata) {
	body := len(frame) - trailerTail
	if body < 0 || string(frame[len(frame)-len(trailerMagic):]) != trailerMagic {
		return frame, nil
	}
	size := binary.LittleEndian.Uint32(frame[body:])
	if uint64(size) > uint64(body) {
		return frame, nil
	}
	start := body - int(size)
	m = &FrameMetadata{}
	if err := proto.Unmarshal(frame[start:body], m); err != nil {
		return frame, nil
	}
	return frame[:start:start], m
}
