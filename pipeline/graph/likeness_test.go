package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// steered is a file's session with commands of all kinds, that begin on a line.
func steered(line int, change func(*config.Session)) *config.Spec {
	command := func(name string) []config.SessionCommand {
		line++
		return []config.SessionCommand{{Command: name, Line: line}}
	}
	s := config.Session{
		Name: "main", Line: line, Model: "reactor/x2", StallAfter: time.Second,
		ICEServers: []string{"stun:a", "stun:b"}, Renew: &config.Renew{Again: []string{"set_prompt"}},
	}
	s.Start, s.Stop, s.OnStall = command("start"), command("stop"), command("reset")
	change(&s)
	return &config.Spec{Path: "p.yaml", Name: "p", Sessions: []config.Session{s}}
}

// TestCompatibleSessions: a session goes on wherever in the file it stands, and needs a
// restart where anything of it is another.
func TestCompatibleSessions(t *testing.T) {
	before := steered(2, func(*config.Session) {})
	if err := graph.Compatible(before, steered(20, func(*config.Session) {})); err != nil {
		t.Errorf("the same, further down: %v", err)
	}
	for name, change := range map[string]func(*config.Session){
		"model":              func(s *config.Session) { s.Model = "reactor/x3" },
		"start":              func(s *config.Session) { s.Start[0].Command = "begin" },
		"stop":               func(s *config.Session) { s.Stop = nil },
		"on_stall":           func(s *config.Session) { s.OnStall = append(s.OnStall, s.OnStall...) },
		"the last server":    func(s *config.Session) { s.ICEServers[1] = "stun:c" },
		"order of servers":   func(s *config.Session) { s.ICEServers = []string{"stun:b", "stun:a"} },
		"renew, deep inside": func(s *config.Session) { s.Renew.Again[0] = "set_image" },
		"no renewal":         func(s *config.Session) { s.Renew = nil },
	} {
		err := graph.Compatible(before, steered(2, change))
		if err == nil || err.Error() != `p.yaml:2: session "main" changed, and that needs a restart` {
			t.Errorf("%s: got %v", name, err)
		}
	}
	gone := &config.Spec{Path: "p.yaml", Name: "p"}
	if err := graph.Compatible(before, gone); err == nil || !strings.Contains(err.Error(), `session "main" is gone`) {
		t.Errorf("gone: got %v", err)
	}
}
