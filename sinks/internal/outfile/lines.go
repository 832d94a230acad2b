package outfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

const (
	// flushEvery is the longest that a line waits in memory, and so the most
	// that a crash costs. It is also how often a full disk is tried again.
	flushEvery = time.Second
	// flushAt keeps writes large where lines come fast.
	flushAt = 64 << 10
	// maxPending bounds what is remembered while the disk takes nothing.
	maxPending = 4 << 20
	// warnEvery bounds the log where a file cannot be rotated or synced.
	warnEvery = time.Minute
)

// LinesConfig is a file of JSON lines, or several, one after the other.
type LinesConfig struct {
	Path   Path
	Exists Exists
	Rotate Rotate
	Keep   Keep
	// Sync is how often what was written is forced onto the disk; 0 leaves that
	// to the system.
	Sync config.Duration
}

// Lines writes files of JSON lines. While the disk takes nothing it keeps what
// it can, says so once, and goes on where it stopped when there is room: no line
// is ever broken. It is safe for concurrent use.
type Lines struct {
	cfg      LinesConfig
	log      *slog.Logger
	clock    pipeline.Clock
	lost     func(float64)
	kept     *Kept
	warnings pipeline.Turns

	once sync.Once
	done chan struct{}
	wg   sync.WaitGroup

	disk    sync.Mutex // guards what follows; taken before mu
	out     output
	batch   []byte // is being written
	torn    bool   // the file ends in the middle of a line
	failing bool
	synced  time.Time // nothing was written before that is not on the disk
	dirty   bool

	mu      sync.Mutex // guards what follows; nothing is written under it
	pending []byte
	writing int // bytes of batch
	dropped int // lines, while failing
}

// output is the file that lines go to now.
type output struct {
	io.WriteCloser
	path   string
	size   int64
	begun  time.Time
	listed bool // among those kept
}

// OpenLines opens the file for writing lines, and starts a goroutine that
// flushes it, which Close ends. An earlier crash may have left half a line at
// the end of the file: it is cut off.
func OpenLines(cfg LinesConfig, env pipeline.Env) (*Lines, error) {
	out, err := openOutput(cfg.Path.At(env.Clock.Now()), cfg.Exists, env.Clock.Now())
	if err != nil {
		return nil, err
	}
	return newLines(cfg, out, env), nil
}

func newLines(cfg LinesConfig, out output, env pipeline.Env) *Lines {
	l := &Lines{
		cfg: cfg, log: env.Log, clock: env.Clock, out: out, done: make(chan struct{}),
		kept: NewKept(cfg.Path, cfg.Keep, env), synced: env.Clock.Now(),
		lost: env.Metrics.Counter("lines_lost_total", "Lines thrown away because the disk took nothing for long."),
	}
	l.wg.Go(l.flushByTime)
	return l
}

// openOutput opens a file to be written from now on. What it holds already is
// as old as its last line.
func openOutput(path string, e Exists, now time.Time) (output, error) {
	f, err := Open(path, e)
	if err != nil {
		return output{}, err
	}
	out := output{WriteCloser: f, path: f.Name(), begun: now}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		out.begun = info.ModTime()
		out.size, err = mend(f)
	}
	if err != nil {
		return output{}, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return out, nil
}

// mend cuts off a torn last line, and returns the file's size. f is opened to
// append.
func mend(f *os.File) (size int64, err error) {
	size, err = f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return size, err
	}
	tail := make([]byte, min(size, maxPending))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return size, err
	}
	torn := tail[bytes.LastIndexByte(tail, '\n')+1:]
	if len(torn) == 0 {
		return size, nil
	}
	if json.Valid(torn) {
		_, err := f.Write([]byte("\n"))
		return size + 1, err
	}
	if torn[0] != '{' {
		return size, errors.New("is not a file of JSON lines")
	}
	size -= int64(len(torn))
	return size, f.Truncate(size)
}

// Write adds a line, given without its end. It reaches the file within a
// second.
func (l *Lines) Write(line []byte) {
	l.mu.Lock()
	if l.writing+len(l.pending)+len(line) >= maxPending {
		l.dropped++
		l.mu.Unlock()
		l.lost(1)
		return
	}
	l.pending = append(append(l.pending, line...), '\n')
	full := len(l.pending) >= flushAt && l.writing == 0
	l.mu.Unlock()
	if full {
		l.flush()
	}
}

func (l *Lines) flushByTime() {
	for {
		select {
		case <-l.clock.After(flushEvery):
			l.flush()
		case <-l.done:
			return
		}
	}
}

// flush writes what is pending, and says when that stops or begins to work.
func (l *Lines) flush() {
	l.disk.Lock()
	defer l.disk.Unlock()
	now := l.clock.Now()
	l.take()
	l.rotate(now)
	err := l.write()
	l.sync(now)
	l.kept.Tidy()
	was := l.failing
	l.failing = err != nil
	lost := l.left()
	switch {
	case err != nil && !was:
		l.log.Warn("cannot write, keeping lines until there is room", "err", err)
	case err == nil && was:
		l.log.Info("writing again", "lines_lost", lost)
	}
}

// take moves what is pending into the batch.
func (l *Lines) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch = append(l.batch, l.pending...)
	l.pending = l.pending[:0]
	l.writing = len(l.batch)
}

// left notes what of the batch is not written, and returns how many lines were
// thrown away until now that all is.
func (l *Lines) left() (lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = len(l.batch)
	if l.failing {
		return 0
	}
	lost, l.dropped = l.dropped, 0
	return lost
}

func (l *Lines) write() error {
	if len(l.batch) == 0 {
		return nil
	}
	if !l.out.listed {
		l.kept.Begin(l.out.path)
		l.out.listed = true
	}
	n, err := l.out.Write(l.batch)
	l.out.size += int64(n)
	l.dirty = l.dirty || n > 0
	if n > 0 {
		l.torn = l.batch[n-1] != '\n'
	}
	l.batch = l.batch[:copy(l.batch, l.batch[n:])]
	return err
}

// sync forces what was written onto the disk, if that is due.
func (l *Lines) sync(now time.Time) {
	if l.dirty && l.cfg.Sync > 0 && now.Sub(l.synced) >= l.cfg.Sync.Std() {
		l.syncNow(now)
	}
}

func (l *Lines) syncNow(now time.Time) {
	l.synced, l.dirty = now, false
	f, ok := l.out.WriteCloser.(interface{ Sync() error })
	if !ok {
		return
	}
	if err := f.Sync(); err != nil {
		l.warn("not forced onto the disk", err)
	}
}

func (l *Lines) warn(what string, err error) {
	if _, ok := l.warnings.Take(l.clock.Now(), warnEvery); ok {
		l.log.Warn(what, "err", err)
	}
}

// Close writes what is left and closes the file. It is safe twice.
func (l *Lines) Close() error {
	var err error
	l.once.Do(func() {
		close(l.done)
		l.wg.Wait()
		err = l.finish()
	})
	return err
}

func (l *Lines) finish() error {
	l.flush()
	l.disk.Lock()
	defer l.disk.Unlock()
	var short error
	if n := bytes.Count(l.batch, []byte("\n")); n > 0 {
		short = fmt.Errorf("%d lines could not be written", n)
	}
	if l.cfg.Sync > 0 && l.dirty {
		l.syncNow(l.clock.Now())
	}
	l.kept.End()
	return errors.Join(short, l.out.Close())
}
