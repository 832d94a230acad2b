package app

import (
	"os"
	"path/filepath"
	"testing"
)

// Pipelines without a model: what a file says is drawn, or shown, and ends.
func TestSourcesOfTheirOwn(t *testing.T) {
	picture, err := os.ReadFile("../../docs/live.png")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, source string
		lines        int
	}{
		{"pattern", "{pattern: ramp, width: 64, height: 48, frames: 20, realtime: false}", 20},
		{"images", "{images: shots, fps: 10}", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			file := write(t, "own.yaml", "sources:\n  own: "+tt.source+
				"\nsinks:\n  - {name: seen, type: jsonl, config: {path: seen.jsonl}}\n")
			shots := filepath.Join(filepath.Dir(file), "shots")
			if err := os.Mkdir(shots, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"9.png", "10.png"} {
				if err := os.WriteFile(filepath.Join(shots, name), picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var v invocation
			for _, command := range []string{"validate", "run"} {
				if code := v.main(t, command, file); code != 0 {
					t.Fatalf("%s: exit code %d", command, code)
				}
			}
			if n := wholeLines(t, "seen.jsonl"); n != tt.lines {
				t.Errorf("%d lines, want %d", n, tt.lines)
			}
		})
	}
}
