package jsonl_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
	"github.com/reactorpipe/reactorpipe/sinks/jsonl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSink(t *testing.T) {
	pipetest.Sink(t, pipetest.Case{
		Register: jsonl.Register, Kind: "jsonl", Config: "path: " + filepath.Join(t.TempDir(), "events.jsonl"),
	})
}

func env() pipeline.Env {
	return pipeline.Env{
		Name: "events", Log: slog.New(slog.DiscardHandler),
		Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{},
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		cfg  jsonl.Config
		want string
	}{
		{"good", jsonl.Config{Path: "a.jsonl", Exists: outfile.Append}, ""},
		{"no path", jsonl.Config{Exists: outfile.Append}, "path: is required"},
		{"rotate", jsonl.Config{Path: "a", Exists: outfile.Append, Rotate: outfile.Rotate{Every: config.Duration(7 * time.Hour)}}, "rotate.every: must be whole days, or divide a day into minutes or more, got 7h0m0s"},
		{"unknown exists", jsonl.Config{Path: "a", Exists: "keep"}, `exists: must be append, rename, overwrite or fail, got "keep"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWritesFramesAndMessages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out", "events.jsonl")
	cfg := jsonl.Default()
	cfg.Path = outfile.Path(path)
	s, err := jsonl.New(env(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	frame := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: 1, PTS: 40 * time.Millisecond, Width: 64, Height: 48}, nil)
	frame.Lend("people")
	pipeline.Set(frame, pipeline.Detections, []pipeline.Detection{{Label: "person", Score: 0.5}})
	message := pipeline.NewFrame(pipeline.Meta{Stream: "state", Message: &pipeline.Message{Type: "state", Data: map[string]any{"n": 1}}}, nil)
	for _, f := range []*pipeline.Frame{frame, message} {
		if err := s.Write(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := readLines(t, path)
	want := []map[string]any{
		{
			"stream": "cam", "seq": 1.0, "pts_ms": 40.0, "width": 64.0, "height": 48.0,
			"annotations": map[string]any{"people": map[string]any{"detections": []any{map[string]any{
				"label": "person", "score": 0.5, "box": map[string]any{"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0},
			}}}},
		},
		{"stream": "state", "seq": 0.0, "pts_ms": 0.0, "type": "state", "data": map[string]any{"n": 1.0}},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// readLines returns the file's lines without their times.
func readLines(t *testing.T, path string) []map[string]any {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for line := range strings.Lines(string(content)) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		delete(v, "emitted_at")
		lines = append(lines, v)
	}
	return lines
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg := jsonl.Default()
	cfg.Path = outfile.Path(file + "/events.jsonl")
	_, err := jsonl.New(env(), cfg)
	want := "path: mkdir " + file + ": not a directory"
	if err == nil || err.Error() != want || !errors.Is(err, pipeline.ErrFatal) {
		t.Errorf("got %v, want %q", err, want)
	}
}
