package sdk

import (
	"fmt"
	"regexp"
	"slices"
)

// What a server may say in an answer. A real one stays far below; one that lies
// is refused before it costs memory, and by name.
const (
	maxBody = 16 << 20 // bytes of an answer: a page of capabilities is some kilobytes
	maxSDP  = 256 << 10
	// maxTracks is how many tracks one connection carries; ten are many.
	maxTracks = 64
	maxName   = 256 // bytes of a track's name
)

// sessionID is what a session's id looks like: a UUID, or what another server
// takes for one. It goes into paths, logs and file names.
var sessionID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$`)

// checkTracks refuses capabilities that cannot be negotiated.
func checkTracks(tracks []TrackInfo) error {
	if len(tracks) > maxTracks {
		return gpuErrorf(CodeDecode, "connect", "capabilities: %d tracks, more than %d", len(tracks), maxTracks)
	}
	for i, t := range tracks {
		if problem := trackProblem(t, tracks[:i]); problem != "" {
			return gpuErrorf(CodeDecode, "connect", "capabilities: track %d: %s", i+1, problem)
		}
	}
	return nil
}

func trackProblem(t TrackInfo, before []TrackInfo) string {
	switch {
	case t.Name == "" || len(t.Name) > maxName:
		return fmt.Sprintf("name of %d bytes", len(t.Name))
	case t.Kind != Video && t.Kind != Audio:
		return fmt.Sprintf("unknown kind %.40q", t.Kind)
	case t.Direction != ReceiveOnly && t.Direction != SendOnly:
		return fmt.Sprintf("unknown direction %.40q", t.Direction)
	case slices.ContainsFunc(before, func(b TrackInfo) bool { return b.Name == t.Name }):
		return fmt.Sprintf("a second %.40q", t.Name)
	}
	return ""
}
