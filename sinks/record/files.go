package record

import (
	"context"
	"errors"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// files are those of a recording, one after the other.
type files struct {
	cfg  Config
	env  pipeline.Env
	kept *outfile.Kept

	first   string // the file that New has made, for the first picture
	started bool   // a file was begun

	sound  container.Soundtrack
	ending file          // has all its pictures and not yet all its sound; nil for none
	until  time.Duration // PTS at which it ends
}

// file is one that is being written.
type file interface {
	io.Closer
	path() string
	WriteAudio(a pipeline.Audio) error
}

// lateSound is how much later than its picture sound may come at the end of a
// file that another one follows.
const lateSound = 500 * time.Millisecond

func newFiles(env pipeline.Env, cfg Config) (files, error) {
	first, err := outfile.Reserve(cfg.Path.At(env.Clock.Now()), cfg.Exists)
	return files{cfg: cfg, env: env, first: first, kept: outfile.NewKept(cfg.Path, cfg.Keep, env)}, err
}

// next returns the path of the next file. Those after the first never replace
// another.
func (f *files) next() (string, error) {
	if !f.started {
		return f.first, nil
	}
	path, err := outfile.Reserve(f.cfg.Path.At(f.env.Clock.Now()), outfile.Rename)
	if err != nil {
		return "", &unwritable{err}
	}
	return path, nil
}

// begun notes that a file is being written.
func (f *files) begun(path string, width, height int) {
	f.started = true
	f.kept.Begin(path)
	f.env.Log.Info("recording", "path", path, "width", width, "height", height)
}

// WriteAudio records a packet of sound, when the pictures have come as far.
func (f *files) WriteAudio(_ context.Context, a pipeline.Audio) error {
	switch {
	case f.ending == nil:
	case a.PTS < f.until:
		err := f.ending.WriteAudio(a)
		if err != nil {
			f.abandon(f.ending)
			f.ending = nil
		}
		return err
	default:
		if err := f.end(); err != nil {
			return err
		}
	}
	f.sound.Add(a)
	return nil
}

// hear writes the sound before a picture.
func (f *files) hear(to file, pts time.Duration) error {
	if f.ending != nil && pts >= f.until+lateSound {
		if err := f.end(); err != nil {
			return &unwritable{err}
		}
	}
	for _, a := range f.sound.Before(pts) {
		if err := to.WriteAudio(a); err != nil {
			return &unwritable{err}
		}
	}
	return nil
}

// finish completes a file, whose last picture lasts until pts. One with sound
// stays open for what of that is still to come.
func (f *files) finish(file file, pts time.Duration) error {
	err := errors.Join(f.end(), f.hear(file, pts))
	if !f.env.Audio || err != nil {
		return errors.Join(err, f.kept.Finish(file.path(), file))
	}
	f.ending, f.until = file, pts
	return nil
}

// end completes the file that waits for sound.
func (f *files) end() error {
	if f.ending == nil {
		return nil
	}
	file := f.ending
	f.ending = nil
	return f.kept.Finish(file.path(), file)
}

// abandon closes a file that could not be written to. What it holds stays; that
// the rest cannot be written either is no news.
func (f *files) abandon(file file) { _ = f.kept.Finish(file.path(), file) }

// folder returns where the next file will lie.
func (f *files) folder() string { return filepath.Dir(f.cfg.Path.At(f.env.Clock.Now())) }

// close completes the last file, and removes the first if nothing came that it
// was for.
func (f *files) close(last file) error {
	err := f.end()
	if last != nil {
		err = errors.Join(err, f.hear(last, lastSound), f.kept.Finish(last.path(), last))
	}
	if f.started {
		return err
	}
	f.started = true
	return errors.Join(err, outfile.Discard(f.first))
}

// lastSound is a PTS behind any sound.
const lastSound = math.MaxInt64
