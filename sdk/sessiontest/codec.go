package sessiontest

import (
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// codec is how a codec is negotiated and cut into packets.
type codec struct {
	name      string
	kind      Kind
	mime      string
	clockRate uint32
	channels  uint16
	fmtp      []string // one payload type each; what is sent may be any profile
	payloader func() rtp.Payloader
}

// firstPayloadType is the first of the dynamic payload types that are free in
// every profile. The client's offer names its own, and those are used.
const firstPayloadType = 96

func codecTable() []codec {
	const h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id="
	return []codec{
		{"vp9", Video, webrtc.MimeTypeVP9, 90000, 0, []string{"profile-id=0"}, func() rtp.Payloader { return &codecs.VP9Payloader{} }},
		{"vp8", Video, webrtc.MimeTypeVP8, 90000, 0, []string{""}, func() rtp.Payloader { return &codecs.VP8Payloader{EnablePictureID: true} }},
		{"h264", Video, webrtc.MimeTypeH264, 90000, 0, []string{h264 + "42e01f", h264 + "42001f", h264 + "4d001f", h264 + "64001f"}, func() rtp.Payloader { return &codecs.H264Payloader{} }},
		{"av1", Video, webrtc.MimeTypeAV1, 90000, 0, []string{"level-idx=5;profile=0;tier=0"}, func() rtp.Payloader { return &codecs.AV1Payloader{} }},
		{"h265", Video, webrtc.MimeTypeH265, 90000, 0, []string{""}, func() rtp.Payloader { return &codecs.H265Payloader{} }},
		{"opus", Audio, webrtc.MimeTypeOpus, 48000, 2, []string{"minptime=10;useinbandfec=1"}, func() rtp.Payloader { return &codecs.OpusPayloader{} }},
	}
}

// videoCodecs is the order of preference of the real runtime.
func videoCodecs() []string { return []string{"vp9", "vp8", "h264", "av1", "h265"} }

func codecNamed(name string) (codec, bool) {
	for _, c := range codecTable() {
		if c.name == name {
			return c, true
		}
	}
	return codec{}, false
}

// codecName is the name of the codec that pion knows by its media type.
func codecName(mime string) string {
	_, name, _ := strings.Cut(mime, "/")
	return strings.ToLower(name)
}

// register makes the codec negotiable, from payload type pt on, and returns the
// next free one.
func (c codec) register(m *webrtc.MediaEngine, pt webrtc.PayloadType) (webrtc.PayloadType, error) {
	kind, feedback := webrtc.RTPCodecTypeAudio, []webrtc.RTCPFeedback(nil)
	if c.kind == Video {
		kind = webrtc.RTPCodecTypeVideo
		feedback = []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBGoogREMB}, {Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"}}
	}
	for _, fmtp := range c.fmtp {
		err := m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{
				MimeType: c.mime, ClockRate: c.clockRate, Channels: c.channels, SDPFmtpLine: fmtp, RTCPFeedback: feedback,
			},
			PayloadType: pt,
		}, kind)
		if err != nil {
			return pt, err
		}
		pt++
	}
	return pt, nil
}
