package sessiontest

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
)

// clips are what testdata/generate makes.
//
//go:embed testdata/*.ivf testdata/*.h264 testdata/*.h265
var clips embed.FS

// Clip is a piece of encoded video, or sound, to be played in a loop. Its first
// frame is a keyframe.
type Clip struct {
	Codec  string
	FPS    float64  // of frames without Lengths
	Frames [][]byte // access units
	// Lengths are how long each frame lasts; nil for frames of one length.
	Lengths []time.Duration
	// Keyframes are the frames, by their index and in order, that decoding can
	// start at. Without any it is the first alone.
	Keyframes []int
	// Numbered frames carry their number from 0 as user data, {"frame":17}.
	Numbered bool
}

// validate says what makes no sense in c.
func (c *Clip) validate() error {
	switch {
	case len(c.Frames) == 0:
		return errors.New("frames: there are none")
	case c.Lengths == nil && !(c.FPS > 0):
		return fmt.Errorf("fps: must be positive, got %g", c.FPS)
	case c.Lengths != nil && len(c.Lengths) != len(c.Frames):
		return fmt.Errorf("lengths: must be as many as frames, %d, got %d", len(c.Frames), len(c.Lengths))
	case slices.ContainsFunc(c.Lengths, func(d time.Duration) bool { return d <= 0 }):
		return fmt.Errorf("lengths: must be positive, got %v", slices.Min(c.Lengths))
	case slices.ContainsFunc(c.Keyframes, func(k int) bool { return k < 0 || k >= len(c.Frames) }):
		return fmt.Errorf("keyframes: must be from 0 to %d, got %v", len(c.Frames)-1, c.Keyframes)
	}
	return nil
}

// length is how long a frame lasts.
func (c *Clip) length(frame int) time.Duration {
	if c.Lengths != nil {
		return c.Lengths[frame]
	}
	return time.Duration(float64(time.Second) / c.FPS)
}

// entry is the next frame from here that decoding can start at.
func (c *Clip) entry(from int) int {
	if i, _ := slices.BinarySearch(c.Keyframes, from); i < len(c.Keyframes) {
		return c.Keyframes[i]
	}
	return 0
}

func (c *Clip) keyframe(frame int) bool {
	_, ok := slices.BinarySearch(c.Keyframes, frame)
	return ok || frame == 0
}

// TestClips are the same two seconds in VP8, H.264 and VP9, in this order: the
// test picture of 160×120 at 30 fps, whose first frame is the only keyframe. The
// number of a frame, 0 to 59, is in the picture, for [FrameNumber], and in the
// metadata behind it.
func TestClips() []*Clip { return usual("loop") }

// NegativeClips are the [TestClips] in inverted colours: an effect to see.
func NegativeClips() []*Clip { return usual("negative") }

// VP8Clip is the test picture in VP8.
func VP8Clip() *Clip { return embedded("loop", "vp8") }

// VP9Clip is the test picture in VP9.
func VP9Clip() *Clip { return embedded("loop", "vp9") }

// H264Clip is the test picture in H.264, constrained baseline.
func H264Clip() *Clip { return embedded("loop", "h264") }

// H265Clip is the test picture in H.265.
func H265Clip() *Clip { return embedded("loop", "h265") }

// AV1Clip is the test picture in AV1, which cannot carry metadata.
func AV1Clip() *Clip { return embedded("loop", "av1") }

// SilenceClip is Opus without a sound, 20 ms at a time.
func SilenceClip() *Clip {
	return &Clip{Codec: "opus", FPS: 50, Frames: [][]byte{silence()}}
}

// FrameNumber reads the number of a [TestClips] frame out of the picture: eight
// squares of 16 pixels at the top left, the lowest bit first, light for 1. It is
// given the luma plane, or any with one byte for a pixel, in the clip's own size.
func FrameNumber(luma []byte, stride int) int {
	const side, bits, middle = 16, 8, 128
	n := 0
	for bit := range bits {
		if luma[side/2*stride+bit*side+side/2] >= middle {
			n |= 1 << bit
		}
	}
	return n
}

// usual are a clip in the codecs that clients offer.
func usual(name string) []*Clip {
	return []*Clip{embedded(name, "vp8"), embedded(name, "h264"), embedded(name, "vp9")}
}

// all are a clip in every codec.
func all(name string) []*Clip {
	return append(usual(name), embedded(name, "h265"), embedded(name, "av1"))
}

// embedded is a clip of testdata. One that is broken is a mistake of this
// package.
func embedded(name, codec string) *Clip {
	delimiters := map[string][]byte{"h264": {0, 0, 0, 1, 9}, "h265": {0, 0, 0, 1, 70, 1}}
	delimiter := delimiters[codec]
	path := "testdata/" + name + "." + codec
	if delimiter == nil {
		path += ".ivf"
	}
	stream, err := clips.ReadFile(path)
	if err != nil {
		panic("sessiontest: " + err.Error())
	}
	c := &Clip{Codec: codec, FPS: 30, Numbered: true}
	if delimiter != nil {
		c.Frames = splitAnnexB(stream, delimiter)
		return c
	}
	if c.Frames, err = readIVF(stream); err != nil {
		panic(fmt.Sprintf("sessiontest: %s: %v", path, err))
	}
	return c
}

// metadata is what goes with a frame of the clip.
func (c *Clip) metadata(frame int) *Metadata {
	if !c.Numbered {
		return nil
	}
	return &Metadata{UserData: fmt.Appendf(nil, `{"frame":%d}`, frame)}
}

func readIVF(ivf []byte) ([][]byte, error) {
	r, _, err := ivfreader.NewWith(bytes.NewReader(ivf))
	if err != nil {
		return nil, err
	}
	var frames [][]byte
	for {
		frame, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
}

// splitAnnexB takes a stream apart at the delimiters of its access units.
func splitAnnexB(stream, delimiter []byte) [][]byte {
	var units [][]byte
	for len(stream) > 0 {
		next := bytes.Index(stream[1:], delimiter) + 1
		if next == 0 {
			next = len(stream)
		}
		units = append(units, stream[:next:next])
		stream = stream[next:]
	}
	return units
}
