package app

import (
	"cmp"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// pipelineView is a pipeline as the admin port shows it.
type pipelineView struct {
	Name     string        `json:"name"`
	File     string        `json:"file"`
	Phase    phase         `json:"phase"`
	Media    mediaState    `json:"media,omitempty"` // while it runs
	Error    string        `json:"error,omitempty"` // that it failed with
	Drift    string        `json:"drift,omitempty"` // how the model differs since a reconnect
	Stuck    bool          `json:"stuck,omitempty"` // frames are in flight and nothing moves them
	Sessions []sessionView `json:"sessions"`
	Nodes    []nodeView    `json:"nodes"`
	Figures  *figures      `json:"figures,omitempty"` // of its present or last run, once frames have flowed

	Changes *graph.Changes `json:"changes,omitempty"` // that were asked for
}

type sessionView struct {
	Name   string     `json:"name"`
	Model  string     `json:"model"` // or its address
	Status sdk.Status `json:"status"`
	ID     string     `json:"id,omitempty"` // at the server, while it is open
	// Renewals is how often another session has taken its place.
	Renewals uint64 `json:"renewals"`
}

// nodeView is a source, a stage or a sink. It counts from the start of the run.
type nodeView struct {
	Name     string            `json:"name"`
	Role     role              `json:"role"`
	Type     string            `json:"type"`
	In       uint64            `json:"in"`
	Out      uint64            `json:"out"`
	Errors   uint64            `json:"errors"`
	Dropped  map[string]uint64 `json:"dropped,omitempty"` // by reason
	Skipped  map[string]uint64 `json:"skipped,omitempty"` // by reason
	Queued   int               `json:"queued"`            // frames that wait in front of it
	InFlight int               `json:"in_flight"`         // frames of a source that are in the graph
	Process  quantiles         `json:"process_ms,omitzero"`
	Hanging  bool              `json:"hanging,omitempty"` // a call has outlasted its deadline and not returned
}

// role is what a node is to the graph.
type role string

const (
	roleSource role = "source"
	roleStage  role = "stage"
	roleSink   role = "sink"
)

// phaseStopped is that of a pipeline which was stopped by hand and waits to be
// started again.
const phaseStopped phase = "stopped"

// view returns a pipeline's state and figures.
func (s *supervisor) view(p *supervised) pipelineView {
	l, state := s.life(p)
	v := l.view()
	v.File = p.file
	switch {
	case state == halted && v.Phase == phaseEnded:
		v.Phase = phaseStopped
	case state == living && (v.Phase == phaseEnded || v.Phase == phaseFailed):
		v.Phase = phaseEnding // not quite over: it cannot be started yet
	}
	return v
}

func (l *line) view() pipelineView {
	l.mu.Lock()
	g, began, ended, ph := l.graph, l.began, l.ended, l.phase
	v := pipelineView{Name: l.spec.Name, Phase: ph, Error: oneLine(l.err), Drift: oneLine(l.drift)}
	peers, sessions := slices.Clone(l.peers), l.sessions
	l.mu.Unlock()
	v.Sessions = sessionViews(peers, sessions)
	if g == nil {
		v.Nodes = idleNodes(l.spec)
		return v
	}
	st, now := g.Stats(), time.Now()
	v.Nodes = nodeViews(st)
	if ph == phaseRunning {
		v.Media, v.Stuck = l.media.at(now, st), l.loops.stuck(now, st)
		if v.renewing() {
			v.Media = mediaRenewing
		}
		ended = now
	}
	if !began.IsZero() {
		f := l.figures(st, ended.Sub(began))
		v.Figures = &f
	}
	return v
}

// renewing says that a session is over, and that another takes its place.
func (v pipelineView) renewing() bool {
	return slices.ContainsFunc(v.Sessions, func(s sessionView) bool { return s.Status == session.StatusRenewing })
}

func sessionViews(peers []config.Session, sessions []namedSession) []sessionView {
	views := make([]sessionView, len(peers))
	for i, s := range peers {
		views[i] = sessionView{Name: s.Name, Model: cmp.Or(s.Model, s.URL), Status: sdk.StatusDisconnected}
		at := slices.IndexFunc(sessions, func(n namedSession) bool { return n.name == s.Name })
		if at < 0 {
			continue
		}
		views[i].Status, views[i].Renewals = sessions[at].Status(), sessions[at].Renewals()
		if live, err := sessions[at].Live(); err == nil {
			views[i].ID = live.ID()
		}
	}
	return views
}

// idleNodes are those of a file that does not run.
func idleNodes(spec *config.Spec) []nodeView {
	var nodes []nodeView
	for _, n := range spec.Sources {
		nodes = append(nodes, nodeView{Name: n.Name, Role: roleSource, Type: n.Type.Name})
	}
	for _, n := range spec.Stages {
		nodes = append(nodes, nodeView{Name: n.Name, Role: roleStage, Type: n.Type.Name})
	}
	for _, n := range spec.Sinks {
		nodes = append(nodes, nodeView{Name: n.Name, Role: roleSink, Type: n.Type.Name})
	}
	return nodes
}

func nodeViews(st graph.Stats) []nodeView {
	var nodes []nodeView
	add := func(r role, all []graph.NodeStats) {
		for _, n := range all {
			nodes = append(nodes, nodeView{
				Name: n.Name, Role: r, Type: n.Kind, In: n.In, Out: n.Out, Errors: n.Errors,
				Dropped: n.Dropped, Skipped: n.Skipped, Queued: n.Queued, InFlight: n.InFlight,
				Process: inMilliseconds(n.Process), Hanging: n.Hanging,
			})
		}
	}
	add(roleSource, st.Sources)
	add(roleStage, st.Stages)
	add(roleSink, st.Sinks)
	return nodes
}

// views returns the views of all pipelines.
func (s *supervisor) views() []pipelineView {
	views := make([]pipelineView, len(s.pipelines))
	for i, p := range s.pipelines {
		views[i] = s.view(p)
	}
	return views
}
