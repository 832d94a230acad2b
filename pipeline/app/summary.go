package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// summary is what a run comes to. With several pipelines only Pipelines, CPU
// and memory are filled in.
type summary struct {
	*pipelineSummary
	Pipelines []*pipelineSummary `json:"pipelines,omitempty"`
	// CPUSeconds and PeakMemory are the whole process's.
	CPUSeconds float64 `json:"cpu_seconds"`
	PeakMemory int64   `json:"peak_memory_bytes"`
}

// pipelineSummary is what one pipeline's run comes to.
type pipelineSummary struct {
	Name    string        `json:"name"`
	Seconds float64       `json:"seconds"`
	Error   string        `json:"error,omitempty"`
	Frames  frameCounts   `json:"frames"`
	FPS     float64       `json:"fps"`
	Latency quantiles     `json:"latency_ms"` // last packet to the sinks
	Nodes   []nodeSummary `json:"nodes"`
	// Commands counts by outcome; CommandList holds the last of them.
	Commands         map[pipeline.Outcome]uint64 `json:"commands"`
	CommandList      []pipeline.CommandRecord    `json:"command_list,omitempty"`
	KeyframeRequests uint64                      `json:"keyframe_requests"`
	Reconnects       uint64                      `json:"reconnects"`
}

// frameCounts follow the frames of all sources with pictures.
type frameCounts struct {
	Received uint64            `json:"received"`
	Decoded  uint64            `json:"decoded"`
	Dropped  map[string]uint64 `json:"dropped"`
}

// quantiles are times in milliseconds.
type quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type nodeSummary struct {
	Name    string            `json:"name"`
	Frames  uint64            `json:"frames"`
	Errors  uint64            `json:"errors"`
	Dropped map[string]uint64 `json:"dropped,omitempty"`
	Process quantiles         `json:"process_ms"`
}

// summarize prints the summary and writes it to path, if there is one. A
// pipeline that never ran has none.
func (p *program) summarize(path string, lines []*line) error {
	var s summary
	for _, l := range lines {
		if ps := l.summary(); ps != nil {
			s.Pipelines = append(s.Pipelines, ps)
		}
	}
	s.CPUSeconds, s.PeakMemory = usage()
	for _, ps := range s.Pipelines {
		ps.print(p.err)
	}
	if len(s.Pipelines) > 0 {
		fmt.Fprintf(p.err, "  process    %.1f s of CPU, %d MB at most\n", s.CPUSeconds, s.PeakMemory/1e6)
	}
	if len(lines) == 1 && len(s.Pipelines) == 1 {
		s.pipelineSummary, s.Pipelines = s.Pipelines[0], nil
	}
	if path == "" {
		return nil
	}
	return s.write(path)
}

func (s *summary) write(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // nothing secret in it
		return fmt.Errorf("summary: %w", err)
	}
	return nil
}

// usage returns the CPU time and the peak resident memory of the process.
func usage() (cpuSeconds float64, peakBytes int64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return cpu.Seconds(), u.Maxrss * 1024 // Linux counts in KiB
}

// maxListed bounds the commands that the terminal lists.
const maxListed = 10

func (s *pipelineSummary) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s: %s\n", s.Name, s.verdict())
	fmt.Fprintf(t, "  frames\t%d received, %d decoded, %.1f fps%s\n", s.Frames.Received, s.Frames.Decoded, s.FPS, dropped(s.Frames.Dropped))
	fmt.Fprintf(t, "  latency\tp50 %.0f ms, p95 %.0f ms, p99 %.0f ms from the last packet to the sinks\n", s.Latency.P50, s.Latency.P95, s.Latency.P99)
	for _, n := range s.Nodes {
		fmt.Fprintf(t, "  %s\t%d frames, p50 %.1f ms, p95 %.1f ms%s%s\n", n.Name, n.Frames, n.Process.P50, n.Process.P95, dropped(n.Dropped), failed(n.Errors))
	}
	if s.KeyframeRequests+s.Reconnects > 0 {
		fmt.Fprintf(t, "  network\t%d keyframes requested, %d reconnects\n", s.KeyframeRequests, s.Reconnects)
	}
	fmt.Fprintf(t, "  commands\t%s\n", outcomes(s.Commands))
	for _, c := range s.CommandList[max(0, len(s.CommandList)-maxListed):] {
		fmt.Fprintf(t, "\t%s %s %s: %s%s\n", c.Time.Format("15:04:05.000"), c.Command, arguments(c.Args), c.Outcome, because(c))
	}
	_ = t.Flush() // as with every other line for the terminal
}

func (s *pipelineSummary) verdict() string {
	if s.Error != "" {
		return "failed after " + (time.Duration(s.Seconds*1e3) * time.Millisecond).String()
	}
	return fmt.Sprintf("%.1f s", s.Seconds)
}

func dropped(reasons map[string]uint64) string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		if reasons[r] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", reasons[r], r))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ", dropped: " + strings.Join(parts, ", ")
}

func failed(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d errors", n)
}

func outcomes(counts map[pipeline.Outcome]uint64) string {
	var parts []string
	for _, o := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
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
		return fmt.Sprintf(" (%.1f ms)", float64(c.RoundTrip.Microseconds())/1000)
	}
	if c.Reason != "" {
		return ": " + c.Reason
	}
	return ""
}

// errOf returns the text of an error on one line, or "".
func errOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
