package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A model that shows nothing before it was given a picture is begun by a file, and
// given parts of its own frames after that.
func TestStartsAModelWithAPicture(t *testing.T) {
	t.Parallel()
	path := write(t, "p.yaml", `
session:
  sim: {width: 320, height: 240, needs_image: true}
  start: [{command: set_image, data: {image: {file: refs/reference.jpg}}}]
  commands: {ledger: DIR/ledger.jsonl}
sources: {cam: {track: main_video}}
sinks:
- name: again
  type: command
  when: frame.seq == 3
  config: {command: set_image, data: {image: {frame: "crop(-20, 10, 100, 50)"}}}
- name: beside
  type: command
  when: frame.seq == 4
  config: {command: set_image, data: {image: {frame: "crop(500, 10, 100, 50)", format: png}}}
`)
	file, err := os.ReadFile("../../configs/reference.jpg")
	if err != nil {
		t.Fatal(err)
	}
	refs := filepath.Join(filepath.Dir(path), "refs")
	if err := os.Mkdir(refs, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(refs, "reference.jpg"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	if code := v.main(t, "run", path, "--frames", "10", "--summary", summary); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	want := []string{
		fmt.Sprintf("start: sent reference.jpg image/jpeg, the model read %d bytes of reference.jpg", len(file)),
		"again: sent cam-3.jpg image/jpeg, the model read the same bytes of cam-3.jpg",
	}
	if diff := cmp.Diff(uploadsOf(t, filepath.Join(filepath.Dir(path), "ledger.jsonl"), len(file)), want); diff != "" {
		t.Errorf("%s\n%s", diff, v.err.String())
	}
}

// uploadsOf returns a ledger's commands that bring files.
func uploadsOf(t *testing.T, ledger string, known int) []string {
	t.Helper()
	text, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	var uploads []string
	for line := range bytes.Lines(text) {
		var r struct {
			Outcome string
			Cause   struct{ Node string }
			Args    struct {
				Image struct {
					Name     string
					MIMEType string `json:"mime_type"`
					Size     int
				}
			}
			Reply struct {
				Data struct {
					Filename string
					Size     int
				}
			}
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		read := fmt.Sprintf("%d bytes", r.Reply.Data.Size)
		if r.Reply.Data.Size != known && r.Reply.Data.Size == r.Args.Image.Size {
			read = "the same bytes"
		}
		uploads = append(uploads, fmt.Sprintf("%s: %s %s %s, the model read %s of %s",
			r.Cause.Node, r.Outcome, r.Args.Image.Name, r.Args.Image.MIMEType, read, r.Reply.Data.Filename))
	}
	return uploads
}

func TestTheShippedExampleOfAPicture(t *testing.T) {
	t.Parallel()
	var v invocation
	if code := v.main(t, "validate", "../../configs/image.yaml"); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}
