package sessiontest

import (
	"slices"
	"strings"
)

// section is a media section of an offer.
type section struct {
	mid       string
	kind      Kind
	direction string // sendrecv if it does not say
	codecs    []string
}

// sections reads the audio and video sections of an offer.
func sections(sdp string) []section {
	var all []section
	var s *section
	for line := range strings.Lines(sdp) {
		line = strings.TrimRight(line, "\r\n")
		if media, ok := strings.CutPrefix(line, "m="); ok {
			kind, _, _ := strings.Cut(media, " ")
			s = nil
			if Kind(kind) == Video || Kind(kind) == Audio {
				all = append(all, section{kind: Kind(kind), direction: "sendrecv"})
				s = &all[len(all)-1]
			}
			continue
		}
		if s != nil {
			s.attribute(strings.TrimPrefix(line, "a="))
		}
	}
	return all
}

func (s *section) attribute(line string) {
	key, value, _ := strings.Cut(line, ":")
	switch key {
	case "mid":
		s.mid = value
	case "recvonly", "sendonly", "sendrecv", "inactive":
		s.direction = key
	case "rtpmap":
		_, encoding, _ := strings.Cut(value, " ")
		name, _, _ := strings.Cut(encoding, "/")
		s.codecs = append(s.codecs, strings.ToLower(name))
	}
}

// receives says that the client wants media in the section.
func (s section) receives() bool { return s.direction == "recvonly" || s.direction == "sendrecv" }

// common is the first of the codecs that the section offers, "" if none.
func (s section) common(codecs []string) string {
	for _, name := range codecs {
		if slices.Contains(s.codecs, name) {
			return name
		}
	}
	return ""
}
