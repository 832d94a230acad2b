package session

import (
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// circles notices when a detector and the commands that it causes drive each
// other in a circle, and breaks that: the picture darkens, so a command brightens
// it, so another darkens it.
//
// A circle is a sequence of two to four commands, not all alike, that was sent
// the set number of times over, each command no later after the one before than
// the set time. Numbers that differ by less than a tenth of what they span in the
// sequence are the same, and so are texts that differ in their numbers only: what
// is measured in a picture is never quite what it was. Only commands that frames
// caused count. The same command again and again is no circle.
type circles struct {
	cfg config.Cycle
	log *slog.Logger

	mu     sync.Mutex // guards what follows
	past   []step     // what was sent last, each within the set time of the one before
	breaks map[party]*interruption
}

// step is one command of the past.
type step struct {
	party
	args map[string]any
	at   time.Time
}

// party is who takes part in a circle.
type party struct{ node, command string }

// interruption is how long a party is held back, and why.
type interruption struct {
	until  time.Time
	pause  time.Duration
	reason string
}

// The lengths of circles that are looked for: longer ones are no reaction any
// more, they are a programme.
const (
	shortCircle = 2
	longCircle  = 4
	// mostPause is how often a pause doubles.
	mostPause = 16
)

func newCircles(cfg config.Cycle, log *slog.Logger) *circles {
	return &circles{cfg: cfg, log: log, breaks: make(map[party]*interruption)}
}

// judged says whether a command counts.
func (c *circles) judged(cause pipeline.Cause) bool { return c.cfg.Repeats > 1 && cause.Stream != "" }

// held is the error of a command that is held back.
func (c *circles) held(now time.Time, cause pipeline.Cause, command string) error {
	if !c.judged(cause) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.breaks[party{cause.Node, command}]; b != nil && now.Before(b.until) {
		return &pipeline.Suppressed{Command: command, Reason: b.reason}
	}
	return nil
}

// judge notes a command that is about to be sent. The error is for one that
// closes a circle.
func (c *circles) judge(now time.Time, cause pipeline.Cause, command string, args map[string]any) error {
	if !c.judged(cause) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.past); n > 0 && now.Sub(c.past[n-1].at) > c.cfg.Within.Std() {
		c.past = c.past[:0]
	}
	c.past = append(c.past, step{party{cause.Node, command}, args, now})
	if most := longCircle * c.cfg.Repeats; len(c.past) > most {
		c.past = slices.Delete(c.past, 0, len(c.past)-most)
	}
	circle := findCircle(c.past, c.cfg.Repeats)
	if circle == nil {
		return nil
	}
	reason := c.interrupt(now, circle)
	c.past = c.past[:0]
	return &pipeline.Suppressed{Command: command, Reason: reason}
}

// interrupt holds the parties of a circle back.
func (c *circles) interrupt(now time.Time, circle []step) (reason string) {
	pause, words := c.cfg.Pause.Std(), make([]string, len(circle))
	for i, s := range circle {
		words[i] = s.command
		if b := c.breaks[s.party]; b != nil && now.Sub(b.until) < b.pause {
			pause = max(pause, min(2*b.pause, mostPause*c.cfg.Pause.Std()))
		}
	}
	until := now.Add(pause)
	reason = fmt.Sprintf("a circle: %s caused each other %d times, each within %s of the one before; held back for %s, until %s",
		strings.Join(words, " and "), c.cfg.Repeats, c.cfg.Within, pause, until.Format(time.TimeOnly))
	for _, s := range circle {
		c.breaks[s.party] = &interruption{until, pause, reason}
	}
	c.log.Warn("commands drive each other in a circle, held back", "commands", words, "for", pause, "times", c.cfg.Repeats)
	return reason
}

// findCircle returns one round of the circle that the last steps make, nil if
// they make none.
func findCircle(past []step, repeats int) []step {
	for length := shortCircle; length <= longCircle; length++ {
		n := length * repeats
		if len(past) < n {
			return nil
		}
		rounds := past[len(past)-n:]
		if isCircle(rounds, length) {
			return rounds[:length]
		}
	}
	return nil
}

func isCircle(rounds []step, length int) bool {
	span := make(spans)
	for _, s := range rounds {
		span.add(s.command, s.args)
	}
	distinct := false
	for i, s := range rounds {
		if i < length {
			distinct = distinct || !span.alike(s, rounds[0])
			continue
		}
		if !span.alike(s, rounds[i-length]) {
			return false
		}
	}
	return distinct
}

// spans are the least and greatest of each number, by where it stands.
type spans map[string][2]float64

func (s spans) add(path string, v any) {
	walk(path, v, func(path string, leaf any) {
		x, ok := expr.Number(leaf)
		if !ok {
			return
		}
		span, known := s[path]
		if !known {
			span = [2]float64{x, x}
		}
		s[path] = [2]float64{min(span[0], x), max(span[1], x)}
	})
}

// sameShare is the part of its span by which a number may differ and still be
// the same.
const sameShare = 0.1

func (s spans) alike(a, b step) bool {
	if a.party != b.party {
		return false
	}
	return s.same(a.command, a.args, b.args)
}

func (s spans) same(path string, a, b any) bool {
	was, is := leaves(path, a), leaves(path, b)
	if len(was) != len(is) {
		return false
	}
	for at, v := range was {
		w, ok := is[at]
		if !ok || !s.sameLeaf(at, v, w) {
			return false
		}
	}
	return true
}

func (s spans) sameLeaf(path string, a, b any) bool {
	x, isNumber := expr.Number(a)
	y, areNumbers := expr.Number(b)
	if isNumber && areNumbers {
		span := s[path]
		return math.Abs(x-y) <= sameShare*(span[1]-span[0])
	}
	t, isText := a.(string)
	u, areTexts := b.(string)
	if isText && areTexts {
		return withoutNumbers(t) == withoutNumbers(u)
	}
	return reflect.DeepEqual(a, b)
}

var numbers = regexp.MustCompile(`[0-9]+([.,][0-9]+)*`)

func withoutNumbers(s string) string { return numbers.ReplaceAllString(s, "#") }

func leaves(path string, v any) map[string]any {
	m := make(map[string]any)
	walk(path, v, func(path string, leaf any) { m[path] = leaf })
	return m
}

func walk(path string, v any, leaf func(path string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			walk(path+"."+key, e, leaf)
		}
	case []any:
		for i, e := range v {
			walk(fmt.Sprintf("%s[%d]", path, i), e, leaf)
		}
	default:
		leaf(path, v)
	}
}
