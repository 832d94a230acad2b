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
//go:embed testdata/*.ivf testdata/*.h264
var clips embed.FS

// Clip is a piece of encoded video to be played in a loop. Its first frame is a
// keyframe.
type Clip struct {
	Codec  string
	FPS    float64
	Frames [][]byte // access units
	// Numbered frames carry their number from 0 as user data, {"frame":17}.
	Numbered bool
}

// TestClips are the same two seconds in VP8, H.264 and VP9, in this order: the
// test picture of 160×120 at 30 fps, whose first frame is the only keyframe. The
// number of a frame, 0 to 59, is in the picture, for [FrameNumber], and in the
// metadata behind it.
func TestClips() []*Clip { return all("loop") }

// NegativeClips are the [TestClips] in inverted colours: an effect to see.
func NegativeClips() []*Clip { return all("negative") }

// VP8Clip is the test picture in VP8.
func VP8Clip() *Clip { return embedded("loop", "vp8") }

// VP9Clip is the test picture in VP9.
func VP9Clip() *Clip { return embedded("loop", "vp9") }

// H264Clip is the test picture in H.264, constrained baseline.
func H264Clip() *Clip { return embedded("loop", "h264") }

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

func all(name string) []*Clip {
	return []*Clip{embedded(name, "vp8"), embedded(name, "h264"), embedded(name, "vp9")}
}

// embedded is a clip of testdata. One that is broken is a mistake of this
// package.
func embedded(name, codec string) *Clip {
	path := "testdata/" + name + "." + codec + ".ivf"
	if codec == "h264" {
		path = "testdata/" + name + ".h264"
	}
	stream, err := clips.ReadFile(path)
	if err != nil {
		panic("sessiontest: " + err.Error())
	}
	c := &Clip{Codec: codec, FPS: 30, Numbered: true}
	if codec == "h264" {
		c.Frames = splitAnnexB(stream)
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

// accessUnitDelimiter begins every access unit of the H.264 clip.
var accessUnitDelimiter = []byte{0, 0, 0, 1, 9}

func splitAnnexB(stream []byte) [][]byte {
	var units [][]byte
	for len(stream) > 0 {
		next := bytes.Index(stream[1:], accessUnitDelimiter) + 1
		if next == 0 {
			next = len(stream)
		}
		units = append(units, stream[:next:next])
		stream = stream[next:]
	}
	return units
}

// play makes the outputs and starts the loops of those that have one.
func (s *Server) play() {
	for _, t := range s.model.Tracks {
		if t.Direction != RecvOnly {
			continue
		}
		o := &Output{srv: s, track: t, changed: make(chan struct{}, 1), playing: t.Loop}
		s.outputs[t.Name] = o
		if len(t.Loop) > 0 {
			s.wg.Go(o.loop)
		}
	}
}

// Play makes an output with a Loop play other clips from their first frames on.
// They are of the Loop's rate. Who watches in a codec that has none sees nothing.
func (o *Output) Play(clips []*Clip) {
	o.mu.Lock()
	o.playing = clips
	for _, v := range o.viewers {
		v.block()
	}
	o.mu.Unlock()
	o.signal()
}

// take shows what a command brings, when the model has thought about it.
func (s *Server) take(effect []*Clip) {
	time.AfterFunc(s.model.EffectDelay, func() {
		for _, t := range s.model.Tracks {
			if t.Direction == RecvOnly && t.Kind == Video && len(t.Loop) > 0 {
				s.outputs[t.Name].Play(effect)
				return
			}
		}
	})
}

// loop plays the track's clips to whoever watches; for nobody, it sleeps. Who
// needs a keyframe makes the clip start over.
func (o *Output) loop() {
	positions := map[string]int{} // in the clips, by codec
	interval := time.Duration(float64(time.Second) / o.track.Loop[0].FPS)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		demand := o.Demand()
		wake := tick.C
		if len(demand) == 0 {
			wake = nil
		}
		o.playFrame(demand, positions)
		select {
		case <-wake:
		case <-o.changedIf(len(demand) == 0):
			tick.Reset(interval)
		case <-o.srv.ctx.Done():
			return
		}
	}
}

// changedIf is Changed for who sleeps.
func (o *Output) changedIf(asleep bool) <-chan struct{} {
	if asleep {
		return o.changed
	}
	return nil
}

func (o *Output) playFrame(demand []Demand, positions map[string]int) {
	pts := time.Since(o.srv.started)
	o.mu.Lock()
	playing := o.playing
	o.mu.Unlock()
	for _, d := range demand {
		i := slices.IndexFunc(playing, func(c *Clip) bool { return c.Codec == d.Codec })
		if i < 0 {
			continue
		}
		clip, n := playing[i], positions[d.Codec]
		if d.Keyframe || n >= len(clip.Frames) {
			n = 0
		}
		o.Send(Sample{Codec: clip.Codec, Data: clip.Frames[n], PTS: pts, Keyframe: n == 0, Metadata: clip.metadata(n)})
		positions[d.Codec] = (n + 1) % len(clip.Frames)
	}
}
