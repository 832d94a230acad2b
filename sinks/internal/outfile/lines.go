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
)

const (
	// flushEvery is the longest that a line waits in memory, and so the most
	// that a crash costs. It is also how often a full disk is tried again.
	flushEvery = time.Second
	// flushAt keeps writes large where lines come fast.
	flushAt = 64 << 10
	// maxPending bounds what is remembered while the disk takes nothing.
	maxPending = 4 << 20
)

// Lines is a file of JSON lines. While the disk takes nothing it keeps what it
// can, says so once, and goes on where it stopped when there is room: no line
// is ever broken. It is safe for concurrent use.
type Lines struct {
	log   *slog.Logger
	clock pipeline.Clock
	lost  func(float64)

	once sync.Once
	done chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex // guards all below
	out     io.WriteCloser
	pending []byte
	failing bool
	dropped int // lines, while failing
}

// OpenLines opens the file at path for writing lines, and starts a goroutine
// that flushes it, which Close ends. An earlier crash may have left half a line
// at the end of the file: it is cut off.
func OpenLines(path string, e Exists, env pipeline.Env) (*Lines, error) {
	f, err := Open(path, e)
	if err != nil {
		return nil, err
	}
	if err := mend(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return newLines(f, env), nil
}

func newLines(out io.WriteCloser, env pipeline.Env) *Lines {
	l := &Lines{
		log: env.Log, clock: env.Clock, out: out, done: make(chan struct{}),
		lost: env.Metrics.Counter("lines_lost_total", "Lines thrown away because the disk took nothing for long."),
	}
	l.wg.Go(l.flushByTime)
	return l
}

// mend cuts off a torn last line. f is opened to append, or empty.
func mend(f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	tail := make([]byte, min(size, maxPending))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return err
	}
	torn := tail[bytes.LastIndexByte(tail, '\n')+1:]
	if len(torn) == 0 {
		return nil
	}
	if json.Valid(torn) {
		_, err := f.Write([]byte("\n"))
		return err
	}
	if torn[0] != '{' {
		return errors.New("is not a file of JSON lines")
	}
	return f.Truncate(size - int64(len(torn)))
}

// Write adds a line, given without its end. It reaches the file within a
// second.
func (l *Lines) Write(line []byte) {
	l.mu.Lock()
	if len(l.pending)+len(line) >= maxPending {
		l.dropped++
		l.mu.Unlock()
		l.lost(1)
		return
	}
	l.pending = append(append(l.pending, line...), '\n')
	full := len(l.pending) >= flushAt && !l.failing
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
	l.mu.Lock()
	n, err := l.write()
	was, lost := l.failing, l.dropped
	l.failing = err != nil
	l.pending = l.pending[:copy(l.pending, l.pending[n:])]
	if !l.failing {
		l.dropped = 0
	}
	l.mu.Unlock()

	switch {
	case err != nil && !was:
		l.log.Warn("cannot write, keeping lines until there is room", "err", err)
	case err == nil && was:
		l.log.Info("writing again", "lines_lost", lost)
	}
}

func (l *Lines) write() (int, error) {
	if len(l.pending) == 0 {
		return 0, nil
	}
	return l.out.Write(l.pending)
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
	l.mu.Lock()
	defer l.mu.Unlock()
	var short error
	if n := bytes.Count(l.pending, []byte("\n")); n > 0 {
		short = fmt.Errorf("%d lines could not be written", n)
	}
	return errors.Join(short, l.out.Close())
}
