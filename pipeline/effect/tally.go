package effect

import (
	"maps"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// mostNames bounds the commands that are told apart.
	mostNames = 256
	// mostTimes is how many of each the quantiles are taken over.
	mostTimes = 1000
)

// tally counts effects by the names of commands.
type tally map[string]*count

type count struct {
	pipeline.Effects
	times []time.Duration // a ring
	at    int
}

func (t *tally) add(name string, e pipeline.Effect) {
	if *t == nil {
		*t = make(tally)
	}
	c := (*t)[name]
	if c == nil {
		if len(*t) >= mostNames {
			return
		}
		c = &count{Effects: pipeline.Effects{Command: name}}
		(*t)[name] = c
	}
	switch e.Seen {
	case pipeline.EffectSeen:
		c.Seen++
		c.SumMS += inMilliseconds(e.After)
		c.note(e.After)
	case pipeline.EffectNotSeen:
		c.NotSeen++
	default:
		c.Unknown++
	}
}

func (c *count) note(after time.Duration) {
	if len(c.times) < mostTimes {
		c.times = append(c.times, after)
		return
	}
	c.times[c.at] = after
	c.at = (c.at + 1) % mostTimes
}

func (t tally) all() []pipeline.Effects {
	var all []pipeline.Effects
	for _, name := range slices.Sorted(maps.Keys(t)) {
		c := t[name]
		if len(c.times) > 0 {
			sorted := slices.Sorted(slices.Values(c.times))
			at := func(share float64) float64 { return inMilliseconds(sorted[int(share*float64(len(sorted)-1)+0.5)]) }
			c.P50MS, c.P95MS = at(0.5), at(0.95)
		}
		all = append(all, c.Effects)
	}
	return all
}

func inMilliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
