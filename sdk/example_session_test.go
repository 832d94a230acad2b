package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// open serves a model for an example and connects to it.
func open(m sessiontest.Model, cfg sdk.Config) (*sdk.Session, func()) {
	ctx := context.Background()
	srv, err := sessiontest.Serve(ctx, sessiontest.Config{
		Model: m, Recording: sessiontest.Recording{Enabled: true, Chunk: 200 * time.Millisecond},
	})
	if err != nil {
		panic(err)
	}
	cfg.Local, cfg.BaseURL = true, srv.URL()
	s, err := sdk.Connect(ctx, cfg)
	if err != nil {
		panic(err)
	}
	return s, func() { _ = s.Close(); srv.Close() }
}

// Commands are checked against the model's schema before they are sent.
func ExampleSession_Command() {
	s, end := open(lamp(), sdk.Config{CheckCommands: true})
	defer end()
	ctx := context.Background()

	reply, err := s.Command(ctx, "set_brightness", map[string]any{"brightness": 1.5})
	fmt.Println(reply.Type, reply.Data, err)

	_, err = s.Command(ctx, "set_brightness", map[string]any{"brightness": 5})
	fmt.Println(errors.Is(err, sdk.ErrRefused), err)
	// Output:
	// brightness_set map[brightness:1.5] <nil>
	// true command set_brightness: [invalid_command] brightness: 5 is above the maximum of 2
}

// What went wrong is in the error: whether to try again, and when.
func ExampleError() {
	s, end := open(lamp(), sdk.Config{})
	defer end()

	_, err := s.Command(context.Background(), "fail", nil)
	if e, ok := errors.AsType[*sdk.Error](err); ok {
		fmt.Println(e.Code, e.Component, e.Recoverable, e.RetryAfter)
	}
	// Output:
	// quota gpu false 0s
}

// An uploaded file stands in the arguments of a command.
func ExampleSession_Upload() {
	s, end := open(lamp(), sdk.Config{})
	defer end()
	ctx := context.Background()

	image, err := s.Upload(ctx, strings.NewReader("picture"), sdk.UploadInfo{
		Name: "a.png", Progress: func(sent, total int64) { fmt.Println(sent, "of", total) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := s.Command(ctx, "set_image", map[string]any{"image": image})
	fmt.Println(reply.Data["data"], err)
	// Output:
	// 7 of 7
	// picture <nil>
}

// A track is published in a codec of the answer; the encoder hears when a
// keyframe is needed and what the connection carries.
func ExampleTrack_Publish() {
	s, end := open(lamp(), sdk.Config{})
	defer end()
	track, err := s.Track("source")
	if err != nil {
		fmt.Println(err)
		return
	}
	pub, err := track.Publish(context.Background(), sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pub.Close()
	for i, accessUnit := range sessiontest.VP8Clip().Frames[:3] {
		err := pub.WriteSample(sdk.Sample{
			Data: accessUnit, PTS: time.Duration(i) * time.Second / 30, CaptureTime: sdk.Monotonic(), UserData: []byte("tag"),
		})
		fmt.Println(pub.Codec(), pub.Bitrate() > 0, err)
	}
	// Output:
	// vp8 true <nil>
	// vp8 true <nil>
	// vp8 true <nil>
}

// Messages are read in a loop; leaving it ends the subscription.
func ExampleSession_Messages() {
	s, end := open(lamp(), sdk.Config{})
	defer end()

	messages := s.Messages(context.Background())
	s.Post("set_brightness", map[string]any{"brightness": 0.5}, nil)
	for m := range messages {
		fmt.Println(m.Type, m.Data)
		break
	}
	// Output:
	// brightness_set map[brightness:0.5]
}

// The recording of a session is one MP4 file.
func ExampleSession_Download() {
	s, end := open(lamp(), sdk.Config{})
	defer end()
	ctx := context.Background()
	video, err := s.Track("main_video")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := video.ReadRTP(ctx); err != nil { // the model plays
		fmt.Println(err)
		return
	}
	clip, err := s.RequestClip(ctx, 10*time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	err = s.Download(ctx, clip, &file, sdk.DownloadConfig{})
	fmt.Println(clip.Kind, string(file.Bytes()[4:8]), err)
	// Output:
	// snap ftyp <nil>
}

// A stepped session makes one step at a time.
func ExampleSession_Step() {
	s, end := open(sessiontest.Model{
		Tracks: []sessiontest.Track{
			{Name: "main_video", Codecs: []string{"vp8"}},
			{Name: "webcam", Direction: sessiontest.SendOnly},
		},
		Step: func(_ context.Context, step *sessiontest.Step) error { // turns its picture around
			for _, f := range step.Inputs["webcam"] {
				pixels := slices.Clone(f.Data)
				slices.Reverse(pixels)
				step.Emit("main_video", 24, sessiontest.Picture(f.Shape[1], f.Shape[0], pixels))
			}
			return nil
		},
	}, sdk.Config{Generation: sdk.Stepped})
	defer end()

	result, err := s.Step(context.Background(), sdk.StepRequest{
		Media: map[string][]sdk.StepFrame{"webcam": {sdk.RawPicture([]byte{1, 2, 3, 4, 5, 6}, 2, 1)}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	video, _ := result.Output("main_video")
	fmt.Println(result.Step, video.Frames[0].Shape, video.Frames[0].Data)
	// Output:
	// 1 [1 2 3] [6 5 4 3 2 1]
}
