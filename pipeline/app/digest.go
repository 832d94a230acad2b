package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// print writes the summary for people to read: nothing of pipelines whose frames
// have never flowed.
func (s *summary) print(w io.Writer) {
	flowed := slices.DeleteFunc(slices.Clone(s.Pipelines), func(ps *pipelineSummary) bool { return !ps.flowed() })
	for _, ps := range flowed {
		ps.print(w)
	}
	if len(flowed) > 0 {
		fmt.Fprintln(w)
		fact(w, "process", "%.1f s of CPU, %d MB of memory at most", s.CPUSeconds, s.PeakMemory/1e6)
	}
}

// fact is one line of the summary.
func fact(w io.Writer, name, format string, args ...any) {
	fmt.Fprintf(w, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
}

func (s *pipelineSummary) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", s.Name, s.verdict())
	fact(w, "frames", "%d received, %d decoded, %.1f fps%s", s.Frames.Received, s.Frames.Decoded, s.FPS, dropped(s.Frames.Dropped))
	fact(w, "latency", "p50 %s, p95 %s, p99 %s from the last packet to the sinks", ms(s.Latency.P50), ms(s.Latency.P95), ms(s.Latency.P99))
	if s.KeyframeRequests+s.Reconnects > 0 {
		fact(w, "network", "%s, %s", count(s.KeyframeRequests, "keyframe request"), count(s.Reconnects, "reconnect"))
	}
	if s.Renewals > 0 {
		fact(w, "renewals", "%d, without a picture for %s (p50), %s at most", s.Renewals, ms(s.RenewalGap.P50), ms(s.RenewalGap.Max))
	}
	s.printCommands(w)
	s.printEffects(w)
	s.printNodes(w)
}

func (s *pipelineSummary) verdict() string {
	if s.Error != "" {
		return fmt.Sprintf("failed after %.1f s", s.Seconds) // why is said last
	}
	return fmt.Sprintf("%.1f s", s.Seconds)
}

// maxListed bounds the commands that the terminal lists.
const maxListed = 10

func (s *pipelineSummary) printCommands(w io.Writer) {
	if len(s.Commands) == 0 {
		return
	}
	fact(w, "commands", "%s", outcomes(s.Commands))
	for _, c := range s.CommandList[max(0, len(s.CommandList)-maxListed):] {
		fact(w, "", "%8s  %s %s: %s%s", s.when(c.Time), c.Command, arguments(c.Args), c.Outcome, because(c))
	}
}

// when says how far into the frames a command was sent.
func (s *pipelineSummary) when(t time.Time) string {
	if t.Before(s.began) {
		return "start"
	}
	return fmt.Sprintf("%.1f s", t.Sub(s.began).Seconds())
}

// printEffects says what commands did to the picture, and when.
func (s *pipelineSummary) printEffects(w io.Writer) {
	name := "effects"
	for _, e := range s.Effects {
		if e.Seen+e.NotSeen == 0 {
			continue
		}
		when := ""
		if e.Seen > 0 {
			when = fmt.Sprintf(", after %s (p50), %s (p95)", ms(e.P50MS), ms(e.P95MS))
		}
		if e.NotSeen > 0 {
			when += "; else nothing changed, or too little or too slowly to be seen"
		}
		fact(w, name, "%s: seen in the picture %d of %d times%s", e.Command, e.Seen, e.Seen+e.NotSeen, when)
		name = ""
	}
}

func (s *pipelineSummary) printNodes(w io.Writer) {
	if len(s.Nodes) == 0 {
		return
	}
	width := len("node")
	for _, n := range s.Nodes {
		width = max(width, len(n.Name))
	}
	fmt.Fprintf(w, "\n  %-*s  %8s  %8s  %8s\n", width, "node", "frames", "p50", "p95")
	for _, n := range s.Nodes {
		p50, p95 := "", ""
		if n.Process != (quantiles{}) {
			p50, p95 = ms(n.Process.P50), ms(n.Process.P95)
		}
		line := fmt.Sprintf("  %-*s  %8d  %8s  %8s  %s", width, n.Name, n.Frames, p50, p95, n.troubles())
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// troubles are what keeps a node's frames from being all there were.
func (n nodeSummary) troubles() string {
	parts := slices.Concat(reasons(n.Dropped), reasons(n.Skipped))
	// Most errors cost a frame and are counted above.
	if cost := n.Dropped["error"] + n.Dropped["panic"] + n.Dropped["deadline"] + n.Dropped["drain"]; n.Errors > cost {
		parts = append(parts, count(n.Errors-cost, "other error"))
	}
	return strings.Join(parts, ", ")
}

// reasons lists what was counted, in the words that metrics use.
func reasons[K ~string](counts map[K]uint64) []string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(counts)) {
		if counts[r] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[r], strings.ReplaceAll(string(r), "_", " ")))
		}
	}
	return parts
}

func dropped(counts map[string]uint64) string {
	if total(counts) == 0 {
		return ""
	}
	return ", dropped: " + strings.Join(reasons(counts), ", ")
}

func outcomes(counts map[pipeline.Outcome]uint64) string { return strings.Join(reasons(counts), ", ") }

// ms writes a time in milliseconds with the digits that matter.
func ms(t float64) string {
	if t < 10 {
		return fmt.Sprintf("%.1f ms", t)
	}
	return fmt.Sprintf("%.0f ms", t)
}

func arguments(args map[string]any) string {
	text, err := json.Marshal(args)
	if err != nil || len(args) == 0 {
		return "{}"
	}
	return string(text)
}

func because(c pipeline.CommandRecord) string {
	if c.Outcome == pipeline.CommandSent {
		return fmt.Sprintf(" (%s)", ms(float64(c.RoundTrip)/float64(time.Millisecond)))
	}
	if c.Reason != "" {
		return ": " + c.Reason
	}
	return ""
}
