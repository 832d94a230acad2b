package ffmpeg

// #include <libavutil/avutil.h>
import "C"

// Version returns the version of the FFmpeg that is linked, as it calls itself.
func Version() string { return C.GoString(C.av_version_info()) }
