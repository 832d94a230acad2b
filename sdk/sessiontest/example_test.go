package sessiontest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// A model that shows the test picture and takes one command. In a test, New(t, m)
// is shorter.
func Example() {
	ctx := context.Background()
	srv, err := sessiontest.Serve(ctx, sessiontest.Config{Model: sessiontest.Model{
		Name:   "brightness",
		Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
		Commands: []sessiontest.Command{{
			Name: "set_brightness",
			Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2)}},
			Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
				c.Server.Broadcast("state", c.Args) // to everybody
				return nil, nil                     // acknowledged
			},
		}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()

	// Here sdk.Connect(ctx, sdk.Config{BaseURL: srv.URL(), Local: true}) comes in.
	res, err := http.Get(srv.URL() + "/health")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output: {"detail":null,"state":"available","status":"healthy"}
}
