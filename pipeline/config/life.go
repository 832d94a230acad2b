package config

import (
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// What a session has unless the file says otherwise.
const (
	// cloudLimit is how long the cloud lets a session last at most.
	cloudLimit    = 20 * time.Minute
	defaultBefore = 60 * time.Second
	defaultStall  = 10 * time.Second
	// A day of renewals needs three sessions an hour. A service that fails as it
	// starts, and is started again every five seconds, would make 700.
	defaultSessions = 30
	defaultPer      = time.Hour

	defaultBurst   = 10
	defaultEffect  = 3 * time.Second
	defaultRepeats = 4
	defaultWithin  = 10 * time.Second
	defaultPause   = time.Minute
)

// life reads how a session begins, goes on and ends.
func (l *loader) life(c *component, n *yaml.Node, f sessionFile, s *Session) {
	l.limit(c, n, f, s)
	l.renew(c, n, f.Renew, s)
	l.adopt(c, n, f.Adopt, s)
	l.budget(c, n, f.Budget, s)
	if has(n, "stall_after") && s.StallAfter <= 0 {
		c.wrong(keyNode(n, "stall_after"), "stall_after", "must be above 0s")
	}
}

func (l *loader) limit(c *component, n *yaml.Node, f sessionFile, s *Session) {
	s.Limit = f.Limit.Std()
	switch {
	case !has(n, "limit"):
		if s.inCloud() {
			s.Limit = cloudLimit
		}
	case s.Limit < time.Second || s.Limit%time.Second != 0:
		c.wrong(keyNode(n, "limit"), "limit", "must be whole seconds, at least one, got %s", s.Limit)
	default:
		s.AskLimit = s.inCloud() && s.APIKey != "" && s.Token == ""
	}
}

// inCloud says that the session costs money by the minute.
func (s *Session) inCloud() bool { return !s.Local && s.Sim == nil }

func (l *loader) renew(c *component, n *yaml.Node, r *Renew, s *Session) {
	at := entry(n, "renew")
	if at == nil || s.Limit == 0 && has(n, "limit") {
		return
	}
	var renew Renew // `renew:` alone is as good as {}
	if r != nil {
		renew = *r
	}
	if !has(at, "before") {
		renew.Before = Duration(defaultBefore)
		if s.Limit > 0 {
			renew.Before = min(renew.Before, Duration(s.Limit/4))
		}
	}
	if s.Limit > 0 && renew.Before.Std() >= s.Limit {
		c.wrong(keyNode(at, "before"), "renew.before", "must be less than the limit of %s, got %s", s.Limit, renew.Before)
	}
	s.Renew = &renew
}

func (l *loader) adopt(c *component, n *yaml.Node, a *Adopt, s *Session) {
	if a == nil {
		return
	}
	at := entry(n, "adopt")
	switch {
	case s.Sim != nil:
		c.wrong(keyNode(n, "adopt"), "", "sim and adopt exclude each other")
	case a.SessionID == "":
		c.wrong(at, "adopt", "session_id is missing")
	case s.Renew != nil:
		c.wrong(keyNode(n, "renew"), "renew", "a session that is adopted is somebody else's to renew")
	case has(n, "on_exit") && s.OnExit == "end":
		c.wrong(keyNode(n, "on_exit"), "on_exit", "a session that is adopted is left, never ended")
	}
	s.Adopt, s.OnExit = a, "leave"
}

func (l *loader) budget(c *component, n *yaml.Node, b *Budget, s *Session) {
	at := entry(n, "budget")
	if b == nil && !s.inCloud() {
		return
	}
	budget := Budget{Sessions: defaultSessions, Per: Duration(defaultPer)}
	if has(at, "sessions") {
		budget.Sessions = b.Sessions
	}
	if has(at, "per") {
		budget.Per = b.Per
		if b.Per <= 0 {
			c.wrong(keyNode(at, "per"), "budget.per", "must be above 0s")
		}
	}
	switch {
	case has(at, "file"):
		budget.File = b.File
	case s.Sim == nil:
		budget.File = l.stateFile(l.spec.Name + "." + s.Name + ".sessions")
	}
	s.Budget = &budget
}

// stateFile returns where something is remembered from one run to the next, as
// systemd and the XDG base directories have it; "" without a place for that.
func (l *loader) stateFile(name string) string {
	variable := func(name string) string {
		if l.env == nil {
			return ""
		}
		value, _ := l.env(name)
		return value
	}
	dir, _, _ := strings.Cut(variable("STATE_DIRECTORY"), ":")
	if dir == "" {
		if dir = variable("XDG_STATE_HOME"); dir == "" && variable("HOME") != "" {
			dir = filepath.Join(variable("HOME"), ".local", "state")
		}
		if dir != "" {
			dir = filepath.Join(dir, "reactorpipe")
		}
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, name)
}

// commands checks how commands are bounded.
func (l *loader) commands(c *component, n *yaml.Node, f Commands) {
	at := entry(n, "commands")
	if f.Cycle.Repeats == 1 {
		c.wrong(find(n, "commands.cycle.repeats"), "commands.cycle.repeats", "must be at least 2, or 0 for none, got 1")
	}
	cycle := entry(at, "cycle")
	if has(cycle, "within") && f.Cycle.Within <= 0 {
		c.wrong(keyNode(cycle, "within"), "commands.cycle.within", "must be above 0s")
	}
	if has(cycle, "pause") && f.Cycle.Pause <= 0 {
		c.wrong(keyNode(cycle, "pause"), "commands.cycle.pause", "must be above 0s")
	}
	before := len(l.all)
	c.check(nil)
	c.checks = nil
	if len(l.all) == before && strings.HasSuffix(f.Ledger.String(), "/") {
		c.wrong(keyNode(at, "ledger"), "commands.ledger", "must name a file, got the folder %s", shorten(f.Ledger.String()))
	}
}
