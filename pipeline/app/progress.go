package app

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// How often the terminal's line is rewritten, and how often a log gets one that
// stays.
const (
	liveInterval = 500 * time.Millisecond
	logInterval  = 10 * time.Second
)

// showProgress tells every so often how far the pipelines are, on one line of a
// terminal or in the log. The returned function ends it and waits.
func showProgress(t *terminal, lines func() []*line) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		interval := logInterval
		if t.live() {
			interval = liveInterval
		}
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				t.progress("")
				return
			case <-tick.C:
				tell(t, lines())
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// tell says the present state of every pipeline that runs.
func tell(t *terminal, lines []*line) {
	var parts []string
	for _, l := range lines {
		p, ok := l.progress()
		if !ok {
			continue
		}
		if !t.live() {
			l.log.Info("progress", p.attrs()...)
			continue
		}
		text := p.String()
		if len(lines) > 1 {
			text = l.spec.Name + " " + text
		}
		parts = append(parts, text)
	}
	if t.live() && len(parts) > 0 {
		t.progress(strings.Join(parts, " | "))
	}
}

// progress is the state of a pipeline in a few numbers.
type progress struct {
	elapsed  time.Duration
	frames   uint64
	fps      float64    // over the last interval
	session  sdk.Status // of the first session that is not ready; "" if all are
	seen     []seen
	commands uint64
	latency  quantiles
	dropped  uint64
}

// seen is how many things a stage saw on its last frame.
type seen struct {
	stage string
	n     int
}

// String is the terminal's line.
func (p progress) String() string {
	parts := []string{
		fmt.Sprintf("%6.1fs", p.elapsed.Seconds()), fmt.Sprintf("%d frames", p.frames), fmt.Sprintf("%.1f fps", p.fps),
	}
	if p.session != "" {
		parts = append(parts, string(p.session))
	}
	for _, s := range p.seen {
		parts = append(parts, fmt.Sprintf("%s %d", s.stage, s.n))
	}
	parts = append(parts, fmt.Sprintf("commands %d", p.commands),
		fmt.Sprintf("latency %.0f ms (p95 %.0f)", p.latency.P50, p.latency.P95), fmt.Sprintf("dropped %d", p.dropped))
	return strings.Join(parts, "  ")
}

// attrs are the same numbers for a log.
func (p progress) attrs() []any {
	attrs := []any{"seconds", int(p.elapsed.Seconds()), "frames", p.frames, "fps", tenths(p.fps)}
	if p.session != "" {
		attrs = append(attrs, "session_status", p.session)
	}
	if len(p.seen) > 0 {
		var seen []any
		for _, s := range p.seen {
			seen = append(seen, s.stage, s.n)
		}
		attrs = append(attrs, slog.Group("seen", seen...))
	}
	return append(attrs, "commands", p.commands,
		"latency_p50_ms", tenths(p.latency.P50), "latency_p95_ms", tenths(p.latency.P95), "dropped", p.dropped)
}

// tenths and thousandths drop digits that nobody reads.
func tenths(x float64) float64      { return math.Round(x*10) / 10 }
func thousandths(x float64) float64 { return math.Round(x*1000) / 1000 }
