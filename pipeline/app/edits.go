package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// edits tells which of some files have another text than they had, however that
// came about: written in place, by an editor that renames, or through a link
// that points elsewhere. It watches their folders.
type edits struct {
	watcher *fsnotify.Watcher
	changed chan string // paths
	texts   map[string][]byte
	names   map[string]bool // the files', and those of what they link to
	done    chan struct{}
	stopped sync.WaitGroup
}

// settleTime is how long files have to be still before they are read: an editor
// writes in several steps.
const settleTime = 200 * time.Millisecond

func watchFiles(paths []string) (*edits, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("--watch: %w", err)
	}
	e := &edits{
		watcher: watcher, changed: make(chan string, len(paths)), done: make(chan struct{}),
		texts: make(map[string][]byte), names: make(map[string]bool),
	}
	var errs []error
	for _, path := range paths {
		e.texts[path], _ = os.ReadFile(path) // it has been read before, and may be there again later
		for _, place := range placesOf(path) {
			errs = append(errs, watcher.Add(filepath.Dir(place)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(fmt.Errorf("--watch: %w", err), watcher.Close())
	}
	e.stopped.Go(e.run)
	return e, nil
}

// placesOf returns path and what it links to.
func placesOf(path string) []string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return []string{path, real}
	}
	return []string{path}
}

func (e *edits) run() {
	defer close(e.changed)
	settled := time.NewTimer(0)
	defer settled.Stop()
	for {
		select {
		case <-e.done:
			return
		case event := <-e.watcher.Events:
			if e.matters(event) {
				settled.Reset(settleTime)
			}
		case <-e.watcher.Errors: // events got lost: look at all
			settled.Reset(settleTime)
		case <-settled.C:
			e.compare()
		}
	}
}

// matters says whether one of the files may have another text now. What comes or
// goes may be a link on the way to it; what others write into their files, as
// recordings do all the time, is not waited for. A folder has several names, so
// that only the last of a path is looked at.
func (e *edits) matters(event fsnotify.Event) bool {
	return event.Op&^(fsnotify.Write|fsnotify.Chmod) != 0 || e.names[filepath.Base(event.Name)]
}

// compare tells of the files whose text is another one. One that is not there
// may be on its way.
func (e *edits) compare() {
	clear(e.names)
	for path := range e.texts {
		for _, place := range placesOf(path) {
			e.names[filepath.Base(place)] = true
		}
	}
	for path, before := range e.texts {
		text, err := os.ReadFile(path)
		if err != nil || bytes.Equal(text, before) {
			continue
		}
		e.texts[path] = text
		select {
		case e.changed <- path:
		case <-e.done:
			return
		}
	}
}

// close ends the watch and closes changed.
func (e *edits) close() error {
	close(e.done)
	e.stopped.Wait()
	return e.watcher.Close()
}
