package stages_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/stages"
)

func TestRegister(t *testing.T) {
	r := pipeline.NewRegistry()
	stages.Register(r)
	want := []string{"blur", "color", "crop", "exec", "motion", "overlay", "pair", "people_detect", "resize"}
	if diff := cmp.Diff(want, r.Stages()); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}
