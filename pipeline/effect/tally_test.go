package effect

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func seen(ms int) pipeline.Effect {
	return pipeline.Effect{Seen: pipeline.EffectSeen, After: time.Duration(ms) * time.Millisecond}
}

func TestTally(t *testing.T) {
	var all tally
	for ms := 100; ms >= 0; ms-- {
		all.add("set_prompt", seen(ms))
	}
	all.add("set_prompt", pipeline.Effect{Seen: pipeline.EffectNotSeen})
	all.add("set_prompt", pipeline.Effect{Seen: pipeline.EffectUnknown})
	all.add("set_prompt", pipeline.Effect{Seen: pipeline.EffectUnknown})
	all.add("reset", pipeline.Effect{Seen: pipeline.EffectNotSeen})
	want := []pipeline.Effects{
		{Command: "reset", NotSeen: 1},
		{Command: "set_prompt", Seen: 101, NotSeen: 1, Unknown: 2, SumMS: 5050, P50MS: 50, P95MS: 95},
	}
	if diff := cmp.Diff(want, all.all()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTallyIsBounded: the quantiles are those of the newest, and names are so many.
func TestTallyIsBounded(t *testing.T) {
	var all tally
	for ms := range mostTimes + mostTimes/2 {
		all.add("set_prompt", seen(ms))
	}
	for range mostTimes / 2 {
		all.add("set_prompt", seen(5))
	}
	if got := all.all()[0]; got.Seen != 2*mostTimes || got.P50MS != float64(mostTimes) || len(all["set_prompt"].times) != mostTimes {
		t.Errorf("got %+v of %d times", got, len(all["set_prompt"].times))
	}
	for i := range 2 * mostNames {
		all.add(fmt.Sprint("command ", i), seen(1))
	}
	if n := len(all.all()); n != mostNames {
		t.Errorf("%d names, want %d", n, mostNames)
	}
}
