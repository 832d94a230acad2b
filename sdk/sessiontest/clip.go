package sessiontest

import (
	"bytes"
	_ "embed" // the clips
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
)

// The clips: FFmpeg's test picture, 160×120, 30 fps, two seconds, with the number
// of the frame (0 to 59) burnt in. The first frame is the only keyframe.
var (
	//go:embed testdata/loop.vp8.ivf
	vp8Loop []byte
	//go:embed testdata/loop.vp9.ivf
	vp9Loop []byte
	//go:embed testdata/loop.h264
	h264Loop []byte
)

// Clip is a piece of encoded video to be played in a loop. Its first frame is a
// keyframe.
type Clip struct {
	Codec  string
	FPS    float64
	Frames [][]byte // access units
}

// TestClips are the same two seconds in VP8, H.264 and VP9, in this order: the
// test picture of 160×120 at 30 fps with the number of the frame burnt in.
func TestClips() []*Clip { return []*Clip{VP8Clip(), H264Clip(), VP9Clip()} }

// VP8Clip is the test picture in VP8.
func VP8Clip() *Clip { return ivfClip("vp8", vp8Loop) }

// VP9Clip is the test picture in VP9.
func VP9Clip() *Clip { return ivfClip("vp9", vp9Loop) }

// H264Clip is the test picture in H.264, constrained baseline.
func H264Clip() *Clip {
	return &Clip{Codec: "h264", FPS: 30, Frames: splitAnnexB(h264Loop)}
}

// SilenceClip is Opus without a sound, 20 ms at a time.
func SilenceClip() *Clip {
	return &Clip{Codec: "opus", FPS: 50, Frames: [][]byte{{0xf8, 0xff, 0xfe}}}
}

func ivfClip(codec string, ivf []byte) *Clip {
	frames, err := readIVF(ivf)
	if err != nil {
		panic(fmt.Sprintf("sessiontest: embedded clip: %v", err))
	}
	return &Clip{Codec: codec, FPS: 30, Frames: frames}
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
		o := &Output{srv: s, track: t, changed: make(chan struct{}, 1)}
		s.outputs[t.Name] = o
		if len(t.Loop) > 0 {
			s.wg.Go(o.loop)
		}
	}
}

// loop plays the track's clips to whoever watches; for nobody, it sleeps. Who
// needs a keyframe makes the clip start over.
func (o *Output) loop() {
	positions := make([]int, len(o.track.Loop))
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

func (o *Output) playFrame(demand []Demand, positions []int) {
	pts := time.Since(o.srv.started)
	for _, d := range demand {
		for i, clip := range o.track.Loop {
			if clip.Codec != d.Codec {
				continue
			}
			if d.Keyframe {
				positions[i] = 0
			}
			o.Send(Sample{Codec: clip.Codec, Data: clip.Frames[positions[i]], PTS: pts, Keyframe: positions[i] == 0})
			positions[i] = (positions[i] + 1) % len(clip.Frames)
		}
	}
}
