package plan

import (
	"fmt"
	"strings"
)

// Mermaid returns the plan as a flowchart that Markdown shows. What is detached
// from the line hangs on dotted arrows, annotations come along thick ones.
func (p *Plan) Mermaid() string {
	var t strings.Builder
	fmt.Fprintf(&t, "---\ntitle: %s\n---\nflowchart LR\n", p.Name)
	for _, n := range p.Nodes {
		open, shut := "[", "]"
		switch n.Part {
		case "source":
			open, shut = "[/", "/]"
		case "sink":
			open, shut = "([", "])"
		}
		fmt.Fprintf(&t, "  %s%s\"%s\"%s\n", id(n.Name), open, strings.Join(n.label(), "<br>"), shut)
	}
	for _, e := range p.Edges {
		arrow := "-->"
		switch {
		case e.Carries == "annotations":
			arrow = "==>"
		case e.Detached:
			arrow = "-.->"
		}
		fmt.Fprintf(&t, "  %s %s|%s| %s\n", id(e.From), arrow, e.label(), id(e.To))
	}
	return t.String()
}

// id keeps names from being words of Mermaid's, such as end.
func id(name string) string { return "n_" + name }

func (n *Node) label() []string {
	lines := []string{"<b>" + n.Name + "</b>", n.Kind}
	for _, w := range n.Work {
		switch w.What {
		case "copy":
			lines = append(lines, fmt.Sprintf("copies %s, %g ms/MP", w.To, w.Milliseconds))
		case "convert":
			lines = append(lines, fmt.Sprintf("%s → %s, %g ms/MP", w.From, w.To, w.Milliseconds))
		}
	}
	return lines
}

// label is what stands on an arrow.
func (e Edge) label() string {
	if e.Waits == "metadata" && e.Carries != "annotations" && e.Carries != string(Messages) {
		return "metadata"
	}
	return e.Carries
}
