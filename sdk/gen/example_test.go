package gen_test

import (
	"context"
	"fmt"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/brightness"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// A generated client steers its model. The package is made with
//
//	reactorpipe gen --model http://localhost:8080 --out ./brightness
func Example() {
	if err := dim(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// the factor is 0.5
	// command "set_brightness": brightness: 3 is above the maximum of 2
}

func dim(ctx context.Context) error {
	srv, err := sessiontest.Serve(ctx, sessiontest.Config{Model: brightnessModel()})
	if err != nil {
		return err
	}
	defer srv.Close()
	session, err := sdk.Connect(ctx, sdk.Config{Local: true, BaseURL: srv.URL()})
	if err != nil {
		return err
	}
	defer session.Close()

	model := brightness.New(session)
	set, err := model.SetBrightness(ctx, 0.5)
	if err != nil {
		return err
	}
	fmt.Println("the factor is", set.Brightness)
	_, err = model.SetBrightness(ctx, 3)
	return err
}

// brightnessModel answers as the reference model brightness does.
func brightnessModel() sessiontest.Model {
	return sessiontest.Model{
		Tracks: []sessiontest.Track{{Name: brightness.TrackMainVideo, Loop: sessiontest.TestClips()}},
		Commands: []sessiontest.Command{
			{
				Name: "set_brightness", Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number()}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					return &sessiontest.Message{Type: "brightness_set", Data: c.Args}, nil
				},
			},
			{
				Name: "get_state",
				Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) {
					return &sessiontest.Message{Type: "weather", Data: map[string]any{"rain": true}}, nil
				},
			},
			{Name: "set_resolution", Args: []sessiontest.Arg{{Name: "resolution", Type: sessiontest.String()}}},
			{
				Name: "set_image", Args: []sessiontest.Arg{{Name: "image", Type: sessiontest.File()}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					u := c.Args["image"].(*sessiontest.Upload)
					return &sessiontest.Message{Type: "image_set", Data: map[string]any{"filename": u.Name}}, nil
				},
			},
			{Name: "set_paused", Args: []sessiontest.Arg{{Name: "paused", Type: sessiontest.Boolean()}}, Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				return nil, &sessiontest.CommandError{Code: "busy", Message: "not now"}
			}},
		},
	}
}
