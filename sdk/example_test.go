package sdk_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// A session is opened, its picture received and the model steered. Towards the
// cloud the configuration is sdk.Config{Model: "owner/name", APIKey: key}.
func Example() {
	if err := steer(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// vp8
	// true command set_prompt: [invalid_command] prompt: length 26 > max_length(20)
}

func steer(ctx context.Context) error {
	srv, err := sessiontest.Serve(ctx, sessiontest.Config{Model: sessiontest.Model{
		Tracks: []sessiontest.Track{{Name: "main_video", Loop: []*sessiontest.Clip{sessiontest.VP8Clip()}}},
		Commands: []sessiontest.Command{{
			Name: "set_prompt", Args: []sessiontest.Arg{{Name: "prompt", Type: sessiontest.String().Length(1, 20)}},
		}},
	}})
	if err != nil {
		return err
	}
	defer srv.Close()

	s, err := sdk.Connect(ctx, sdk.Config{Local: true, BaseURL: srv.URL()})
	if err != nil {
		return err
	}
	defer s.Close() // ends the session
	video, err := s.Track("main_video")
	if err != nil {
		return err
	}
	p, err := video.ReadRTP(ctx)
	if err != nil {
		return err
	}
	fmt.Println(p.Codec)

	if _, err := s.Command(ctx, "set_prompt", map[string]any{"prompt": "rain"}); err != nil {
		return err
	}
	_, err = s.Command(ctx, "set_prompt", map[string]any{"prompt": "a very long shower of rain"})
	fmt.Println(errors.Is(err, sdk.ErrRefused), err)
	return nil
}
