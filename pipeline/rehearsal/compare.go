package rehearsal

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// Failure is something that came out otherwise than expected.
type Failure struct {
	// Line of the expectation in the file of tests.
	Line int
	// Text says what, Diff how: lines with - for what was expected and + for what
	// came. Diff may be empty.
	Text, Diff string
}

// comparison compares what came of a test with what was expected.
type comparison struct {
	*Test
	observed
	failures []Failure
}

func (c *comparison) fail(field, diff, format string, args ...any) {
	c.failures = append(c.failures, Failure{Line: c.line(field), Text: fmt.Sprintf(format, args...), Diff: diff})
}

// compare returns what failed.
func (t *Test) compare(o observed) []Failure {
	c := &comparison{Test: t, observed: o}
	if !c.ended() {
		return c.failures // all else that is missing comes of that
	}
	c.errors()
	c.compareCommands()
	for i, f := range t.file.Expect.Frames {
		c.frame(i, f)
	}
	for _, name := range slices.Sorted(maps.Keys(t.file.Expect.Sinks)) {
		want, got := t.file.Expect.Sinks[name], len(o.writes[name])
		if !want.holds(uint64(got)) {
			c.fail("expect.sinks."+name, "", "sink %q: wants %s frames, got %d", name, want.text, got)
		}
	}
	if t.file.Expect.Drops != nil {
		c.places("drops", *t.file.Expect.Drops, c.dropped(), true)
	}
	c.places("skips", t.file.Expect.Skips, c.skipped(), false)
	slices.SortStableFunc(c.failures, func(a, b Failure) int { return a.Line - b.Line })
	return c.failures
}

// ended compares how the run ended. It is false if it failed and should not have.
func (c *comparison) ended() bool {
	want := c.file.Expect.Fails
	switch {
	case c.err == nil && want != "":
		c.fail("expect.fails", "", "the run ends well, and should fail with %q", want)
	case c.err != nil && want == "":
		c.fail("name", "", "the run failed: %v", c.err)
		return false
	case c.err != nil && !strings.Contains(c.err.Error(), want):
		c.fail("expect.fails", diff(want, c.err.Error()), "the run failed otherwise")
	}
	return true
}

// errors complains of nodes that fail without being expected to.
func (c *comparison) errors() {
	for _, n := range slices.Concat(c.stats.Stages, c.stats.Sinks) {
		want, expected := c.file.Expect.Errors[n.Name]
		switch said := c.faults[n.Name]; {
		case expected && !want.holds(n.Errors):
			c.fail("expect.errors."+n.Name, "", "%s: wants %s errors, got %d%s", n.Name, want.text, n.Errors, inBrackets(said))
		case !expected && n.Errors > 0 && c.file.Expect.Fails == "":
			c.fail("expect.errors", "", "%s: wants no errors, got %d%s", n.Name, n.Errors, inBrackets(said))
		}
	}
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// places compares numbers of frames by node and reason. all says that nodes that
// the file does not name have none.
func (c *comparison) places(what string, want map[string]map[string]count, got map[string]map[string]uint64, all bool) {
	wanted, shown := make(map[string]any), make(map[string]any)
	equal := true
	for node, reasons := range want {
		w, s := make(map[string]any), make(map[string]any)
		for reason, n := range reasons {
			w[reason] = countWritten(n)
			if n.holds(got[node][reason]) {
				s[reason] = w[reason]
				continue
			}
			s[reason], equal = got[node][reason], false
		}
		for reason, n := range got[node] {
			if _, named := reasons[reason]; !named {
				s[reason], equal = n, false
			}
		}
		wanted[node], shown[node] = w, s
	}
	for node, reasons := range got {
		if _, named := want[node]; !named && all && len(reasons) > 0 {
			shown[node], equal = reasons, false
		}
	}
	if !equal {
		c.fail("expect."+what, diff(wanted, shown), "%s", what)
	}
}

func countWritten(c count) any {
	if c.one() {
		return c.least
	}
	return c.text
}

func (c *comparison) dropped() map[string]map[string]uint64 {
	return byNode(c.stats, func(n graph.NodeStats) map[string]uint64 { return n.Dropped })
}

func (c *comparison) skipped() map[string]map[string]uint64 {
	return byNode(c.stats, func(n graph.NodeStats) map[string]uint64 { return n.Skipped })
}

func byNode(s graph.Stats, counts func(graph.NodeStats) map[string]uint64) map[string]map[string]uint64 {
	m := make(map[string]map[string]uint64)
	for _, n := range slices.Concat(s.Sources, s.Stages, s.Sinks) {
		if c := counts(n); len(c) > 0 {
			m[n.Name] = c
		}
	}
	return m
}
