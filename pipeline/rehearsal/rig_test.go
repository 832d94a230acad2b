package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kinds are what the pipelines of these tests are made of.
func kinds() *pipeline.Registry {
	reg := pipeline.NewRegistry()
	pipeline.RegisterSource(reg, pipeline.SourceKind[trackConfig]{
		Name: "track", Session: true,
		New: func(pipeline.Env, trackConfig) (pipeline.Source, error) { return nil, errors.New("there is no model") },
	})
	pipeline.RegisterSource(reg, pipeline.SourceKind[messageConfig]{Name: "message", Session: true, Messages: true, New: newMessages})
	pipeline.RegisterSource(reg, pipeline.SourceKind[endlessConfig]{Name: "endless", New: newEndless})
	pipeline.RegisterStage(reg, pipeline.StageKind[seeConfig]{
		Name: "see", Sets: []pipeline.AnyKind{pipeline.Detections, pipeline.Measurements}, New: newSee, Stateless: true,
		Pixels: pipeline.Pixels{Read: pipeline.Native},
	})
	pipeline.RegisterSink(reg, pipeline.SinkKind[struct{}]{
		Name: "file", New: func(pipeline.Env, struct{}) (pipeline.Sink, error) { return nil, errors.New("a test writes nothing") },
	})
	command.Register(reg)
	return reg
}

type trackConfig struct {
	Track string `yaml:"track"`
}

type messageConfig struct {
	Message string `yaml:"message"`
}

// messages is a source as package ingest has one.
type messages struct {
	read   <-chan pipeline.Message
	cancel context.CancelFunc
	seq    uint64
	begun  time.Time
}

func newMessages(env pipeline.Env, cfg messageConfig) (pipeline.Source, error) {
	ctx, cancel := context.WithCancel(context.Background())
	said := make(chan pipeline.Message, 100)
	all := env.Session.Messages(ctx)
	go func() {
		defer close(said)
		for m := range all {
			if m.Type == cfg.Message {
				said <- m
			}
		}
	}()
	return &messages{read: said, cancel: cancel, begun: env.Clock.Now()}, nil
}

func (m *messages) Read(ctx context.Context) (*pipeline.Frame, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case said, ok := <-m.read:
		if !ok {
			return nil, io.EOF
		}
		m.seq++
		return pipeline.NewFrame(pipeline.Meta{Seq: m.seq - 1, PTS: said.At.Sub(m.begun), Message: &said}, nil), nil
	}
}

func (m *messages) Live() bool { return true }

func (m *messages) Close() error {
	m.cancel()
	for range m.read { // until it is over
	}
	return nil
}

type endlessConfig struct {
	Endless bool `yaml:"endless"`
}

// endlessPictures has no end.
type endlessPictures struct{ plainPictures }

func newEndless(pipeline.Env, endlessConfig) (pipeline.Source, error) {
	return &endlessPictures{*newPlainPictures(picturesFile{Frames: -1, FPS: 10})}, nil
}

// seeConfig is what a stage does.
type seeConfig struct {
	// Does is "", "panic", "stop", "hang", or "ask": something outside.
	Does string `yaml:"does"`
}

// see measures what it is told: frames since the last break, and breaks.
type see struct {
	cfg           seeConfig
	clock         pipeline.Clock
	since, breaks int
	why           pipeline.Reason
	ask           *os.File
	answers       chan struct{}
}

func newSee(env pipeline.Env, cfg seeConfig) (pipeline.Stage, error) {
	s := &see{cfg: cfg, clock: env.Clock}
	if cfg.Does != "ask" {
		return s, nil
	}
	questions, ask, err := os.Pipe()
	s.ask, s.answers = ask, make(chan struct{})
	go func() { // waits for what is outside for as long as the stage lives
		defer questions.Close()
		for question := make([]byte, 1); ; s.answers <- struct{}{} {
			if _, err := questions.Read(question); err != nil {
				close(s.answers)
				return
			}
		}
	}()
	return s, err
}

func (s *see) Close() error {
	if s.ask == nil {
		return nil
	}
	err := s.ask.Close()
	for range s.answers { // until the goroutine is over
	}
	return err
}

func (s *see) Reset(why pipeline.Reason) { s.since, s.breaks, s.why = 0, s.breaks+1, why }

func (s *see) Process(ctx context.Context, f *pipeline.Frame) error {
	switch s.cfg.Does {
	case "panic":
		panic("no")
	case "stop":
		return fmt.Errorf("worn out: %w", pipeline.ErrFatal)
	case "ask":
		if _, err := s.ask.Write([]byte{1}); err != nil {
			return err
		}
		<-s.answers
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	}
	pipeline.Set(f, pipeline.Measurements, map[string]float64{"since": float64(s.since), "breaks": float64(s.breaks)})
	s.since++
	return nil
}

// writeFiles puts files beside each other.
func writeFiles(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// street is the pipeline that most tests are of.
const street = `
session: {url: "http://localhost:8080"}
sources:
  cam: {track: main_video}
  state: {message: state}
stages:
  - {name: people, type: see, from: cam}
sinks:
  - {name: steer, type: command, from: people, when: "len(people.detections) >= 2", config: {command: go, ttl: 2s, data: {n: "{{ len(people.detections) }}"}}}
  - {name: list, type: file, from: people}
  - {name: said, type: file, from: state}
`

// rehearse runs the tests of a text against a pipeline, and returns what failed,
// line by line.
func rehearse(t *testing.T, street, tests string) string {
	t.Helper()
	dir := writeFiles(t, map[string]string{"street.yaml": street, "street_test.yaml": tests})
	suite, err := Load(filepath.Join(dir, "street_test.yaml"), Options{Registry: kinds(), Env: noVariables})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	err = Run(t.Context(), suite.Tests, func(r Result) {
		for _, f := range r.Failures {
			fmt.Fprintf(&said, "%d: %s\n", f.Line, f.Text)
			if f.Diff != "" {
				said.WriteString(f.Diff + "\n")
			}
		}
	})
	if err != nil {
		said.WriteString(strings.ReplaceAll(err.Error(), dir+"/", "") + "\n")
	}
	return said.String()
}

func noVariables(string) (string, bool) { return "", false }
