package ingest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// The pictures of a model, and commands back into it. A real model is
// sdk.Config{Model: "owner/name", APIKey: key}; this one is local.
func ExampleOpen() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	model, err := serve(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer model.Close()

	s, err := sdk.Connect(ctx, sdk.Config{BaseURL: model.URL(), Local: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	frames, err := ingest.Open(ctx, s, "main_video")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer frames.Close()
	for frames.Next(ctx) {
		m, err := mat.View(frames.Frame()) // *gocv.Mat, BGR, valid until the next Next
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("frame %d: %d×%d\n", frames.Frame().Seq, m.Cols(), m.Rows())
		if frames.Frame().Seq == 2 {
			break
		}
	}
	if err := frames.Err(); err != nil {
		fmt.Println(err)
		return
	}
	reply, err := s.Command(ctx, "set_prompt", map[string]any{"prompt": "rain"}) // Post does not wait
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reply.Type, reply.Data["prompt"])
	// Output:
	// frame 0: 160×120
	// frame 1: 160×120
	// frame 2: 160×120
	// prompt_accepted rain
}

// serve is a model that shows a test picture and takes a prompt.
func serve(ctx context.Context) (*sessiontest.Server, error) {
	return sessiontest.Serve(ctx, sessiontest.Config{Model: sessiontest.Model{
		Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
		Commands: []sessiontest.Command{{
			Name: "set_prompt", Args: []sessiontest.Arg{{Name: "prompt", Type: sessiontest.String()}},
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				return &sessiontest.Message{Type: "prompt_accepted", Data: c.Args}, nil
			},
		}},
	}})
}
