package rehearsal

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

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
