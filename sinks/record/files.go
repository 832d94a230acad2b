package record

import (
	"path/filepath"

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
}

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

// folder returns where the next file will lie.
func (f *files) folder() string { return filepath.Dir(f.cfg.Path.At(f.env.Clock.Now())) }

// close removes the first file if nothing came that it was for.
func (f *files) close() error {
	if f.started {
		return nil
	}
	f.started = true
	return outfile.Discard(f.first)
}
