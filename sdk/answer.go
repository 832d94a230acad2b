package sdk

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// section is what an answer says of one media section.
type section struct {
	rejected bool          // port 0
	codecs   []codecAnswer // in the server's order
}

type codecAnswer struct {
	name  string
	pt    uint8
	clock uint32
	fmtp  string
}

// sections reads the media sections of an answer without the data channels'.
// They come in the order of the offer (RFC 3264 section 6), and so of the
// tracks; a rejected one need not have a mid.
func sections(answer string) ([]section, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(answer); err != nil {
		return nil, err
	}
	var out []section
	channels := 0
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Media == "application" {
			if channels++; channels > 1 {
				return nil, errors.New("more than one section of data channels")
			}
			continue
		}
		s := section{rejected: m.MediaName.Port.Value == 0}
		for _, format := range m.MediaName.Formats {
			if c, ok := codecOf(m, format); ok {
				s.codecs = append(s.codecs, c)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func codecOf(m *sdp.MediaDescription, format string) (codecAnswer, bool) {
	pt, err := strconv.ParseUint(format, 10, 7)
	if err != nil {
		return codecAnswer{}, false
	}
	c := codecAnswer{pt: uint8(pt)}
	for _, a := range m.Attributes {
		payload, value, _ := strings.Cut(a.Value, " ")
		if payload != format {
			continue
		}
		switch a.Key {
		case "rtpmap":
			name, rate, _ := strings.Cut(value, "/")
			rate, _, _ = strings.Cut(rate, "/")
			hz, _ := strconv.ParseUint(rate, 10, 32)
			c.name, c.clock = strings.ToLower(name), uint32(hz)
		case "fmtp":
			c.fmtp = value
		}
	}
	return c, c.name != "" && c.clock > 0
}

// sendable says that this client can packetize the codec as answered. H.264
// without packetization-mode 1 has no fragments (RFC 6184 section 6.2).
func (c codecAnswer) sendable() bool {
	switch c.name {
	case "vp8", "vp9", "h265", "av1", "opus":
		return true
	case "h264":
		return strings.Contains(c.fmtp, "packetization-mode=1")
	}
	return false
}
