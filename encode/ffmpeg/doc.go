// Package ffmpeg encodes with FFmpeg's libavcodec, through go-astiav: H.264 by
// x264, VP8 and VP9 by libvpx, AV1 by libaom, all set to hold no picture back;
// H.264 by NVENC, too, where a graphics card has it; sound by libopus.
package ffmpeg
