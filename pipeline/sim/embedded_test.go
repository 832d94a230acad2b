package sim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// decoded connects to a model and decodes its picture.
func decoded(t *testing.T, m sessiontest.Model, codec string) (*sdk.Session, *ingest.Frames) {
	t.Helper()
	srv := sessiontest.New(t, m)
	session, err := sdk.Connect(within(t), sdk.Config{BaseURL: srv.URL(), Local: true, Codecs: []string{codec}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() }) // the server may be gone first
	frames, err := ingest.Open(within(t), session, "main_video")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := frames.Close(); err != nil {
			t.Error(err)
		}
	})
	return session, frames
}

// look returns the number in the picture of a frame, and how light the left
// edge of the picture is below it, 0 to 255.
func look(t *testing.T, f *pipeline.Frame) (number int, light float64) {
	t.Helper()
	m, err := mat.Luma(f)
	if err != nil {
		t.Fatal(err)
	}
	rows := m.Clone() // those of a decoder have gaps between them
	defer rows.Close()
	luma := rows.ToBytes()
	sum, n := 0, 0
	for y := 16; y < m.Rows(); y++ {
		for x := range m.Cols() / 8 {
			sum += int(luma[y*m.Cols()+x])
			n++
		}
	}
	return sessiontest.FrameNumber(luma, m.Cols()), float64(sum) / float64(n)
}

// The number of a frame is in its picture, and behind it where the codec can
// carry that.
func TestFrameNumbers(t *testing.T) {
	t.Parallel()
	for _, clip := range append(sessiontest.TestClips(), sessiontest.H265Clip(), sessiontest.AV1Clip()) {
		t.Run(clip.Codec, func(t *testing.T) {
			t.Parallel()
			_, frames := decoded(t, sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Loop: []*sessiontest.Clip{clip}}}}, clip.Codec)
			before := -1
			for i := range 70 { // over the end
				if !frames.Next(within(t)) {
					t.Fatal(frames.Err())
				}
				number, _ := look(t, frames.Frame())
				// A viewer that was held up goes on with a keyframe, the first.
				if number != (before+1)%60 && (number != 0 || !frames.Frame().Keyframe) {
					t.Fatalf("picture %d says %d, the one before %d", i, number, before)
				}
				before = number
				if clip.Codec == "av1" {
					continue
				}
				var behind struct{ Frame int }
				if err := json.Unmarshal(frames.Frame().UserData, &behind); err != nil || behind.Frame != number {
					t.Fatalf("picture %d: %s behind it", i, frames.Frame().UserData)
				}
			}
		})
	}
}

// A command's effect begins at a keyframe, the first of its clip, when the delay
// is over and not before.
func TestEffectIsSeen(t *testing.T) {
	t.Parallel()
	const delay = 700 * time.Millisecond
	for _, codec := range []string{"vp8", "h264", "vp9"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			session, frames := decoded(t, sessiontest.Model{
				EffectDelay: delay,
				Tracks:      []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
				Commands:    []sessiontest.Command{{Name: "invert", Effect: sessiontest.NegativeClips()}},
			}, codec)
			if !frames.Next(within(t)) {
				t.Fatal(frames.Err())
			}
			_, before := look(t, frames.Frame())
			sent := time.Now()
			command(t, session, "invert", nil)
			for range 300 {
				if !frames.Next(within(t)) {
					t.Fatal(frames.Err())
				}
				f := frames.Frame()
				number, light := look(t, f)
				if abs(light-before) < 40 { // the test picture moves
					continue
				}
				if !f.Keyframe || number != 0 {
					t.Errorf("it begins with picture %d, keyframe %t", number, f.Keyframe)
				}
				if took := f.Arrival.Sub(sent); took < delay {
					t.Errorf("it is seen after %v, want %v", took, delay)
				}
				return
			}
			t.Error("it is not seen")
		})
	}
}
