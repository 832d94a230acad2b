package pipetest

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Case is one kind with one configuration.
type Case struct {
	// Register adds the kind, as the kind's own package does it.
	Register func(*pipeline.Registry)
	// Kind is the name it registers.
	Kind string
	// Config is the YAML under `config:`; "" is the default.
	Config string
	// Env is what the node is given; what is missing is filled in.
	Env pipeline.Env
	// Check, if set, is called with the decoded configuration (a pointer),
	// where config would check its expressions.
	Check func(cfg any) error
	// Annotate, if set, is called with each frame before it is lent, in the
	// name of a stage "upstream".
	Annotate func(f *pipeline.Frame)
	// Live, if set, counts images that are in use besides those of this
	// package (mat.Live). It must be back where it was after each check.
	Live func() int
	// Width and Height of the ordinary pictures; 320 × 240 where zero.
	Width, Height int
}

// NewStage builds the stage through the registry, as the graph does.
func NewStage(t testing.TB, c Case) pipeline.Stage {
	t.Helper()
	kind := c.stageType(t)
	stage, err := kind.Build(c.env(t), c.config(t, kind.Type))
	if err != nil {
		t.Fatalf("build %s: %v", c.Kind, err)
	}
	return stage
}

// NewSink builds the sink through the registry, as the graph does. The caller
// closes it.
func NewSink(t testing.TB, c Case) pipeline.Sink {
	t.Helper()
	kind := c.sinkType(t)
	sink, err := kind.Build(c.env(t), c.config(t, kind.Type))
	if err != nil {
		t.Fatalf("build %s: %v", c.Kind, err)
	}
	return sink
}

func (c Case) registry() *pipeline.Registry {
	r := pipeline.NewRegistry()
	c.Register(r)
	return r
}

func (c Case) stageType(t testing.TB) pipeline.StageType {
	t.Helper()
	kind, ok := c.registry().Stage(c.Kind)
	if !ok {
		t.Fatalf("no kind of stage %q was registered", c.Kind)
	}
	return kind
}

func (c Case) sinkType(t testing.TB) pipeline.SinkType {
	t.Helper()
	kind, ok := c.registry().Sink(c.Kind)
	if !ok {
		t.Fatalf("no kind of sink %q was registered", c.Kind)
	}
	return kind
}

// config returns a decoded and validated configuration.
func (c Case) config(t testing.TB, kind pipeline.Type) any {
	t.Helper()
	cfg := kind.NewConfig()
	decoder := yaml.NewDecoder(strings.NewReader(c.Config))
	decoder.KnownFields(true)
	if err := decoder.Decode(cfg); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("config of %s: %v", c.Kind, err)
	}
	if v, ok := cfg.(pipeline.Validator); ok {
		if err := v.Validate(); err != nil {
			t.Fatalf("config of %s: %v", c.Kind, err)
		}
	}
	if c.Check != nil {
		if err := c.Check(cfg); err != nil {
			t.Fatalf("config of %s: %v", c.Kind, err)
		}
	}
	return cfg
}

// pixels returns what the kind does with pixels, as its configuration refines
// it.
func pixels(declared pipeline.Pixels, cfg any) pipeline.Pixels {
	if refined, ok := cfg.(interface{ Pixels() pipeline.Pixels }); ok {
		return refined.Pixels()
	}
	return declared
}

func (c Case) env(t testing.TB) pipeline.Env {
	t.Helper()
	env := c.Env
	if env.Name == "" {
		env.Name = c.Kind
	}
	if env.Log == nil {
		env.Log = slog.New(slog.NewTextHandler(logWriter{t}, nil))
	}
	if env.Clock == nil {
		env.Clock = pipeline.SystemClock{}
	}
	if env.Metrics == nil {
		env.Metrics = pipeline.NoMetrics{}
	}
	if env.Still == nil {
		env.Still = Still
	}
	if env.Dir == "" {
		env.Dir = t.TempDir()
	}
	return env
}

// logWriter shows a node's log with the test's.
type logWriter struct{ t testing.TB }

func (w logWriter) Write(line []byte) (int, error) {
	w.t.Helper()
	w.t.Logf("%s", bytes.TrimRight(line, "\n"))
	return len(line), nil
}

func (c Case) size() (width, height int) {
	if c.Width > 0 && c.Height > 0 {
		return c.Width, c.Height
	}
	return 320, 240
}
