package outfile

import (
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Rotate says when a file ends and the next one begins: at a line's end.
type Rotate struct {
	// Size at which a file ends, give or take a second's lines; 0 is any.
	Size config.Size `yaml:"size"`
	// Every is how long a file lasts, on the local clock: 1h ends one at each
	// full hour, 1d at midnight. 0s is any time.
	Every config.Duration `yaml:"every"`
}

const day = 24 * time.Hour

// Validate says what is wrong with r.
func (r Rotate) Validate() error {
	every := r.Every.Std()
	if every == 0 || every >= time.Minute && (every%day == 0 || day%every == 0) {
		return nil
	}
	return fmt.Errorf("every: must be whole days, or divide a day into minutes or more, got %s", r.Every)
}

// due says whether out has had its time by now.
func (r Rotate) due(out output, now time.Time) bool {
	return out.size > 0 &&
		(r.Size > 0 && out.size >= int64(r.Size) || r.Every > 0 && r.period(out.begun) != r.period(now))
}

// period counts the local clock's periods.
func (r Rotate) period(t time.Time) int64 {
	_, offset := t.Local().Zone()
	return (t.Unix() + int64(offset)) / int64(r.Every.Std()/time.Second)
}

// rotate begins the next file where it is due. If that fails lines go on into
// the file in hand.
func (l *Lines) rotate(now time.Time) {
	if len(l.batch) == 0 || l.torn || !l.cfg.Rotate.due(l.out, now) {
		return
	}
	path, exists := l.cfg.Path.At(now), Rename
	if l.cfg.Exists == Append {
		exists = Append
	}
	if path == l.out.path {
		moved, err := moveNumbered(path, path)
		if err != nil {
			l.warn("file not rotated", err)
			return
		}
		l.out.path, exists = moved, Fail
		l.kept.Moved(moved)
	}
	next, err := openOutput(path, exists, now)
	if err != nil {
		l.warn("file not rotated", err)
		return
	}
	if l.cfg.Sync > 0 && l.dirty {
		l.syncNow(now)
	}
	if err := l.out.Close(); err != nil {
		l.warn("file not closed", err)
	}
	l.out = next
}
