package app

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// report is the answer to a probe.
type report struct {
	OK        bool             `json:"ok"`
	Pipelines []pipelineReport `json:"pipelines"`
}

type pipelineReport struct {
	Name     string                `json:"name"`
	OK       bool                  `json:"ok"`
	Phase    phase                 `json:"phase"`
	Sessions map[string]sdk.Status `json:"sessions,omitempty"` // by name
	Media    mediaState            `json:"media,omitempty"`
	Error    string                `json:"error,omitempty"`
	Drift    string                `json:"drift,omitempty"`   // how the model differs since a reconnect
	Hanging  []string              `json:"hanging,omitempty"` // nodes whose call does not return
	Stuck    bool                  `json:"stuck,omitempty"`   // frames are in flight and nothing moves them

	view pipelineView
}

// check is a line of a report for people.
type check struct {
	ok   bool
	text string
}

func probeRoutes(s *supervisor) []route {
	probe := func(name string, judge func(pipelineView) bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			answerProbe(w, r, name, collect(s.views(), judge))
		}
	}
	return []route{
		{"GET /healthz", probe("healthz", isHealthy)},
		{"GET /readyz", probe("readyz", isReady)},
	}
}

// answerProbe answers in JSON, or with ?verbose in lines as Kubernetes has them.
func answerProbe(w http.ResponseWriter, r *http.Request, name string, rep report) {
	status := http.StatusOK
	if !rep.OK {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Cache-Control", "no-store")
	if !r.URL.Query().Has("verbose") {
		answerJSON(w, status, rep)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, rep.verbose(name)) //nolint:errcheck // the client may be gone
}

// isHealthy says whether our own loops turn, where they have to: what hung in a
// pipeline that is over hurts nobody. A model's silence is no illness, and a
// pipeline that has failed is none of its neighbours.
func isHealthy(v pipelineView) bool {
	return v.Phase != phaseRunning || len(v.hanging()) == 0 && !v.Stuck
}

// isReady says whether sessions are up and pictures can flow.
func isReady(v pipelineView) bool {
	if v.rests() {
		return true
	}
	connected := !slices.ContainsFunc(v.Sessions, func(s sessionView) bool { return s.Status != sdk.StatusReady })
	return v.Phase == phaseRunning && v.Media != mediaStalled && v.Drift == "" && connected
}

// rests says that a pipeline does nothing, and is as it should be: it was stopped
// by hand, or came to its end without a fault.
func (v pipelineView) rests() bool { return v.Phase == phaseStopped || v.Phase == phaseEnded }

func collect(views []pipelineView, judge func(pipelineView) bool) report {
	rep := report{OK: true}
	for _, v := range views {
		p := v.report()
		p.OK = judge(v)
		rep.OK = rep.OK && p.OK
		rep.Pipelines = append(rep.Pipelines, p)
	}
	return rep
}

func (v pipelineView) report() pipelineReport {
	p := pipelineReport{
		Name: v.Name, Phase: v.Phase, Media: v.Media, Error: v.Error, Drift: v.Drift,
		Hanging: v.hanging(), Stuck: v.Stuck, Sessions: make(map[string]sdk.Status), view: v,
	}
	for _, s := range v.Sessions {
		p.Sessions[s.Name] = s.Status
	}
	return p
}

func (v pipelineView) hanging() (names []string) {
	for _, n := range v.Nodes {
		if n.Hanging {
			names = append(names, n.Name)
		}
	}
	return names
}

// checks are the pipeline's, its sessions' and its nodes' states, one a line.
func (v pipelineView) checks() []check {
	well := v.rests() || v.Phase == phaseRunning && !v.Stuck
	checks := []check{{well, "pipeline: " + strings.Join(v.states(), ", ")}}
	for _, s := range v.Sessions {
		checks = append(checks, check{s.Status == sdk.StatusReady || v.rests(), fmt.Sprintf("session %s: %s, %s", s.Name, s.Status, s.Model)})
	}
	if v.Drift != "" && !v.rests() {
		checks = append(checks, check{false, "model: " + v.Drift})
	}
	for _, n := range v.Nodes {
		checks = append(checks, check{!n.Hanging, fmt.Sprintf("%s %s: %s", n.Role, n.Name, strings.Join(n.states(), ", "))})
	}
	return checks
}

func (v pipelineView) states() []string {
	states := []string{string(v.Phase)}
	if v.Media != "" {
		states = append(states, string(v.Media))
	}
	if v.Stuck {
		states = append(states, "nothing moves the frames in flight")
	}
	if v.Error != "" {
		states = append(states, v.Error)
	}
	return states
}

func (n nodeView) states() []string {
	states := []string{n.Type, fmt.Sprintf("%d in, %d out", n.In, n.Out)}
	if n.Errors > 0 {
		states = append(states, count(n.Errors, "error"))
	}
	if d := total(n.Dropped); d > 0 {
		states = append(states, fmt.Sprintf("%d dropped", d))
	}
	if n.Hanging {
		states = append(states, "a call does not return")
	}
	return states
}

// verbose writes a line for each check, as Kubernetes does.
func (r report) verbose(name string) string {
	var text strings.Builder
	for _, p := range r.Pipelines {
		for _, c := range p.view.checks() {
			mark := "[+]"
			if !c.ok {
				mark = "[-]"
			}
			fmt.Fprintf(&text, "%s%s %s\n", mark, p.Name, c.text)
		}
	}
	verdict := map[bool]string{true: "passed", false: "failed"}[r.OK]
	fmt.Fprintf(&text, "%s check %s\n", name, verdict)
	return text.String()
}
