package sdk_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func TestTrace(t *testing.T) {
	srv := sessiontest.New(t, sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video"}}})
	var mu sync.Mutex // guards steps
	var steps []sdk.Step
	s, err := sdk.Connect(t.Context(), sdk.Config{Local: true, BaseURL: srv.URL(), Trace: func(step sdk.Step) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, step)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mu.Lock()
	defer mu.Unlock()
	want := []sdk.Step{sdk.StepCreated, sdk.StepSession, sdk.StepSignalling, sdk.StepICE, sdk.StepDTLS, sdk.StepChannels}
	// Each comes from a goroutine of its own, so two may change places.
	slices.SortFunc(steps, func(a, b sdk.Step) int { return slices.Index(want, a) - slices.Index(want, b) })
	if diff := cmp.Diff(steps, want); diff != "" {
		t.Error(diff)
	}
}
