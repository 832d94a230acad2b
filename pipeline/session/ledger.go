package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// ledgerLength is how many commands are remembered for the page and the
// summary: minutes of a busy loop, a few hundred kilobytes.
const ledgerLength = 1000

// ledger is the session's, in memory and in a file.
type ledger struct {
	*pipeline.CommandLedger
	path expr.Template
	log  *slog.Logger

	mu      sync.Mutex // guards what follows, and the order of the lines
	file    *os.File   // nil for none
	failing bool
	lost    int // lines that were not written
}

func newLedger(cfg Config) *ledger {
	return &ledger{CommandLedger: pipeline.NewLedger(ledgerLength), path: cfg.Spec.Commands.Ledger, log: cfg.Log}
}

// open opens the file, if there is to be one. A line that a crash has torn is
// ended, so that what follows is whole.
func (l *ledger) open(now time.Time) error {
	path, ok, err := l.path.Text(expr.Input{Now: now.Local()})
	if err == nil && (!ok || path == "") {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // as readable as the recordings beside it
	}
	if err == nil {
		err = endLine(f)
	}
	if err != nil {
		return fmt.Errorf("commands.ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file = f
	return nil
}

func endLine(f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.Write([]byte{'\n'})
	return err
}

// enter adds a record and returns its number.
func (l *ledger) enter(r pipeline.CommandRecord) (n uint64) {
	n = l.Add(r)
	text, err := json.Marshal(r)
	if err != nil {
		r.Args, r.Reason = nil, "its arguments are none that JSON has words for"
		text, _ = json.Marshal(r) //nolint:errchkjson // nothing is left that could fail
	}
	l.write(append(text, '\n'))
	return n
}

// effect adds what a command did to the picture to its record, if that is known: in
// the file, where the record is written, as a line of its own.
func (l *ledger) effect(n uint64, r pipeline.CommandRecord, e pipeline.Effect) {
	if e.Seen == pipeline.EffectUnknown {
		return
	}
	l.Amend(n, e)
	text, _ := json.Marshal(struct { //nolint:errchkjson // nothing in it could fail
		Time    string          `json:"time"`
		Command string          `json:"command"`
		Effect  pipeline.Effect `json:"effect"`
	}{r.Stamp(), r.Command, e})
	l.write(append(text, '\n'))
}

// write adds a line to the file, if there is one. While the disk takes none, they
// are counted and lost; half a line is taken back.
func (l *ledger) write(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return
	}
	n, err := l.file.Write(text)
	if err != nil {
		if n > 0 {
			l.cut(int64(n))
		}
		l.lost++
		if !l.failing {
			l.failing = true
			l.log.Warn("ledger not written", "err", err)
		}
		return
	}
	if l.failing {
		l.failing = false
		l.log.Info("ledger written again", "lines_lost", l.lost)
	}
}

// cut removes what was written last.
func (l *ledger) cut(n int64) {
	if size, err := l.file.Seek(0, io.SeekEnd); err == nil {
		_ = l.file.Truncate(size - n) // else the next line begins behind a torn one
	}
}

// close closes the file.
func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	var short error
	if l.lost > 0 {
		short = fmt.Errorf("commands.ledger: %d lines could not be written", l.lost)
	}
	return errors.Join(short, f.Close())
}
