package outfile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

func TestPath(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	tests := []struct {
		path outfile.Path
		want string
		err  string
	}{
		{"rec/a.mp4", "rec/a.mp4", ""},
		{"rec/{{date}}-{{time}}.mp4", "rec/2026-03-04-050607.mp4", ""},
		{"rec/{{ date }}/{{time }}.mp4", "rec/2026-03-04/050607.mp4", ""},
		{"", "", "is required"},
		{"rec/{{ day }}.mp4", "rec/{{ day }}.mp4", "unknown {{ day }}: a path knows {{date}} and {{time}}"},
		{"rec/", "rec/", `must name a file, got the folder "rec/"`},
	}
	for _, tt := range tests {
		t.Run(string(tt.path), func(t *testing.T) {
			if got := tt.path.At(at); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			got := ""
			if err := tt.path.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.err {
				t.Errorf("got error %q, want %q", got, tt.err)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	tests := []struct {
		exists outfile.Exists
		want   map[string]string // what the folder holds afterwards
		fails  bool
	}{
		{outfile.Append, map[string]string{"a.txt": "1new", "a-2.txt": "2"}, false},
		{outfile.Overwrite, map[string]string{"a.txt": "new", "a-2.txt": "2"}, false},
		{outfile.Rename, map[string]string{"a.txt": "1", "a-2.txt": "2", "a-3.txt": "new"}, false},
		{outfile.Fail, map[string]string{"a.txt": "1", "a-2.txt": "2"}, true},
	}
	for _, tt := range tests {
		t.Run(string(tt.exists), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made")
			for path, content := range map[string]string{"a.txt": "1", "a-2.txt": "2"} {
				f, err := outfile.Open(filepath.Join(dir, path), outfile.Fail)
				if err != nil {
					t.Fatal(err)
				}
				put(t, f, content)
			}
			f, err := outfile.Open(filepath.Join(dir, "a.txt"), tt.exists)
			if failed := err != nil; failed != tt.fails {
				t.Fatalf("got error %v", err)
			}
			if err == nil {
				put(t, f, "new")
			}
			if diff := cmp.Diff(contents(t, dir), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func put(t *testing.T, f *os.File, content string) {
	t.Helper()
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(content)
	}
	return got
}

func TestNumbersGoOn(t *testing.T) {
	tests := []struct {
		name  string
		there []string
		want  string
	}{
		{"nothing there", nil, "a.txt"},
		{"others", []string{"a-x.txt", "a-02.txt", "a-1.txt", "b.txt", "a-2.mp4", "a-2-3.txt"}, "a.txt"},
		{"itself", []string{"a.txt"}, "a-2.txt"},
		{"the first are gone", []string{"a-9.txt", "a-10.txt"}, "a-11.txt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range tt.there {
				f, err := outfile.Open(filepath.Join(dir, name), outfile.Fail)
				if err != nil {
					t.Fatal(err)
				}
				put(t, f, "")
			}
			f, err := outfile.Open(filepath.Join(dir, "a.txt"), outfile.Rename)
			if err != nil {
				t.Fatal(err)
			}
			put(t, f, "")
			if got := filepath.Base(f.Name()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
