package decode

import (
	"fmt"
	"strings"
)

// Codec names a codec, in lower case, as configurations and messages write it.
type Codec string

// The codecs that reactorpipe knows.
const (
	VP8  Codec = "vp8"
	VP9  Codec = "vp9"
	H264 Codec = "h264"
	H265 Codec = "h265"
	AV1  Codec = "av1"
	Opus Codec = "opus"
)

// Codecs returns all of them, video first.
func Codecs() []Codec { return []Codec{VP8, VP9, H264, H265, AV1, Opus} }

// ParseCodec returns the codec that s names, in any case, with or without the
// "video/" or "audio/" of a MIME type.
func ParseCodec(s string) (Codec, error) {
	name := strings.ToLower(s)
	name = strings.TrimPrefix(name, "video/")
	name = strings.TrimPrefix(name, "audio/")
	for _, c := range Codecs() {
		if name == string(c) {
			return c, nil
		}
	}
	return "", fmt.Errorf("unknown codec %q: must be one of vp8, vp9, h264, h265, av1, opus", s)
}

// Video says that c encodes pictures.
func (c Codec) Video() bool { return c != Opus && c.MIMEType() != "" }

// ClockRate returns the rate of c's RTP timestamps in Hz, 0 for an unknown codec.
func (c Codec) ClockRate() int {
	switch c {
	case VP8, VP9, H264, H265, AV1:
		return 90_000
	case Opus:
		return 48_000
	}
	return 0
}

// MIMEType returns the media type under which SDP and pion know c.
func (c Codec) MIMEType() string {
	switch c {
	case VP8:
		return "video/VP8"
	case VP9:
		return "video/VP9"
	case H264:
		return "video/H264"
	case H265:
		return "video/H265"
	case AV1:
		return "video/AV1"
	case Opus:
		return "audio/opus"
	}
	return ""
}

// AnnexB says that access units of c are NAL units behind start codes.
func (c Codec) AnnexB() bool { return c == H264 || c == H265 }
