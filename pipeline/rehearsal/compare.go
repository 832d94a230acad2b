package rehearsal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
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
	c.failures = append(c.failures, Failure{Line: c.at(field), Text: fmt.Sprintf(format, args...), Diff: diff})
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

// compareCommands lines the commands up with those expected.
func (c *comparison) compareCommands() {
	if c.file.Expect.Commands == nil {
		return
	}
	want := *c.file.Expect.Commands
	wantDuplicates := slices.ContainsFunc(want, func(w commandFile) bool { return w.Outcome == string(pipeline.CommandDeduped) })
	got := slices.DeleteFunc(slices.Clone(c.commands), func(r pipeline.CommandRecord) bool {
		return r.Outcome == pipeline.CommandDeduped && !wantDuplicates
	})
	wanted, shown, equal := make([]any, 0, len(want)), make([]any, 0, len(got)), true
	fits := func(w, g int) bool {
		_, ok := fit(want[w].asMap(), c.asMap(got[g]), 0)
		return ok
	}
	for _, p := range pairUp(len(want), len(got), fits) {
		w, g := p[0], p[1]
		equal = equal && w >= 0 && g >= 0 && fits(w, g)
		if w >= 0 {
			wanted = append(wanted, want[w].asMap())
		}
		switch {
		case g < 0:
		case w < 0:
			shown = append(shown, short(c.asMap(got[g])))
		default:
			shown = append(shown, c.beside(want[w], got[g]))
		}
	}
	switch {
	case len(want) != len(got):
		c.fail("expect.commands", diff(wanted, shown), "wants %s, got %d", counted(len(want), "command"), len(got))
	case !equal:
		c.fail("expect.commands", diff(wanted, shown), "commands differ")
	}
}

// beside returns a command as far as an expected one speaks of it, and why it was
// not sent if that is what is wrong.
func (c *comparison) beside(w commandFile, r pipeline.CommandRecord) any {
	got := c.asMap(r)
	shown, _ := fit(w.asMap(), got, 0)
	m := shown.(map[string]any)
	if m["outcome"] != w.asMap()["outcome"] && got["reason"] != nil {
		m["reason"] = got["reason"]
	}
	return m
}

func counted(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// asMap is what the file says of a command.
func (w commandFile) asMap() map[string]any {
	m := map[string]any{"command": w.Command}
	if w.Data != nil {
		m["data"] = anyMap(w.Data)
	}
	if w.At.given() {
		m["at"] = w.At
	}
	if w.Node != "" {
		m["node"] = w.Node
	}
	m["outcome"] = cmp.Or(w.Outcome, string(pipeline.CommandSent))
	if w.Reason != "" {
		m["reason"] = partOf(w.Reason)
	}
	return m
}

// asMap is a command as a file would expect it.
func (c *comparison) asMap(r pipeline.CommandRecord) map[string]any {
	m := map[string]any{"command": r.Command, "at": r.Time.Sub(c.zero), "node": r.Cause.Node, "outcome": string(r.Outcome)}
	if len(r.Args) > 0 {
		m["data"] = plain(r.Args)
	}
	if r.Reason != "" {
		m["reason"] = r.Reason
	}
	return m
}

// short leaves out of a command that nobody expected what says little.
func short(m map[string]any) any {
	delete(m, "node")
	return written(m)
}

// concerns says that an expectation is about a frame.
func (e frameFile) concerns(w write) bool {
	return (!e.Frame.given() || e.Frame.holds(w.seq)) && (!e.At.given() || e.At.holds(w.pts))
}

// frame compares the frames of one sink that an expectation is about.
func (c *comparison) frame(i int, e frameFile) {
	field := "expect." + item("frames", i)
	var first *Failure
	failed, met := 0, 0
	for _, w := range c.writes[e.Sink] {
		if !e.concerns(w) {
			continue
		}
		met++
		text, d := c.look(i, e, w)
		if text == "" {
			continue
		}
		failed++
		if first == nil {
			first = &Failure{Line: c.at(field), Text: text, Diff: d}
		}
	}
	switch {
	case met == 0:
		c.fail(field, "", "sink %q: %s did not reach it; it got %s", e.Sink, e.wanted(), seqs(c.writes[e.Sink]))
	case first != nil:
		if failed > 1 {
			first.Text += fmt.Sprintf(", and so with %d more of %d", failed-1, met)
		}
		c.failures = append(c.failures, *first)
	}
}

func (e frameFile) wanted() string {
	switch {
	case e.Frame.given() && e.Frame.one():
		return "frame " + e.Frame.text
	case e.Frame.given():
		return "none of the frames " + e.Frame.text
	case e.At.given():
		return "a frame at " + e.At.text
	}
	return "a frame"
}

// seqs writes the numbers of frames as ranges.
func seqs(writes []write) string {
	if len(writes) == 0 {
		return "none"
	}
	var parts []string
	for i := 0; i < len(writes); {
		j := i
		for j+1 < len(writes) && writes[j+1].seq == writes[j].seq+1 {
			j++
		}
		part := fmt.Sprint(writes[i].seq)
		if j > i {
			part = fmt.Sprintf("%d..%d", writes[i].seq, writes[j].seq)
		}
		parts = append(parts, part)
		i = j + 1
	}
	const most = 10
	if len(parts) > most {
		parts = append(parts[:most], "…")
	}
	return strings.Join(parts, ", ")
}

// look says what is wrong with one frame.
func (c *comparison) look(i int, e frameFile, w write) (text, differs string) {
	var frame map[string]any
	if err := json.Unmarshal(w.json, &frame); err != nil {
		return fmt.Sprintf("frame %d has no JSON form", w.seq), ""
	}
	head := fmt.Sprintf("sink %q: frame %d at %s", e.Sink, w.seq, w.pts.Round(time.Millisecond))
	if v, asked := w.that[i]; asked && !v.holds {
		return fmt.Sprintf("%s: not true: %s%s", head, e.That, v.why()), carried(frame)
	}
	got := map[string]any{"annotations": frame["annotations"]}
	want := map[string]any{}
	if e.Annotations != nil {
		want["annotations"] = anyMap(e.Annotations)
	}
	if e.Message != nil {
		want["message"] = anyMap(e.Message)
		got["message"] = map[string]any{"type": frame["type"], "data": frame["data"]}
	}
	if shown, ok := fit(want, got, e.Tolerance); !ok {
		return head, diff(want, shown)
	}
	return "", ""
}

func (v verdict) why() string {
	switch {
	case v.err != nil:
		return fmt.Sprintf(" (%v)", v.err)
	case v.absent:
		return " (something in it is absent)"
	}
	return ""
}

// carried shows what a frame carries.
func carried(frame map[string]any) string {
	if frame["annotations"] == nil {
		return "  no annotations"
	}
	return "  " + strings.Join(linesOf(map[string]any{"annotations": frame["annotations"]}), "\n  ")
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
