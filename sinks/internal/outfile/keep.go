package outfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Keep bounds what the files of a sink take. Where a bound is exceeded the
// oldest finished file goes first. Only files that the sink itself has written,
// in this run or an earlier one with the same path, are ever removed: a hidden
// list beside them says which those are.
type Keep struct {
	// Age that a file may reach after its end; 0 is any.
	Age config.Duration `yaml:"age"`
	// Size of all files together; 0 is any.
	Size config.Size `yaml:"size"`
	// Free is the room that is to be left on the disk, whoever else takes it; 0
	// is none.
	Free config.Size `yaml:"free"`
}

// tidyEvery is how often bounds are looked at that are reached by time alone.
const tidyEvery = 10 * time.Second

// Kept are the files that a sink has written. It is used by one goroutine.
type Kept struct {
	keep  Keep
	list  string // the path of the list
	log   *slog.Logger
	clock pipeline.Clock
	count func(float64)

	loaded bool
	files  []keptFile // the oldest first
	open   bool       // the last is still being written
	dead   int        // lines of the list whose files are gone
	torn   bool       // the list ends in the middle of a line
	tidied time.Time
}

// keptFile is a line of the list.
type keptFile struct {
	// Path relative to the list's folder, so that both can be moved.
	Path string   `json:"path"`
	ID   identity `json:"id"`

	size  int64
	ended time.Time
}

// identity tells a file from another one that has taken its path.
type identity struct {
	Inode uint64 `json:"inode"`
	// Born is when the file was created, in nanoseconds; 0 where the file
	// system does not tell.
	Born int64 `json:"born,omitempty"`
}

// NewKept returns the files of the sink that writes to path. It reads the list
// when the first file is added, not before: another sink may still be writing to
// it. Where keep bounds nothing there is no list.
func NewKept(path Path, keep Keep, env pipeline.Env) *Kept {
	return &Kept{
		keep: keep, list: listOf(path), log: env.Log, clock: env.Clock,
		count: env.Metrics.Counter("files_removed_total", "Files removed to keep to the bounds."),
	}
}

// listOf returns where the list of the files under a path is: in the deepest
// folder that they all share.
func listOf(p Path) string {
	fixed, rest, _ := strings.Cut(string(p), "{{")
	folder := filepath.Dir(fixed + "x")
	name := strings.TrimPrefix(string(p), fixed[:strings.LastIndexByte(fixed, '/')+1])
	if rest != "" {
		name = computed.ReplaceAllString(name, "$1")
	}
	return filepath.Join(folder, "."+strings.ReplaceAll(name, "/", "-")+".kept")
}

// Begin adds a file that exists, to be written from now on. It ends the one
// before.
func (k *Kept) Begin(path string) {
	if k.keep == (Keep{}) {
		return
	}
	k.load()
	k.End()
	f, err := k.describe(path)
	if err == nil {
		err = k.note(f)
	}
	if err != nil {
		k.log.Warn("a file will not be removed when it is too much", "path", path, "err", err)
		return
	}
	k.files, k.open = append(k.files, f), true
	k.tidy(k.clock.Now())
}

// Moved says that the last file has another path now.
func (k *Kept) Moved(path string) {
	if !k.open {
		return
	}
	f := &k.files[len(k.files)-1]
	rel, err := filepath.Rel(filepath.Dir(k.list), path)
	if err == nil {
		f.Path = rel
		err = k.note(*f)
	}
	if err != nil {
		k.log.Warn("a file will not be removed when it is too much", "path", path, "err", err)
	}
	k.dead++ // the line before
}

// End says that the last file is finished.
func (k *Kept) End() {
	if !k.open {
		return
	}
	k.measure(&k.files[len(k.files)-1])
	k.open = false
}

// Finish closes a file, ends it if it is the last that was begun, and removes it
// if nothing was written to it.
func (k *Kept) Finish(path string, file io.Closer) error {
	err := file.Close()
	if k.open && k.path(k.files[len(k.files)-1]) == path {
		k.End()
	}
	return errors.Join(err, Discard(path))
}

// Tidy removes what exceeds the bounds by now. It may be called often.
func (k *Kept) Tidy() {
	now := k.clock.Now()
	if k.keep == (Keep{}) || now.Sub(k.tidied) < tidyEvery {
		return
	}
	k.load()
	k.tidy(now)
}

func (k *Kept) tidy(now time.Time) {
	k.tidied = now
	if k.open {
		k.measure(&k.files[len(k.files)-1])
	}
	total := k.total()
	for k.removable() {
		f := k.files[0]
		if !k.exceeds(f, total, now) {
			break
		}
		total -= f.size
		k.files = k.files[1:]
		k.dead++
		k.remove(f)
	}
	if k.dead > len(k.files)+1000 {
		k.rewrite()
	}
}

