package outfile

import (
	"bytes"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// calendar is a clock that a test sets.
type calendar struct {
	pipeline.SystemClock
	now time.Time
}

func (c *calendar) Now() time.Time { return c.now }

// After never comes.
func (c *calendar) After(time.Duration) <-chan time.Time { return nil }

// shelf is a folder with the files of a sink.
type shelf struct {
	t     *testing.T
	dir   string
	path  Path
	clock *calendar
	env   pipeline.Env
}

func newShelf(t *testing.T, path string) *shelf {
	t.Helper()
	dir := t.TempDir()
	clock := &calendar{now: time.Now()}
	e := env(slog.New(slog.DiscardHandler))
	e.Clock = clock
	return &shelf{t: t, dir: dir, path: Path(filepath.Join(dir, path)), clock: clock, env: e}
}

// put writes a file of so many bytes.
func (s *shelf) put(name string, bytes int) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, bytes), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// left returns the files that are there, without the list.
func (s *shelf) left() []string {
	s.t.Helper()
	var names []string
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != listOf(s.path) && path != s.dir {
			name, _ := filepath.Rel(s.dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

func (s *shelf) want(names ...string) {
	s.t.Helper()
	if diff := cmp.Diff(s.left(), names); diff != "" {
		s.t.Error(diff)
	}
}

func TestKeepBySize(t *testing.T) {
	s := newShelf(t, "{{date}}.bin")
	k := NewKept(s.path, Keep{Size: 1000}, s.env)
	s.put("other.bin", 5000)
	for _, name := range []string{"a.bin", "b.bin", "c.bin"} {
		k.Begin(s.put(name, 400))
	}
	s.want("b.bin", "c.bin", "other.bin")
	s.put("c.bin", 1200) // it grows
	k.Tidy()
	s.want("b.bin", "c.bin", "other.bin")
	s.clock.now = s.clock.now.Add(tidyEvery)
	k.Tidy()
	s.want("c.bin", "other.bin") // which is still being written
	k.End()
	s.clock.now = s.clock.now.Add(tidyEvery)
	k.Tidy()
	s.want("other.bin")
}

func TestKeepByAge(t *testing.T) {
	s := newShelf(t, "a.bin")
	k := NewKept(s.path, Keep{Age: config.Duration(time.Hour)}, s.env)
	k.Begin(s.put("a.bin", 1))
	s.clock.now = s.clock.now.Add(50 * time.Minute)
	k.Begin(s.put("b.bin", 1))
	s.clock.now = s.clock.now.Add(50 * time.Minute)
	k.Tidy()
	s.want("a.bin", "b.bin") // a ended 50 minutes ago, b has not
	s.clock.now = s.clock.now.Add(11 * time.Minute)
	k.Tidy()
	s.want("b.bin")
}

func TestKeepFreesTheDisk(t *testing.T) {
	s := newShelf(t, "a.bin")
	s.put("other.bin", 1)
	k := NewKept(s.path, Keep{Free: 1 << 60}, s.env)
	k.Begin(s.put("a.bin", 1))
	k.Begin(s.put("b.bin", 1))
	s.want("b.bin", "other.bin")
}

// Files of earlier runs are known, and only those.
func TestKeepOverRestarts(t *testing.T) {
	s := newShelf(t, "{{date}}/{{time}}.bin")
	keep := Keep{Size: 1}
	first := NewKept(s.path, Keep{Size: 1 << 20}, s.env)
	for _, name := range []string{"mon/a.bin", "mon/b.bin", "tue/c.bin", "tue/d.bin"} {
		first.Begin(s.put(name, 10))
	}
	// One is replaced by somebody else's of the same name, one is gone.
	other := s.put("other.bin", 10)
	if err := os.Rename(other, filepath.Join(s.dir, "tue", "c.bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.dir, "mon", "b.bin")); err != nil {
		t.Fatal(err)
	}
	list, err := os.OpenFile(listOf(s.path), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.WriteString(`{"path":"tue/c.b`); err != nil { // torn by a crash
		t.Fatal(err)
	}
	if err := list.Close(); err != nil {
		t.Fatal(err)
	}
	second := NewKept(s.path, keep, s.env)
	second.Begin(s.put("wed/e.bin", 10))
	s.want("tue", "tue/c.bin", "wed", "wed/e.bin") // and mon is gone with its files
}

// A file that is written anew at the same path counts once.
func TestKeepOfOneFile(t *testing.T) {
	s := newShelf(t, "a.bin")
	for range 3 {
		NewKept(s.path, Keep{Size: 15}, s.env).Begin(s.put("a.bin", 10))
	}
	k := NewKept(s.path, Keep{Size: 15}, s.env)
	k.Tidy()
	s.want("a.bin")
	content, err := os.ReadFile(listOf(s.path))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(content, []byte("\n")); n != 1 {
		t.Errorf("the list has %d lines:\n%s", n, content)
	}
}

func TestKeepsNoListOfWhatHasNoBounds(t *testing.T) {
	s := newShelf(t, "a.bin")
	k := NewKept(s.path, Keep{}, s.env)
	k.Begin(s.put("a.bin", 1))
	k.End()
	k.Tidy()
	if _, err := os.Stat(listOf(s.path)); !os.IsNotExist(err) {
		t.Errorf("there is a list: %v", err)
	}
	s.want("a.bin")
}

func TestListOf(t *testing.T) {
	tests := map[Path]string{
		"a.mp4":                       ".a.mp4.kept",
		"rec/a.mp4":                   "rec/.a.mp4.kept",
		"rec/{{date}}-{{ time }}.mp4": "rec/.date-time.mp4.kept",
		"rec/{{date}}/{{time}}.mp4":   "rec/.date-time.mp4.kept",
		"rec-{{date}}/a.mp4":          ".rec-date-a.mp4.kept",
		"/r/x-{{date}}.mp4":           "/r/.x-date.mp4.kept",
	}
	for _, path := range slices.Sorted(maps.Keys(tests)) {
		if got := listOf(path); got != tests[path] {
			t.Errorf("%s: got %s, want %s", path, got, tests[path])
		}
	}
}

// A crash may leave half a line at the end of the list: what is noted behind it is
// a line of its own.
func TestKeepTornList(t *testing.T) {
	s := newShelf(t, "a.txt")
	keep := Keep{Size: 10}
	first := NewKept(s.path, keep, s.env)
	first.Begin(s.put("a-1.txt", 6))
	first.End()
	list, err := os.ReadFile(listOf(s.path))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(listOf(s.path), append(list, list[:len(list)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	second := NewKept(s.path, Keep{Size: 100}, s.env)
	second.Begin(s.put("a-2.txt", 6))
	second.End()
	third := NewKept(s.path, keep, s.env)
	third.Begin(s.put("a-3.txt", 6))
	s.want("a-3.txt")
}
