// Package ffmpeg decodes with FFmpeg's libavcodec, through go-astiav: a
// decoder for access units, a demuxer for files, and the [Image] that comes
// out, which converts itself with libswscale.
package ffmpeg
