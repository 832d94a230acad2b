package ingest

import (
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// Every codec of the table comes over a real connection, in one packet and in
// fragments: H.264 of the high profile with its parameter sets in an aggregate,
// and of the encoder's.
func TestCodecsOverSockets(t *testing.T) {
	t.Parallel()
	type clip struct {
		name  string
		codec decode.Codec
		data  []byte
	}
	clips := []clip{{"h264 in fragments", decode.H264, encoded(t, decode.H264, 640, 480)}}
	for _, codec := range videoCodecs {
		clips = append(clips, clip{string(codec), codec, keyframeOf(t, codec)})
	}
	for _, c := range clips {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := model()
			m.Tracks[0].Loop = []*sessiontest.Clip{{Codec: string(c.codec), FPS: 30, Frames: [][]byte{c.data}}}
			m.Tracks[0].Codecs = []string{string(c.codec)}
			srv := sessiontest.New(t, m)
			source := receiving(t, connect(t, srv, sdk.Config{Codecs: []string{string(c.codec)}}), FreezeLoss)
			last := time.Duration(-1)
			for i := range uint64(10) {
				f := next(t, source)
				if f.Seq != i || f.PTS <= last || !f.Keyframe || f.Width < ffmpeg.SampleSize {
					t.Fatalf("frame %d after %v: %+v", i, last, f.Meta)
				}
				last = f.PTS
			}
			if source.codec != c.codec {
				t.Errorf("got %s", source.codec)
			}
			if n := source.Counts().Dropped; n["malformed"]+n["undecodable"] != 0 {
				t.Errorf("counts %+v", n)
			}
		})
	}
}
