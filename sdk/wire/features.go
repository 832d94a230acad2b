package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Session-level SDP attributes and the one version of each that is known.
const (
	attrMetadata = "x-reactor-frame-metadata"
	attrChunking = "x-reactor-dc-chunking"
	attrVersion  = "1"
)

// Features is what a session description declares beyond WebRTC. An answerer
// declares only what the offer had; a feature is on when both sides declare it.
type Features struct {
	// FrameMetadata allows the trailer behind encoded video frames.
	FrameMetadata bool
	// MaxMessage is the largest chunked message that the side takes, in bytes;
	// 0 declares no chunking.
	MaxMessage int
}

// ParseFeatures reads the attributes of a session description. Other versions
// and lines that cannot be read count as not declared.
func ParseFeatures(sdp string) Features {
	var f Features
	for line := range strings.Lines(sdp) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "m=") {
			break
		}
		key, value, _ := strings.Cut(strings.TrimPrefix(line, "a="), ":")
		switch {
		case !strings.HasPrefix(line, "a="):
		case key == attrMetadata:
			f.FrameMetadata = strings.TrimSpace(value) == attrVersion
		case key == attrChunking:
			f.MaxMessage = parseChunking(value)
		}
	}
	return f
}

// Insert declares the features in a session description, in front of its first
// media section, in place of what was declared there before.
func (f Features) Insert(sdp string) string {
	var b strings.Builder
	done := false
	for line := range strings.Lines(sdp) {
		if !done && isFeature(line) {
			continue
		}
		if !done && strings.HasPrefix(line, "m=") {
			b.WriteString(f.lines())
			done = true
		}
		b.WriteString(line)
	}
	if !done {
		b.WriteString(f.lines())
	}
	return b.String()
}

// Common is what two sides agree on: the features of both, the smaller limit.
func (f Features) Common(other Features) Features {
	return Features{
		FrameMetadata: f.FrameMetadata && other.FrameMetadata,
		MaxMessage:    min(f.MaxMessage, other.MaxMessage),
	}
}

func (f Features) lines() string {
	var s string
	if f.FrameMetadata {
		s += "a=" + attrMetadata + ":" + attrVersion + "\r\n"
	}
	if f.MaxMessage > 0 {
		s += fmt.Sprintf("a=%s:%s max-message-size=%d\r\n", attrChunking, attrVersion, f.MaxMessage)
	}
	return s
}

func isFeature(line string) bool {
	return strings.HasPrefix(line, "a="+attrMetadata+":") || strings.HasPrefix(line, "a="+attrChunking+":")
}

// parseChunking reads "1 max-message-size=67108864" and gives the size, or 0
// when the line does not declare version 1.
func parseChunking(value string) int {
	version, params, _ := strings.Cut(strings.TrimSpace(value), " ")
	if version != attrVersion {
		return 0
	}
	size := MaxPlainMessage
	for p := range strings.SplitSeq(params, ";") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		key, v, ok := strings.Cut(p, "=")
		if !ok {
			return 0
		}
		if strings.TrimSpace(key) != "max-message-size" {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
		if err != nil || n == 0 {
			return 0
		}
		size = int(n)
	}
	return size
}
