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
	done    chan struct{}
	stopped sync.WaitGroup
}

// settleTime is how long a folder has to be still before its files are read: an
// editor writes in several steps.
const settleTime = 200 * time.Millisecond

func watchFiles(paths []string) (*edits, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("--watch: %w", err)
	}
	e := &edits{watcher: watcher, changed: make(chan string, len(paths)), texts: make(map[string][]byte), done: make(chan struct{})}
	var errs []error
	for _, path := range paths {
		e.texts[path], _ = os.ReadFile(path) // it has been read before, and may be there again later
		for _, folder := range foldersOf(path) {
			errs = append(errs, watcher.Add(folder))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(fmt.Errorf("--watch: %w", err), watcher.Close())
	}
	e.stopped.Go(e.run)
	return e, nil
}

// foldersOf returns where path and what it links to lie.
func foldersOf(path string) []string {
	folders := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(real) != folders[0] {
		folders = append(folders, filepath.Dir(real))
	}
	return folders
}

func (e *edits) run() {
	defer close(e.changed)
	settled := time.NewTimer(0)
	defer settled.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-e.watcher.Events:
			settled.Reset(settleTime)
		case <-e.watcher.Errors: // events got lost: look at all
			settled.Reset(settleTime)
		case <-settled.C:
			e.compare()
		}
	}
}

// compare tells of the files whose text is another one. One that is not there
// may be on its way.
func (e *edits) compare() {
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
