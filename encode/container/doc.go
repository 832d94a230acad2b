// Package container writes encoded video, and sound beside it, into mp4 and mkv files, with FFmpeg's
// libavformat through go-astiav. A file stays playable, but for its last
// moments, whatever ends the process that writes it.
package container