func (k *Kept) total() (n int64) {
	for _, f := range k.files {
		n += f.size
	}
	return n
}

func (k *Kept) removable() bool {
	return len(k.files) > 1 || len(k.files) == 1 && !k.open
}

// exceeds says whether f, the oldest, has to go.
func (k *Kept) exceeds(f keptFile, total int64, now time.Time) bool {
	switch {
	case k.keep.Age > 0 && now.Sub(f.ended) > k.keep.Age.Std():
		return true
	case k.keep.Size > 0 && total > int64(k.keep.Size):
		return true
	case k.keep.Free > 0:
		free, known := Free(filepath.Dir(k.list))
		return known && free < uint64(k.keep.Free)
	}
	return false
}

// remove removes f, unless another file has its path by now, and the folders
// that this leaves empty.
func (k *Kept) remove(f keptFile) {
	path := k.path(f)
	if id, err := identify(path); err != nil || id != f.ID {
		return
	}
	if err := os.Remove(path); err != nil {
		k.log.Warn("file not removed", "err", err)
		return
	}
	k.count(1)
	k.log.Info("file removed to keep to the bounds", "path", path)
	for dir := filepath.Dir(path); dir != filepath.Dir(k.list) && os.Remove(dir) == nil; {
		dir = filepath.Dir(dir)
	}
}

func (k *Kept) path(f keptFile) string { return filepath.Join(filepath.Dir(k.list), f.Path) }

func (k *Kept) describe(path string) (keptFile, error) {
	rel, err := filepath.Rel(filepath.Dir(k.list), path)
	if err != nil {
		return keptFile{}, err
	}
	id, err := identify(path)
	return keptFile{Path: rel, ID: id, ended: k.clock.Now()}, err
}

// measure notes the size of f, and that it has ended by now.
func (k *Kept) measure(f *keptFile) {
	if info, err := os.Stat(k.path(*f)); err == nil {
		f.size = info.Size()
	}
	f.ended = k.clock.Now()
}

// note adds a line to the list.
func (k *Kept) note(f keptFile) error {
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	list, err := os.OpenFile(k.list, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if k.torn {
		line = append([]byte("\n"), line...)
	}
	n, err := list.Write(append(line, '\n'))
	k.torn = err != nil && (k.torn || n > 0)
	return errors.Join(err, list.Close())
}

// load reads the list, once, and takes out of it what is gone.
func (k *Kept) load() {
	if k.loaded {
		return
	}
	k.loaded = true
	content, err := os.ReadFile(k.list)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			k.log.Warn("files of earlier runs will not be removed", "err", err)
		}
		return
	}
	k.torn = len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) // a crash, or a full disk
	lines := bytes.Split(content, []byte("\n"))
	seen := make(map[identity]bool) // a file that was overwritten is there twice
	for _, line := range slices.Backward(lines) {
		var f keptFile
		if json.Unmarshal(line, &f) != nil || seen[f.ID] || !k.find(&f) {
			k.dead++
			continue
		}
		seen[f.ID] = true
		k.files = append(k.files, f)
	}
	slices.Reverse(k.files)
	if k.dead > 1 { // nothing follows the last line's end
		k.rewrite()
	}
}

// find looks for the file of a line.
func (k *Kept) find(f *keptFile) bool {
	path := k.path(*f)
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if id, err := identify(path); err != nil || id != f.ID {
		return false
	}
	f.size, f.ended = info.Size(), info.ModTime()
	return true
}

// rewrite writes the list anew, without what is gone.
func (k *Kept) rewrite() {
	var lines bytes.Buffer
	for _, f := range k.files {
		line, err := json.Marshal(f)
		if err != nil {
			return
		}
		lines.Write(append(line, '\n'))
	}
	if err := Replace(k.list, lines.Bytes()); err != nil {
		k.log.Warn("list of files not written anew", "err", err)
		return
	}
	k.dead, k.torn = 0, false
}

// identify returns what tells the file at path from others.
func identify(path string) (identity, error) {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &s)
	if err != nil {
		return identity{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	id := identity{Inode: s.Ino}
	if s.Mask&unix.STATX_BTIME != 0 {
		id.Born = s.Btime.Sec*int64(time.Second) + int64(s.Btime.Nsec)
	}
	return id, nil
}

// Free returns the room on the disk of a folder, in bytes; false where that is
// not known.
func Free(folder string) (bytes uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil || s.Bsize <= 0 {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
