package plan

import (
	"fmt"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Plan is a pipeline's graph, in the order in which frames flow.
type Plan struct {
	Name        string `json:"name"`
	MaxInFlight int    `json:"max_in_flight"`
	Nodes       []Node `json:"nodes"`
	Edges       []Edge `json:"edges"`
	// Beside are the nodes that work side by side, one list for each step that a
	// frame takes; what is detached is in none.
	Beside [][]string `json:"beside"`
	// Held are the most frames that wait or are worked on, by who holds them.
	Held []Held `json:"held"`
	// CostBasis says what the costs of the nodes are.
	CostBasis string `json:"cost_basis"`
}

// Node is a source, a stage or a sink.
type Node struct {
	Name string `json:"name"`
	// Part is "source", "stage" or "sink".
	Part    string `json:"part"`
	Kind    string `json:"kind"`
	Line    int    `json:"line"`
	Session string `json:"session,omitempty"`
	// In and Out are the pixels that come in and go out; "" is none.
	In  Pixels `json:"in,omitempty"`
	Out Pixels `json:"out,omitempty"`
	// Work on the pixels before the node itself begins.
	Work []Work `json:"work,omitempty"`
	// Runs says when the node works, and beside what.
	Runs string `json:"runs"`
	// Sets are the kinds of annotations that a stage sets.
	Sets []string `json:"sets,omitempty"`
	// When and Rate leave frames out.
	When string  `json:"when,omitempty"`
	Rate float64 `json:"rate,omitempty"`
	// Detached nodes never hold the line up.
	Detached bool `json:"detached"`

	pixels pipeline.Pixels
	from   string
	with   []string
	step   int
}

// Edge is a way that frames take.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Carries is what flows: pixels, messages, or "annotations".
	Carries string `json:"carries"`
	// Waits is what waits at its end: "pixels", or "metadata" where the node
	// reads none.
	Waits    string `json:"waits"`
	Detached bool   `json:"detached"`
}

// Held is a place where frames are kept from going on.
type Held struct {
	By     string `json:"by"`
	Frames int    `json:"frames"`
	// Keeps is "pixels" or "metadata".
	Keeps string `json:"keeps"`
	// Full says what becomes of one too many.
	Full string `json:"full"`
}

// Of plans a pipeline.
func Of(spec *config.Spec) *Plan {
	p := &Plan{Name: spec.Name, MaxInFlight: spec.MaxInFlight, CostBasis: Basis}
	for _, s := range spec.Sources {
		p.source(s)
	}
	for _, s := range spec.Stages {
		p.Nodes = append(p.Nodes, stage(s, spec.MaxInFlight))
	}
	for _, s := range spec.Sinks {
		p.Nodes = append(p.Nodes, sink(s))
	}
	p.order()
	p.flow()
	p.edges()
	p.steps()
	p.held(spec)
	return p
}

func (p *Plan) source(s config.Source) {
	out := Native
	if s.Type.Messages {
		out = Messages
	}
	p.Nodes = append(p.Nodes, Node{
		Name: s.Name, Part: "source", Kind: s.Type.Name, Line: s.Line, Session: s.Session, Out: out,
		Runs: "by itself",
	})
}

func stage(s config.Stage, maxInFlight int) Node {
	n := node(s.Node, "stage", s.Type.Name)
	n.Detached = s.Async
	switch {
	case s.Async:
		n.Runs = "beside the line, on the newest frame; the last result is held for " + s.TTL.String()
	case s.Rate > 0:
		n.Runs = "on the line, on frames that are due; the last result is held for " + s.TTL.String()
	case s.Workers > 1:
		n.Runs = fmt.Sprintf("on the line, on %d frames side by side", min(s.Workers, maxInFlight))
	default:
		n.Runs = "on the line, one frame after the other"
	}
	for _, kind := range s.Sets {
		n.Sets = append(n.Sets, kind.Name())
	}
	return n
}

