package app

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// terminal is where log lines and the progress line go. On a real terminal the
// progress line stays last and is rewritten in place.
type terminal struct {
	w    io.Writer
	file *os.File // the real terminal; nil for a file or a pipe

	mu   sync.Mutex // guards what is on the screen
	line string
}

func newTerminal(w io.Writer) *terminal {
	t := &terminal{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.file = f
	}
	return t
}

// live says that somebody looks at it who sees a line change.
func (t *terminal) live() bool { return t.file != nil }

// gone says that there was a terminal, and its user has closed it.
func (t *terminal) gone() bool { return t.file != nil && !term.IsTerminal(int(t.file.Fd())) }

// clearLine is ANSI for "to the first column, erase to the end of the line".
const clearLine = "\r\x1b[K"

// Write prints whole log lines above the progress line.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" {
		return t.w.Write(p)
	}
	if _, err := fmt.Fprintf(t.w, "%s%s%s", clearLine, p, t.line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// progress shows line in place of the last one, as much of it as fits; ""
// removes it.
func (t *terminal) progress(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" && line == "" {
		return
	}
	if width, _, err := term.GetSize(int(t.file.Fd())); err == nil && width > 0 && len(line) >= width {
		line = line[:width-1]
	}
	t.line = line
	fmt.Fprint(t.w, clearLine, line) //nolint:errcheck // a terminal that is gone takes nothing
}
