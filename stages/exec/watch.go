package exec

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// settle is how long a file has to be left alone after it was written: editors
// save in several steps.
const settle = 200 * time.Millisecond

// watcher tells when one of some files was saved. It watches their folders, for
// editors put a new file in the place of the old.
type watcher struct {
	notify *fsnotify.Watcher
	files  []string
	clock  pipeline.Clock
	saved  chan<- struct{}
	done   sync.WaitGroup
}

// watch puts a token into saved after one of the files was saved. Their names are
// absolute and clean, so that they compare with those of events.
func watch(files []string, clock pipeline.Clock, saved chan<- struct{}) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &watcher{notify: notify, files: files, clock: clock, saved: saved}
	for _, file := range files {
		if err := notify.Add(filepath.Dir(file)); err != nil {
			return nil, errors.Join(fmt.Errorf("watch: %w", err), notify.Close())
		}
	}
	w.done.Go(w.run)
	return w, nil
}

func (w *watcher) run() {
	var quiet <-chan time.Time
	for {
		select {
		case e, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if slices.Contains(w.files, filepath.Clean(e.Name)) && e.Has(fsnotify.Write|fsnotify.Create|fsnotify.Rename) {
				quiet = w.clock.After(settle)
			}
		case _, ok := <-w.notify.Errors:
			if !ok {
				return
			}
		case <-quiet:
			select {
			case w.saved <- struct{}{}:
			default:
			}
		}
	}
}

func (w *watcher) close() error {
	err := w.notify.Close()
	w.done.Wait()
	return err
}