func sink(s config.Sink) Node {
	n := node(s.Node, "sink", s.Type.Name)
	q := s.ActualQueue()
	n.Detached = q.OnFull != pipeline.Block
	n.Runs = fmt.Sprintf("behind a queue of %d, which %s when it is full", q.Depth, full(q.OnFull))
	if s.Audio != "" {
		n.Runs += "; with the sound of " + s.Audio
	}
	return n
}

func node(c config.Node, part, kind string) Node {
	n := Node{
		Name: c.Name, Part: part, Kind: kind, Line: c.Line, Session: c.Session, Rate: c.Rate,
		pixels: c.Pixels, from: c.From, with: c.With,
	}
	if c.When != nil {
		n.When = c.When.String()
	}
	return n
}

// full says what a full queue does.
func full(way pipeline.OnFull) string {
	switch way {
	case pipeline.Block:
		return "holds the line up"
	case pipeline.DropNewest:
		return "drops the newest"
	default:
		return "drops the oldest"
	}
}

// order puts each node behind those that it is fed by, and else leaves the
// order of the file.
func (p *Plan) order() {
	var ordered []Node
	placed := make(map[string]bool)
	for len(ordered) < len(p.Nodes) {
		before := len(ordered)
		for _, n := range p.Nodes {
			if placed[n.Name] || slices.ContainsFunc(n.inputs(), func(in string) bool { return !placed[in] }) {
				continue
			}
			placed[n.Name] = true
			ordered = append(ordered, n)
		}
		if len(ordered) == before {
			panic("plan: a graph with a circle, which config refuses")
		}
	}
	p.Nodes = ordered
}

// inputs are from and with; a source has none.
func (n *Node) inputs() []string {
	if n.Part == "source" {
		return nil
	}
	return append([]string{n.from}, n.with...)
}

func (p *Plan) node(name string) *Node {
	at := slices.IndexFunc(p.Nodes, func(n Node) bool { return n.Name == name })
	return &p.Nodes[at]
}

func (p *Plan) edges() {
	for _, n := range p.Nodes {
		for i, in := range n.inputs() {
			e := Edge{From: in, To: n.Name, Carries: string(p.node(in).Out), Waits: "pixels", Detached: n.Detached}
			if i > 0 {
				e.Carries = "annotations"
			}
			if i > 0 || e.Carries == string(Messages) || !usesPixels(n.pixels) && n.Detached {
				e.Waits = "metadata"
			}
			p.Edges = append(p.Edges, e)
		}
	}
}

// steps finds what a frame finds at work beside each other: nodes on the line
// that it reaches at the same time.
func (p *Plan) steps() {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		for _, in := range n.inputs() {
			n.step = max(n.step, p.node(in).step+1)
		}
		for len(p.Beside) <= n.step {
			p.Beside = append(p.Beside, nil)
		}
		if !n.Detached {
			p.Beside[n.step] = append(p.Beside[n.step], n.Name)
		}
	}
	p.Beside = slices.DeleteFunc(p.Beside, func(names []string) bool { return len(names) == 0 })
}

func (p *Plan) held(spec *config.Spec) {
	for _, s := range spec.Sources {
		h := Held{By: s.Name, Frames: spec.MaxInFlight, Keeps: "pixels", Full: "a live source drops the new frame, another waits"}
		if s.Type.Messages {
			h.Keeps = "metadata"
		}
		p.Held = append(p.Held, h)
	}
	for _, s := range spec.Stages {
		if s.Async {
			p.Held = append(p.Held, Held{By: s.Name, Frames: 2, Keeps: keeps(s.Pixels), Full: "the newest takes the place of the one that waits"})
		}
	}
	for _, s := range spec.Sinks {
		q := s.ActualQueue()
		p.Held = append(p.Held, Held{By: s.Name, Frames: q.Depth + 1, Keeps: keeps(s.Pixels), Full: full(q.OnFull)})
	}
}

func keeps(p pipeline.Pixels) string {
	if usesPixels(p) {
		return "pixels"
	}
	return "metadata"
}
