package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a session's life is where the file does not say it.
func TestLifeDefaults(t *testing.T) {
	cloud := &Budget{Sessions: 30, Per: Duration(time.Hour)}
	kept := &Budget{Sessions: 30, Per: Duration(time.Hour), File: "/home/me/.local/state/reactorpipe/pipeline.main.sessions"}
	tests := []struct {
		name, session string
		env           []string
		want          Session
	}{
		{"in the cloud", "{model: a/b, api_key: k}", nil, Session{Limit: 20 * time.Minute, Budget: cloud}},
		{"renewed", "{model: a/b, api_key: k, renew: }", nil, Session{Limit: 20 * time.Minute, Budget: cloud, Renew: &Renew{Before: Duration(time.Minute)}}},
		{"a limit to ask for", "{model: a/b, api_key: k, limit: 40s, renew: {again: []}}", nil, Session{
			Limit: 40 * time.Second, AskLimit: true, Budget: cloud, Renew: &Renew{Before: Duration(10 * time.Second), Again: []string{}},
		}},
		{"a limit that a token has", "{model: a/b, token: t, limit: 5m}", nil, Session{Limit: 5 * time.Minute, Budget: cloud}},
		{"a local runtime", "{url: 'http://x', renew: {}}", nil, Session{Renew: &Renew{Before: Duration(time.Minute)}}},
		{"the simulator", "{sim: {}, budget: {sessions: 2}}", []string{"HOME", "/home/me"}, Session{Budget: &Budget{Sessions: 2, Per: Duration(time.Hour)}}},
		{"a home", "{model: a/b, token: t}", []string{"HOME", "/home/me"}, Session{Limit: 20 * time.Minute, Budget: kept}},
		{"a place for state", "{model: a/b, token: t}", []string{"HOME", "/home/me", "XDG_STATE_HOME", "/state"}, Session{
			Limit: 20 * time.Minute, Budget: &Budget{Sessions: 30, Per: Duration(time.Hour), File: "/state/reactorpipe/pipeline.main.sessions"},
		}},
		{"a service", "{model: a/b, token: t}", []string{"STATE_DIRECTORY", "/var/lib/r:/var/lib/s", "HOME", "/home/me"}, Session{
			Limit: 20 * time.Minute, Budget: &Budget{Sessions: 30, Per: Duration(time.Hour), File: "/var/lib/r/pipeline.main.sessions"},
		}},
		{"a place of its own", "{model: a/b, token: t, budget: {file: made}}", []string{"HOME", "/home/me"}, Session{
			Limit: 20 * time.Minute, Budget: &Budget{Sessions: 30, Per: Duration(time.Hour), File: "made"},
		}},
		{"adopted", "{model: a/b, token: t, adopt: {session_id: s, connection_id: 7}}", nil, Session{
			Limit: 20 * time.Minute, Budget: cloud, Adopt: &Adopt{SessionID: "s", ConnectionID: 7},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustLoad(t, "session: "+tt.session+"\nsources: {cam: {file: x}}\nsinks: [{name: n, type: discard}]", Options{Env: env(tt.env...)}).Sessions[0]
			got := Session{Limit: s.Limit, AskLimit: s.AskLimit, Renew: s.Renew, Adopt: s.Adopt, Budget: s.Budget}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.StallAfter != 10*time.Second || s.Commands.Burst != 10 || s.Commands.Cycle != (Cycle{4, Duration(10 * time.Second), Duration(time.Minute)}) {
				t.Errorf("commands: %+v", s.Commands)
			}
			if leaves := s.OnExit == "leave"; leaves != (s.Adopt != nil) {
				t.Errorf("on_exit: %s", s.OnExit)
			}
		})
	}
}

// --sim takes the place of an adopted session, too.
func TestSimulatedInsteadOfAdopted(t *testing.T) {
	s := mustLoad(t, "session: {model: a/b, adopt: {session_id: s}}\nsources: {cam: {file: x}}\nsinks: [{name: n, type: discard}]",
		Options{Set: []string{"session.sim={}"}}).Sessions[0]
	if s.Sim == nil || s.Adopt != nil || s.OnExit != "end" {
		t.Errorf("%+v", s)
	}
}
