package decode

import "time"

// AccessUnit is the coded data of one picture.
type AccessUnit struct {
	Codec Codec
	// Data is in Annex B form for H.264 and H.265 and a temporal unit of the
	// low-overhead format for AV1. A metadata trailer is already cut off. It
	// belongs to whoever made the unit and stays as it is until their next call.
	Data []byte
	// RTPTime is the RTP timestamp unwrapped to 64 bits, in ticks of the
	// codec's clock.
	RTPTime int64
	// PTS is the presentation time on the source's clock. Depacketizers leave
	// it to the source, demuxers set it.
	PTS time.Duration
	// Arrival is when the unit's last packet came.
	Arrival time.Time
	// Receiving is the time from the unit's first packet to its last; Waiting from
	// there until a decoder was given it, which is for the source to set.
	Receiving, Waiting time.Duration
	// SenderTime is the sender's wall-clock time of the picture by its RTCP
	// sender reports; zero if unknown.
	SenderTime time.Time
	// Keyframe says that decoding can begin here.
	Keyframe bool

	// FrameID, CaptureTime and UserData come from the frame metadata trailer;
	// zero without one. UserData belongs to whoever holds the unit.
	FrameID     uint64
	CaptureTime time.Duration
	UserData    []byte
}
