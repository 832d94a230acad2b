package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComments(t *testing.T) {
	dir := t.TempDir()
	source := `// Package blur is the stage that blurs pictures. See [Config].
//
// It takes its time.
package blur

// Config of a blur.
//
// For programmers.
type Config struct {
	// Radius is the side of a square, as in sides[0] or [Config],
	// in pixels.
	Radius int ` + "`yaml:\"radius\"`" + `
	// OnError says what is done.
	OnError string ` + "`yaml:\"on_error\"`" + `
	// Width of the picture.
	Width, Height int
	// Widths that are tried.
	Width2 []int
	None   int
	// Kernel is what it is multiplied by.
	Kernel struct {
		// Shapes are two.
		Shapes []string
	}
}

// FileConfig is the source that plays a file.
type FileConfig struct{}
`
	if err := os.WriteFile(filepath.Join(dir, "blur.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := read(dir, module)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		module:                           "Blurs pictures. See Config.\n\nIt takes its time.",
		module + ".Config":               "Config of a blur.",
		module + ".Config.Radius":        "The side of a square, as in sides[0] or Config, in pixels.",
		module + ".Config.OnError":       "`on_error` says what is done.",
		module + ".Config.Width":         "Width of the picture.",
		module + ".Config.Width2":        "Widths that are tried.",
		module + ".Config.Kernel":        "What it is multiplied by.",
		module + ".Config.Kernel.Shapes": "Two.",
		module + ".FileConfig":           "Plays a file.",
	}
	want[module+".Config.Height"] = want[module+".Config.Width"]
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

// What a user sees described has a comment.
func TestMissingCommentIsNamed(t *testing.T) {
	c := newComments(root)
	if text := c.text(module + "/stages/blur.Config.Radius"); text == "" || c.err() != nil {
		t.Errorf("got %q, %v", text, c.err())
	}
	c.text(module + "/stages/blur.Config.Raduis")
	if err := c.err(); err == nil || err.Error() != module+"/stages/blur.Config.Raduis has no comment" {
		t.Errorf("got %v", err)
	}
}
