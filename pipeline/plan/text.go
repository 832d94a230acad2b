package plan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Text returns the plan for people to read.
func (p *Plan) Text() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s\n\n", p.Name)
	for _, n := range p.Nodes {
		n.text(&t)
	}
	if len(p.Beside) > 0 {
		t.WriteString("on the line, step by step; what stands together works side by side\n")
		for i, names := range p.Beside {
			fmt.Fprintf(&t, "  %d. %s\n", i+1, strings.Join(names, ", "))
		}
	}
	if names := p.detached(); len(names) > 0 {
		fmt.Fprintf(&t, "beside the line, which never waits for them\n  %s\n", strings.Join(names, ", "))
	}
	t.WriteString("held at most\n")
	for _, h := range p.Held {
		fmt.Fprintf(&t, "  %s: %s (%s)\n", h.By, h.frames(), h.Full)
	}
	fmt.Fprintf(&t, "\n%s\n", p.CostBasis)
	return t.String()
}

func (n *Node) text(t *strings.Builder) {
	fmt.Fprintf(t, "%s %s: %s", n.Part, n.Name, n.Kind)
	if n.Part != "source" {
		fmt.Fprintf(t, ", from %s", n.from)
	}
	if len(n.with) > 0 {
		fmt.Fprintf(t, " with the annotations of %s", strings.Join(n.with, ", "))
	}
	if n.Session != "" && n.Part == "source" {
		fmt.Fprintf(t, ", session %s", n.Session)
	}
	t.WriteString("\n")
	line := func(key, format string, args ...any) {
		fmt.Fprintf(t, "  %-6s %s\n", key, fmt.Sprintf(format, args...))
	}
	if n.In != "" {
		line("in", "%s%s", n.In, n.unread())
	}
	for _, w := range n.Work {
		line("", "%s", w)
	}
	if n.Part != "source" {
		line("runs", "%s", n.Runs)
	}
	if n.When != "" {
		line("when", "%s", n.When)
	}
	if n.Rate > 0 {
		line("rate", "at most %s frames a second", strconv.FormatFloat(n.Rate, 'g', 4, 64))
	}
	if len(n.Sets) > 0 {
		line("sets", "%s", strings.Join(n.Sets, ", "))
	}
	if n.Out != "" {
		line("out", "%s", n.Out)
	}
	t.WriteString("\n")
}

func (n *Node) unread() string {
	if n.In != Messages && !usesPixels(n.pixels) {
		return ", which it does not look at"
	}
	return ""
}

func (h Held) frames() string {
	if h.Frames == 1 {
		return "1 frame with " + h.Keeps
	}
	return fmt.Sprintf("%d frames with %s", h.Frames, h.Keeps)
}

func (p *Plan) detached() []string {
	var names []string
	for _, n := range p.Nodes {
		if n.Detached {
			names = append(names, n.Name)
		}
	}
	return names
}

// JSON returns the plan for programs to read.
func (p *Plan) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return append(text, '\n'), err
}
