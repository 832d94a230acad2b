package rehearsal

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

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
			first = &Failure{Line: c.line(field), Text: text, Diff: d}
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
