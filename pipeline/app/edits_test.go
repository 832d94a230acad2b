package app

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A file that is saved is told of however it is named, also where something
// beside it is written to all the time, as a recording is.
func TestEditsInABusyFolder(t *testing.T) {
	tests := []struct {
		name, path string
		links      map[string]string // what they lead to, by their names
		edit       string            // the file that is written to
	}{
		{"by its name", "p.yaml", nil, "p.yaml"},
		{"by a name that is not clean", "./there/../p.yaml", nil, "p.yaml"},
		{"through a link", "p.yaml", map[string]string{"p.yaml": "there/q.yaml"}, "there/q.yaml"},
		{"through a link beside it", "p.yaml", map[string]string{"p.yaml": "DIR/q.yaml"}, "q.yaml"},
		{"in a folder that is linked to", "link/p.yaml", map[string]string{"link": "there"}, "there/p.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			busyFolder(t, tt.links)
			save(t, tt.edit, "before")
			e, err := watchFiles([]string{tt.path})
			if err != nil {
				t.Fatal(err)
			}
			defer e.close()
			for _, text := range []string{"after", "later"} { // the first may be there at the first look
				save(t, tt.edit, text)
				e.waitFor(t, tt.path)
			}
		})
	}
}

// What a link leads to from now on is written to as well.
func TestEditsOfALinkThatMoves(t *testing.T) {
	busyFolder(t, map[string]string{"p.yaml": "q.yaml"})
	save(t, "q.yaml", "before")
	save(t, "r.yaml", "after")
	e, err := watchFiles([]string{"p.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if err := os.Symlink("r.yaml", "p.yaml~"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("p.yaml~", "p.yaml"); err != nil {
		t.Fatal(err)
	}
	e.waitFor(t, "p.yaml")
	save(t, "r.yaml", "later")
	e.waitFor(t, "p.yaml")
}

// busyFolder makes a folder with some links the present one. Until the end of
// the test something writes in it, and in a folder "there", far more often than
// they have to be still.
func busyFolder(t *testing.T, links map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.Mkdir("there", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range links {
		if filepath.Dir(target) == "DIR" {
			here, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			target = filepath.Join(here, filepath.Base(target))
		}
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	var recordings []*os.File
	for _, name := range []string{"v.mp4", "there/v.mp4"} {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		recordings = append(recordings, f)
	}
	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		often := time.NewTicker(settleTime / 20)
		defer often.Stop()
		for {
			select {
			case <-done:
				return
			case <-often.C:
				for _, f := range recordings {
					f.WriteString("x")
				}
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		writing.Wait()
		for _, f := range recordings {
			f.Close()
		}
	})
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until a file is told of.
func (e *edits) waitFor(t *testing.T, path string) {
	t.Helper()
	select {
	case got := <-e.changed:
		if got != path {
			t.Errorf("told of %s, want %s", got, path)
		}
	case <-time.After(patience):
		t.Errorf("not told of %s", path)
	}
}
