package sim_test

import (
	"context"
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// A model for a test or a try, and the client of a Reactor session with it.
func ExampleServe() {
	model, err := sim.Serve(context.Background(), sim.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer model.Close()
	session, err := sdk.Connect(context.Background(), sdk.Config{BaseURL: model.URL(), Local: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer session.Close()
	reply, err := session.Command(context.Background(), "set_prompt", map[string]any{"prompt": "rain"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reply.Type)
	// Output: prompt_accepted
}
