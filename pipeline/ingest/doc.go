// Package ingest holds the sources: a track of a session, the messages of a
// model, RTP and RTSP from elsewhere, files, a test picture. It joins package sdk,
// which knows no pixels, with package decode, which knows no sessions.
//
// [Open] gives programs without a pipeline the decoded frames of a track,
// [OpenSound] the samples of an audio track, on the same clock.
package ingest

import "github.com/reactorpipe/reactorpipe/pipeline"

// Register adds the kinds of sources that ship.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSource(r, pipeline.SourceKind[TrackConfig]{
		Name: "track", Default: defaultTrack, New: NewTrack, Session: true, Units: true,
	})
	pipeline.RegisterSource(r, pipeline.SourceKind[FileConfig]{
		Name: "file", Default: defaultFile, New: NewFile, Units: true,
	})
	pipeline.RegisterSource(r, pipeline.SourceKind[RTPConfig]{
		Name: "rtp", Default: defaultRTP, New: NewRTP, Units: true,
	})
	pipeline.RegisterSource(r, pipeline.SourceKind[RTSPConfig]{
		Name: "rtsp", Default: defaultRTSP, New: NewRTSP, Units: true,
	})
	pipeline.RegisterSource(r, pipeline.SourceKind[ImagesConfig]{
		Name: "images", Default: defaultImages, New: NewImages,
	})
	pipeline.RegisterSource(r, pipeline.SourceKind[PatternConfig]{
		Name: "pattern", Default: defaultPattern, New: NewPattern,
	})
	pipeline.RegisterSource(r, pipeline.SourceKind[MessageConfig]{
		Name: "message", New: NewMessage, Session: true, Messages: true,
	})
}
