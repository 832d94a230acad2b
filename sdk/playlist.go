package sdk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Bounds of a playlist. A day of four-second chunks is 21600 segments; signed
// addresses have one or two kilobytes.
const (
	maxPlaylist = 64 << 20
	maxSegments = 21600
	maxURL      = 16 << 10
)

// fragments are the names of segments that mean nothing without an init segment.
var fragments = []string{".m4s", ".mp4", ".m4a", ".m4v"}

// parsePlaylist reads an HLS media playlist (RFC 8216) and returns what has to
// be put together: the init segment, then all others.
func parsePlaylist(text []byte, from *url.URL) ([]*url.URL, error) {
	var initSegment *url.URL
	var segments []*url.URL
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxURL)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if n == 1 && line != "#EXTM3U" {
			return nil, errors.New("the first line is not #EXTM3U")
		}
		u, isInit, err := playlistLine(line, from)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n, err)
		case u == nil:
		case !isInit:
			segments = append(segments, u)
		case initSegment != nil && *u != *initSegment:
			return nil, fmt.Errorf("line %d: a second init segment", n)
		default:
			initSegment = u
		}
		if len(segments) > maxSegments {
			return nil, fmt.Errorf("more than %d segments", maxSegments)
		}
	}
	switch {
	case lines.Err() != nil:
		return nil, fmt.Errorf("a line of more than %d bytes", maxURL)
	case len(segments) == 0:
		return nil, errors.New("no segments")
	case initSegment != nil:
		return append([]*url.URL{initSegment}, segments...), nil
	case slices.Contains(fragments, path.Ext(segments[0].Path)):
		return nil, errors.New("fragments without an init segment")
	}
	return segments, nil
}

// playlistLine returns the address that a line names, nil for none.
func playlistLine(line string, from *url.URL) (u *url.URL, isInit bool, err error) {
	tag, attributes, _ := strings.Cut(line, ":")
	switch tag {
	case "#EXT-X-STREAM-INF":
		return nil, false, errors.New("a list of playlists")
	case "#EXT-X-BYTERANGE":
		return nil, false, errors.New("byte ranges are not supported")
	case "#EXT-X-KEY":
		if attribute(attributes, "METHOD") != "NONE" {
			return nil, false, errors.New("encrypted segments are not supported")
		}
	case "#EXT-X-MAP":
		if attribute(attributes, "BYTERANGE") != "" {
			return nil, false, errors.New("byte ranges are not supported")
		}
		u, err = webURL(attribute(attributes, "URI"), from)
		return u, true, err
	}
	if line == "" || line[0] == '#' {
		return nil, false, nil
	}
	u, err = webURL(line, from)
	return u, false, err
}

// attribute returns a value of an attribute list (RFC 8216 section 4.2).
func attribute(list, name string) string {
	for list != "" {
		key, rest, ok := strings.Cut(list, "=")
		if !ok {
			return ""
		}
		var value string
		if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
			value, rest, _ = strings.Cut(quoted, `"`)
			rest = strings.TrimPrefix(rest, ",")
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		if strings.TrimSpace(key) == name {
			return value
		}
		list = rest
	}
	return ""
}

// errNotWeb is the error of an address that is not fetched: what follows the
// path may be secret.
func errNotWeb(s string) error {
	return fmt.Errorf("must be an http(s) address, got %q", redactURL(s[:min(len(s), maxQuoted)]))
}
