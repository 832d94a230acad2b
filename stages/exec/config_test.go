package exec_test

import (
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/sinks/discard"
	"github.com/reactorpipe/reactorpipe/stages/exec"
)

func decodeYAML(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"default", "", ""},
		{"no command", "command: []", "command: is required, as in [python3, dark.py]"},
		{"a variable with =", "env: {A=B: c}", `env: must have names without =, got "A=B"`},
		{"gray", "pixels: gray", `pixels: must be rgb, bgr or none, got "gray"`},
		{"writes nothing", "{pixels: none, writes: true}", "writes: there are no pixels to write with pixels: none"},
		{"masks", "sets: [masks]", `sets: must be of detections, events, measurements and texts, got "masks"`},
		{"no name", `commands: [""]`, "commands: must be names of commands, got an empty one"},
		{"no time to start", "start_timeout: 0s", "start_timeout: must be positive, got 0s"},
		{"no time", "timeout: 0s", "timeout: must be positive, got 0s"},
		{"at once", "backoff: 0s", "backoff: must be positive, got 0s"},
		{"sometimes", "restart: sometimes", `restart: must be always or never, got "sometimes"`},
		{"two bytes", "memory: 2", "memory: must be 0 or at least 1MiB, got 2"},
		{"no processor", "cpus: -1", "cpus: must be 0 or more, got -1"},
		{"first", "nice: -5", "nice: must be from 0 to 19, got -5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := exec.Default()
			cfg.Command = []string{"true"}
			decodeYAML(t, tt.config, &cfg)
			if got := message(cfg.Validate()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatTheGraphIsTold(t *testing.T) {
	tests := []struct {
		config string
		pixels pipeline.Pixels
		sets   int
	}{
		{"", pipeline.Pixels{Read: pipeline.Native}, 4},
		{"{pixels: bgr, writes: true}", pipeline.Pixels{Read: pipeline.Native, Write: pipeline.Edit}, 4},
		{"{pixels: none, sets: [events]}", pipeline.Pixels{}, 1},
	}
	for _, tt := range tests {
		cfg := exec.Default()
		decodeYAML(t, tt.config, &cfg)
		if got := cfg.Pixels(); got != tt.pixels {
			t.Errorf("%s: pixels %v, want %v", tt.config, got, tt.pixels)
		}
		if got := cfg.Sets(); len(got) != tt.sets {
			t.Errorf("%s: sets %d kinds, want %d", tt.config, len(got), tt.sets)
		}
	}
}

// What the file makes of the stage: its mistakes, and what expressions may ask.
func TestFile(t *testing.T) {
	tests := []struct{ name, stages, want string }{
		{"beside the line", "- {name: a, type: exec, async: true, config: {command: [a]}}", ""},
		{"side by side", "- {name: a, type: exec, workers: 2, config: {command: [a]}}", ""},
		{
			"what one of two may set is meant", `
  - {name: a, type: exec, config: {command: [a], sets: [measurements]}}
  - {name: b, type: exec, when: measurements.dark > 0.5, config: {command: [b]}}`, "",
		},
		{
			"what it may not set", `
  - {name: a, type: exec, config: {command: [a], sets: [measurements]}}
  - {name: b, type: exec, when: len(a.events) > 0, config: {command: [b]}}`,
			`p.yaml:5: stage "b": when: stage "a" has no "events"; it has measurements, origin`,
		},
		{
			"writes beside the line", "- {name: a, type: exec, async: true, config: {command: [a], writes: true}}",
			`p.yaml:3: stage "a": async: exec changes the picture, and only stages that do not may work beside the line`,
		},
		{
			"a mistake", `
  - name: a
    type: exec
    config:
      command: [a]
      pixel: bgr`,
			`p.yaml:8: stage "a": unknown field "pixel" in config, did you mean "pixels"?`,
		},
		{"no command", "- {name: a, type: exec}", `p.yaml:3: stage "a": command: is required, as in [python3, dark.py]`},
	}
	reg := pipeline.NewRegistry()
	ingest.Register(reg)
	discard.Register(reg)
	exec.Register(reg)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "sources: {clip: {file: x.mp4}}\nstages:\n  " + tt.stages + "\nsinks: [{name: gone, type: discard}]\n"
			_, err := config.Parse("p.yaml", []byte(text), reg, config.Options{})
			if got := message(err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
