package interop

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	encoders "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
)

func TestPublish(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9"} {
		t.Run(codec, func(t *testing.T) {
			r := serve(t, "mirror")
			s := connect(t, r, sdk.Config{})
			track, err := s.Track("source")
			if err != nil {
				t.Fatal(err)
			}
			publication, err := track.Publish(within(t), sdk.PublishConfig{Codec: codec})
			if err != nil {
				t.Fatal(err)
			}
			refusedTwice(t, r, s)

			seen := publishUntilSeen(t, s, publication)
			if mean := seen["mean"].(float64); !near(mean, 200) {
				t.Errorf("the model sees a mean of %v, want 200", mean)
			}
			if seen["width"] != 320.0 || seen["height"] != 240.0 {
				t.Errorf("the model sees %vx%v, want 320x240", seen["width"], seen["height"])
			}
			var n int
			if _, err := fmt.Sscanf(seen["metadata"].(string), "picture %d", &n); err != nil {
				t.Errorf("the model sees %q attached, want a picture's number", seen["metadata"])
			}

			if err := publication.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := track.Publish(within(t), sdk.PublishConfig{Codec: codec})
			if err != nil {
				t.Fatalf("once given up, the track is free: %v", err)
			}
			if err := again.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// refusedTwice tries to publish what another connection publishes already.
func refusedTwice(t *testing.T, r *runtime, s *sdk.Session) {
	t.Helper()
	second := connect(t, r, sdk.Config{SessionID: s.ID()})
	defer second.Close()
	track, err := second.Track("source")
	if err != nil {
		t.Fatal(err)
	}
	_, err = track.Publish(within(t), sdk.PublishConfig{})
	var refusal *sdk.Error
	if !errors.As(err, &refusal) || refusal.Code != "publish_refused" {
		t.Errorf("the second publication: %v, want publish_refused", err)
	}
}

// publishUntilSeen sends a gray picture of 200 at 30 fps until the model has
// seen 15 of it, and returns the model's word on the last.
func publishUntilSeen(t *testing.T, s *sdk.Session, publication *sdk.Publication) map[string]any {
	t.Helper()
	gray, err := mat.New(320, 240)
	if err != nil {
		t.Fatal(err)
	}
	defer gray.Close()
	gray.Mat().SetTo(gocv.NewScalar(200, 200, 200, 0))
	encoder, err := encoders.New(encode.Config{
		Codec: decode.Codec(publication.Codec()), Width: 320, Height: 240, FPS: 30, Bitrate: 500_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()

	period := time.Second / 30
	due := time.NewTicker(period)
	defer due.Stop()
	ctx := within(t)
	for n := range 600 {
		select {
		case <-due.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		asked := n == 0
		select {
		case <-publication.KeyframeRequests():
			asked = true
		default:
		}
		packets, err := encoder.Encode(gray, time.Duration(n)*period, asked)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			sample := sdk.Sample{Data: p.Data, PTS: p.PTS, UserData: fmt.Appendf(nil, "picture %d", n)}
			if err := publication.WriteSample(sample); err != nil {
				t.Fatal(err)
			}
		}
		if n%15 != 14 {
			continue
		}
		reply, err := s.Command(ctx, "look", nil)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Data["frames"].(float64) >= 15 {
			return reply.Data
		}
	}
	t.Fatal("20 s of pictures, and the model has not seen 15")
	return nil
}
