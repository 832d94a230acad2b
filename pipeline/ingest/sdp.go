package ingest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/reactorpipe/reactorpipe/decode"
)

// readSDP reads what a session description says of its first video that can be
// decoded.
func readSDP(path string) (rtpStream, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return rtpStream{}, fmt.Errorf("sdp: %w", err)
	}
	s, err := parseSDP(text)
	if err != nil {
		return rtpStream{}, fmt.Errorf("sdp: %s: %w", path, err)
	}
	return s, nil
}

func parseSDP(text []byte) (rtpStream, error) {
	// ffmpeg writes "SDP:" in front where it prints one.
	text = []byte(strings.TrimPrefix(strings.TrimSpace(string(text)), "SDP:"))
	var d sdp.SessionDescription
	if err := d.Unmarshal([]byte(strings.TrimSpace(string(text)) + "\r\n")); err != nil {
		return rtpStream{}, err
	}
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Media != "video" {
			continue
		}
		for _, format := range m.MediaName.Formats {
			pt, err := strconv.ParseUint(format, 10, 7)
			if err != nil {
				continue
			}
			if s, ok := streamOf(&d, uint8(pt)); ok {
				return s, nil
			}
		}
	}
	return rtpStream{}, errors.New("there is no video in it that can be decoded")
}

func streamOf(d *sdp.SessionDescription, pt uint8) (rtpStream, bool) {
	c, err := d.GetCodecForPayloadType(pt)
	if err != nil {
		return rtpStream{}, false
	}
	codec, err := decode.ParseCodec(c.Name)
	if err != nil || !codec.Video() {
		return rtpStream{}, false
	}
	return rtpStream{codec: codec, payloadType: int(pt), parameterSets: parameterSets(c.Fmtp)}, true
}

// parameterSets reads the sets of a format's parameters (RFC 6184 section 8.1,
// RFC 7798 section 7.1). What cannot be read is left out: the stream may have it.
func parameterSets(fmtp string) []byte {
	var sets []byte
	for field := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch strings.ToLower(name) {
		case "sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps":
		default:
			continue
		}
		for set := range strings.SplitSeq(value, ",") {
			nal, err := base64.StdEncoding.DecodeString(set)
			if err == nil {
				sets = append(sets, annexB(nal)...)
			}
		}
	}
	return sets
}
