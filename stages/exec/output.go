package exec

import (
	"bytes"
	"io"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const (
	// maxLogged is how much of a line is logged, in bytes.
	maxLogged = 1024
	// Lines that are logged: so many a second, and so many at once, which is
	// room for a long traceback.
	linesPerSecond, linesAtOnce = 20, 100
	// Bytes that are read: a program that prints more has to wait.
	bytesPerSecond, bytesAtOnce = 4 << 20, 1 << 20
	readSize                    = 64 << 10
	// faultsEvery bounds what is logged of a program that only makes trouble.
	faultsEvery = time.Second
)

// bounded logs warnings of one sort, once a second at most, and counts what it
// leaves out.
type bounded struct {
	log   *slog.Logger
	clock pipeline.Clock
	count func(float64)
	turns pipeline.Turns
}

func (b *bounded) warn(msg string, attrs ...any) {
	b.count(1)
	suppressed, ok := b.turns.Take(b.clock.Now(), faultsEvery)
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	b.log.Warn(msg, attrs...)
}

// output puts what programs print into the log.
type output struct {
	log   *slog.Logger
	clock pipeline.Clock
	lines *rate.Limiter
	bytes *rate.Limiter
	lost  func(float64)
}

func newOutput(env pipeline.Env) *output {
	return &output{
		log: env.Log, clock: env.Clock,
		lines: rate.NewLimiter(linesPerSecond, linesAtOnce),
		bytes: rate.NewLimiter(bytesPerSecond, bytesAtOnce),
		lost:  env.Metrics.Counter("unlogged_lines_total", "Lines that the program printed faster than the log takes them."),
	}
}

// copy logs what comes, line by line, to its end.
func (o *output) copy(from io.Reader, pid int) {
	c := &copying{output: o, pid: pid}
	buffer := make([]byte, readSize)
	for {
		n, err := from.Read(buffer)
		c.take(buffer[:n])
		if err != nil {
			c.end()
			return
		}
		now := o.clock.Now()
		if wait := o.bytes.ReserveN(now, n).DelayFrom(now); wait > 0 {
			<-o.clock.After(wait)
		}
	}
}

// copying is the output of one program.
type copying struct {
	*output
	pid        int
	line       []byte // begun; its first maxLogged bytes
	suppressed int
	turns      pipeline.Turns // to tell of those
}

func (c *copying) take(text []byte) {
	for {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		c.line = append(c.line, line[:min(len(line), maxLogged-len(c.line))]...)
		if !whole {
			return
		}
		c.flush()
		text = rest
	}
}

func (c *copying) flush() {
	line := string(bytes.ToValidUTF8(bytes.TrimRight(c.line, "\r\n"), []byte("\uFFFD")))
	c.line = c.line[:0]
	now := c.clock.Now()
	if !c.lines.AllowN(now, 1) {
		c.suppressed++
		c.lost(1)
		if _, ok := c.turns.Take(now, faultsEvery); ok {
			c.tellSuppressed()
		}
		return
	}
	c.log.Info("program says", "pid", c.pid, "line", line)
}

func (c *copying) tellSuppressed() {
	if c.suppressed > 0 {
		c.log.Warn("program prints too much", "pid", c.pid, "suppressed", c.suppressed)
		c.suppressed = 0
	}
}

func (c *copying) end() {
	if len(c.line) > 0 {
		c.flush()
	}
	c.tellSuppressed()
}
