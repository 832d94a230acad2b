package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

const (
	// maxLoop bounds what is held of a loop, in bytes: nine minutes at 4 Mbit/s.
	maxLoop = 256 << 20
	// minLength is that of a picture in a file whose times do not tell two apart.
	minLength = time.Millisecond
)

// ReadLoop reads the video of a file, of any container that FFmpeg reads, as it
// is: nothing is decoded. Its codec must be one that sessions have, and its
// pictures must be in the order in which they are shown, as in any live stream.
func ReadLoop(path string) (*sessiontest.Clip, error) {
	clip, _, _, err := readLoop(path)
	return clip, err
}

// readLoop returns the size of the pictures, too.
func readLoop(path string) (clip *sessiontest.Clip, width, height int, err error) {
	file, err := ffmpeg.OpenFile(path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer file.Close()
	if !file.Codec().Video() {
		return nil, 0, 0, fmt.Errorf("%s: codec: must be h264, h265, vp8, vp9 or av1, got %s", path, file.Codec())
	}
	if clip, err = readUnits(file); err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	width, height = file.Size()
	return clip, width, height, nil
}

func readUnits(file *ffmpeg.File) (*sessiontest.Clip, error) {
	clip := &sessiontest.Clip{Codec: string(file.Codec()), FPS: file.FPS(), Numbered: true}
	size, last := 0, time.Duration(0)
	for {
		au, err := file.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		n := len(clip.Frames)
		start := canStart(au)
		switch {
		case n == 0 && !start:
			continue // nobody could show it
		case n > 0 && au.PTS < last:
			return nil, errors.New("its pictures are not in the order in which they are shown (B-frames): encode it without, as with ffmpeg -bf 0")
		case n > 0:
			clip.Lengths = append(clip.Lengths, max(au.PTS-last, minLength))
		}
		if size += len(au.Data); size > maxLoop {
			return nil, fmt.Errorf("longer than %d MiB", maxLoop>>20)
		}
		if start {
			clip.Keyframes = append(clip.Keyframes, n)
		}
		clip.Frames, last = append(clip.Frames, bytes.Clone(au.Data)), au.PTS
	}
	if len(clip.Frames) == 0 {
		return nil, errors.New("there is no keyframe in it")
	}
	clip.Lengths = append(clip.Lengths, time.Duration(float64(time.Second)/clip.FPS))
	return clip, nil
}

// canStart says that decoding can start at a unit with nothing but the unit: of
// H.264 and H.265, which keep their parameter sets apart, not every keyframe.
func canStart(au *decode.AccessUnit) bool {
	if !au.Keyframe || !au.Codec.AnnexB() {
		return au.Keyframe
	}
	const h264SPS, h265SPS = 7, 33
	startCode := []byte{0, 0, 1}
	for rest := au.Data; ; {
		i := bytes.Index(rest, startCode)
		if i < 0 || i+len(startCode) == len(rest) {
			return false
		}
		rest = rest[i+len(startCode):]
		switch header := rest[0]; {
		case au.Codec == decode.H264 && header&0x1f == h264SPS, au.Codec == decode.H265 && header>>1&0x3f == h265SPS:
			return true
		}
	}
}
