package exec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Config of an exec stage.
type Config struct {
	// Command is the program and its arguments, such as [python3, dark.py]. A
	// program whose name ends in .py is run by Python.
	Command []string `yaml:"command"`
	// Env are variables of the program's environment. It has those of
	// reactorpipe besides, but for its key and its token.
	Env map[string]string `yaml:"env"`
	// Dir is the program's working directory, relative to the pipeline's file;
	// by default the folder of that file.
	Dir string `yaml:"dir"`
	// Venv is the folder of a Python virtual environment, relative to the
	// pipeline's file: its python and its packages are what the program gets.
	Venv string `yaml:"venv"`
	// The order of colours in the pictures that the program gets: "rgb", "bgr",
	// or "none" for a program that works on annotations or messages alone.
	Order string `yaml:"pixels" oneof:"rgb,bgr,none"`
	// Writes makes what the program leaves in the picture the frame's.
	Writes bool `yaml:"writes"`
	// The kinds of annotation that the program may set; by default all.
	Kinds []string `yaml:"sets" oneof:"detections,events,measurements,texts"`
	// Commands of the model that the program may send; by default none.
	Commands []string `yaml:"commands"`
	// StartTimeout is how long the program may take to become ready, its
	// imports and models included.
	StartTimeout config.Duration `yaml:"start_timeout"`
	// Timeout is how long the program may take for a frame. Then it is killed
	// and started again. Where it is above the stage's `deadline`, that counts.
	Timeout config.Duration `yaml:"timeout"`
	// Restart says what follows when the program ends: "always" starts it
	// again, "never" ends the pipeline.
	Restart string `yaml:"restart" oneof:"always,never"`
	// Backoff is waited before the program is started again. Each time that it
	// lasts for less than 30 s the wait doubles, up to that.
	Backoff config.Duration `yaml:"backoff"`
	// Memory that the program may have for itself, such as 2GB: its data
	// segments (RLIMIT_DATA), without pictures and files that it maps; 0 is any.
	Memory config.Size `yaml:"memory"`
	// Nice lowers the priority of the program, 0 to 19: 19 gets the CPU that nobody
	// else wants.
	Nice int `yaml:"nice" range:"0..19"`
	// CPUs is how many of the machine's processors the program may use; 0 is all
	// that reactorpipe may.
	CPUs int `yaml:"cpus" range:"0.."`
	// Watch starts the program again whenever one of the files that its
	// command names is saved.
	Watch bool `yaml:"watch"`
}

// Words of a Config.
const (
	pixelsNone   = "none"
	pixelsBGR    = "bgr"
	restartNever = "never"
)

// Default returns the configuration of a program that looks at RGB pictures.
func Default() Config {
	return Config{
		Order: "rgb", Restart: "always",
		StartTimeout: config.Duration(30 * time.Second),
		Timeout:      config.Duration(2 * time.Second),
		Backoff:      config.Duration(time.Second),
	}
}

// Validate refuses what cannot be run.
func (c *Config) Validate() error {
	if len(c.Command) == 0 || c.Command[0] == "" {
		return errors.New("command: is required, as in [python3, dark.py]")
	}
	for name := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fmt.Errorf("env: must have names without =, got %q", name)
		}
	}
	if words := []string{"rgb", pixelsBGR, pixelsNone}; !slices.Contains(words, c.Order) {
		return fmt.Errorf("pixels: must be rgb, bgr or none, got %q", c.Order)
	}
	if c.Writes && c.Order == pixelsNone {
		return errors.New("writes: there are no pixels to write with pixels: none")
	}
	for _, kind := range c.Kinds {
		if !slices.Contains(kindNames(allKinds()), kind) {
			return fmt.Errorf("sets: must be of detections, events, measurements and texts, got %q", kind)
		}
	}
	if slices.Contains(c.Commands, "") {
		return errors.New("commands: must be names of commands, got an empty one")
	}
	return c.validateLimits()
}

func (c *Config) validateLimits() error {
	for _, d := range []struct {
		key   string
		value config.Duration
	}{{"start_timeout", c.StartTimeout}, {"timeout", c.Timeout}, {"backoff", c.Backoff}} {
		if d.value <= 0 {
			return fmt.Errorf("%s: must be positive, got %s", d.key, d.value)
		}
	}
	if c.Restart != "always" && c.Restart != restartNever {
		return fmt.Errorf("restart: must be always or never, got %q", c.Restart)
	}
	if c.Memory != 0 && c.Memory < leastMemory {
		return fmt.Errorf("memory: must be 0 or at least 1MiB, got %s", c.Memory)
	}
	if c.CPUs < 0 {
		return fmt.Errorf("cpus: must be 0 or more, got %d", c.CPUs)
	}
	if c.Nice < 0 || c.Nice > 19 {
		return fmt.Errorf("nice: must be from 0 to 19, got %d", c.Nice)
	}
	return nil
}

// leastMemory keeps a number without its unit from being taken for a limit that
// no program lives within.
const leastMemory = 1 << 20

// allKinds are the kinds of annotation that a program can set.
func allKinds() []pipeline.AnyKind {
	return []pipeline.AnyKind{pipeline.Detections, pipeline.Events, pipeline.Measurements, pipeline.Texts}
}

func kindNames(kinds []pipeline.AnyKind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name()
	}
	return names
}

// Pixels is what the graph is told of the program.
func (c *Config) Pixels() pipeline.Pixels {
	switch {
	case c.Order == pixelsNone:
		return pipeline.Pixels{}
	case c.Writes:
		return pipeline.Pixels{Read: pipeline.Native, Write: pipeline.Edit}
	default:
		return pipeline.Pixels{Read: pipeline.Native}
	}
}

// Sets is what expressions may expect of the program.
func (c *Config) Sets() []pipeline.AnyKind {
	if len(c.Kinds) == 0 {
		return allKinds()
	}
	return slices.DeleteFunc(allKinds(), func(k pipeline.AnyKind) bool { return !slices.Contains(c.Kinds, k.Name()) })
}

// SessionUse says which commands a program may send.
func (c *Config) SessionUse() pipeline.Use { return pipeline.Use{Commands: c.Commands} }

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "exec", Default: Default, New: New,
		Pixels:    pipeline.Pixels{Read: pipeline.Native},
		Sets:      allKinds(),
		Stateless: true,
	})
}
