package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
	figures
	Nodes []nodeSummary `json:"nodes,omitempty"`
	// CommandList holds the last of the commands.
	CommandList []pipeline.CommandRecord `json:"command_list,omitempty"`

	began time.Time // zero if no frames have flowed
}

// figures are what a run comes to, or has come to so far.
type figures struct {
	Seconds          float64                     `json:"seconds"` // of frames
	Frames           frameCounts                 `json:"frames"`
	FPS              float64                     `json:"fps"`
	Latency          quantiles                   `json:"latency_ms"`        // last packet to the sinks
	Commands         map[pipeline.Outcome]uint64 `json:"commands"`          // by outcome
	Effects          []pipeline.Effects          `json:"effects,omitempty"` // in the picture
	KeyframeRequests uint64                      `json:"keyframe_requests"`
	Reconnects       uint64                      `json:"reconnects"`
	Renewals         uint64                      `json:"renewals"`
	RenewalGap       quantiles                   `json:"renewal_gap_ms,omitzero"` // while nothing came

	gaps []time.Duration // of the renewals
}

func (s *pipelineSummary) flowed() bool { return !s.began.IsZero() }

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

// nodeSummary is what one node did. Frames are those that it sent on or wrote, out
// of In that came; it passed Skipped by.
type nodeSummary struct {
	Name    string            `json:"name"`
	In      uint64            `json:"in"`
	Frames  uint64            `json:"frames"`
	Errors  uint64            `json:"errors"`
	Dropped map[string]uint64 `json:"dropped,omitempty"`
	Skipped map[string]uint64 `json:"skipped,omitempty"`
	Process quantiles         `json:"process_ms,omitzero"` // sources have none
}

// summarize prints the summary and writes it to the file that the flags name, if
// they do.
func (p *program) summarize(f runFlags, lines []*line) error {
	var s summary
	for _, l := range lines {
		s.Pipelines = append(s.Pipelines, l.summary())
	}
	s.CPUSeconds, s.PeakMemory = usage()
	if f.format == formatText {
		s.print(p.err)
	}
	if len(lines) == 1 {
		s.pipelineSummary, s.Pipelines = s.Pipelines[0], nil
	}
	if f.summary == "" {
		return nil
	}
	return s.write(f.summary)
}

// probeSummary finds out before the run whether its summary can be written.
func probeSummary(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("--summary: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644) //nolint:gosec // nothing secret in it
	if err != nil {
		return fmt.Errorf("--summary: %w", err)
	}
	return f.Close()
}

func (s *summary) write(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("--summary: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // nothing secret in it
		return fmt.Errorf("--summary: %w", err)
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
	return thousandths(cpu.Seconds()), u.Maxrss * 1024 // Linux counts in KiB
}
