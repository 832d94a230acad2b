package depacketize

import (
	"encoding/binary"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/decode"
)

// BeginsKeyframe says that a keyframe begins with a payload, whatever came
// before it: for H.264 and H.265 that there are parameter sets in it, which
// senders put in front of each. It is a first look; only the whole unit tells.
func BeginsKeyframe(codec decode.Codec, payload []byte) bool {
	if len(payload) == 0 {
		return false
	}
	switch codec {
	case decode.VP8:
		var p codecs.VP8Packet
		data, err := p.Unmarshal(payload)
		return err == nil && len(data) > 0 && p.S == 1 && p.PID == 0 && data[0]&1 == 0
	case decode.VP9:
		d, ok := parseVP9(payload)
		return ok && d.begin && d.spatialLayer == 0 && vp9Keyframe(d.data[0])
	case decode.H264:
		const sps = 7
		return holdsNAL(h264{}, payload, func(nal []byte) bool { return nal[0]&0x1f == sps })
	case decode.H265:
		const vps, sps = 32, 33
		return holdsNAL(h265{}, payload, func(nal []byte) bool {
			t := nal[0] >> 1 & 0x3f
			return t == vps || t == sps
		})
	case decode.AV1:
		const newSequence = 0x08
		return payload[0]&newSequence != 0
	case decode.Opus:
	}
	return false
}

// holdsNAL looks for a NAL unit that is whole in a payload.
func holdsNAL(f nalFormat, payload []byte, is func(nal []byte) bool) bool {
	if len(payload) <= f.headerSize() {
		return false
	}
	switch f.packing(payload) {
	case single:
		return is(payload)
	case aggregated:
		list := payload[f.headerSize():]
		for len(list) > 2 {
			size := int(binary.BigEndian.Uint16(list))
			list = list[2:]
			if size == 0 || size > len(list) {
				return false
			}
			if is(list[:size]) {
				return true
			}
			list = list[size:]
		}
	case fragmented, unpackable:
	}
	return false
}

// Follows says that a packet begins the picture right after the last unit, by
// its number, where the codec has one: what is missing between them is padding,
// and nobody has to wait for it.
func (d *Depacketizer) Follows(p *rtp.Packet) bool {
	if d.unit.open || d.last.pictureIDBits == 0 {
		return false
	}
	id, bits, begins := pictureNumber(d.codec, p.Payload)
	u := unit{pictureID: id, pictureIDBits: bits}
	return begins && u.continues(&d.last)
}

// pictureNumber reads the number of the picture that begins with a payload.
func pictureNumber(codec decode.Codec, payload []byte) (id uint16, bits int, begins bool) {
	switch codec {
	case decode.VP8:
		var p codecs.VP8Packet
		if _, err := p.Unmarshal(payload); err != nil {
			return 0, 0, false
		}
		return p.PictureID, pictureIDBits(payload), p.S == 1 && p.PID == 0
	case decode.VP9:
		d, ok := parseVP9(payload)
		return d.pictureID, d.pictureIDBits, ok && d.begin && d.spatialLayer == 0
	case decode.H264, decode.H265, decode.AV1, decode.Opus:
	}
	return 0, 0, false
}
