package sessiontest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

// The states of a local runtime without a session.
const (
	stateCreated    = "created" // the model is loading
	stateReady      = "ready"
	stateTerminated = "terminated" // the model crashed
)

// serverVersion is the version of the runtime that the server behaves as.
const serverVersion = "3.10.0"

// startSession is how a local runtime begins its one session.
func (s *Server) startSession(w http.ResponseWriter, r *http.Request) {
	var body map[string]json.RawMessage
	if !decode(w, r, &body) {
		return
	}
	asked, refusal := s.surface().parseStart(body)
	if refusal != "" {
		refuse(w, http.StatusBadRequest, refusal)
		return
	}
	s.mu.Lock()
	if state := s.localState(); state != stateReady {
		s.mu.Unlock()
		refuseState(w, "start", state)
		return
	}
	x, err := s.newSession(beginning{id: localSession, limit: s.cfg.SessionLimit, start: asked})
	if err != nil {
		s.mu.Unlock()
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.local = x
	s.mu.Unlock()
	answer(w, http.StatusOK, s.localDescriptor())
}

// refuseState says that something cannot be done to a session in its state.
func refuseState(w http.ResponseWriter, what, state string) {
	detail := "cannot " + what + " session while " + state
	switch state {
	case stateCreated:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, detail+": the model is still loading")
	case stateTerminated:
		refuse(w, http.StatusServiceUnavailable, detail+": the model is terminated")
	default:
		refuse(w, http.StatusConflict, detail)
	}
}

// localState is the state of the local runtime. s.mu is held.
func (s *Server) localState() string {
	switch {
	case s.crashed || s.shut:
		return stateTerminated
	case time.Since(s.started) < s.cfg.Loading:
		return stateCreated
	case s.local == nil:
		return stateReady
	}
	s.local.mu.Lock()
	defer s.local.mu.Unlock()
	return s.local.state
}

func (s *Server) getSession(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.localDescriptor())
}

func (s *Server) localDescriptor() object {
	s.mu.Lock()
	state, x := s.localState(), s.local
	s.mu.Unlock()
	d := s.descriptor(localSession, state, x)
	maps.Copy(d, object{
		"cluster":      "local",
		"server_info":  object{"server_version": serverVersion},
		"transports":   []any{transportWebRTC()},
		"recording":    object{"enabled": s.cfg.Recording.Enabled, "chunk_seconds": s.cfg.Recording.Chunk.Seconds()},
		"step_results": object{"enabled": s.cfg.StepResults.Enabled},
	})
	if state == stateCreated {
		d["model"] = object{"name": ""}
		delete(d, "capabilities")
	}
	if x != nil && x.applied >= 0 {
		d["starting_input"] = object{"applied": x.applied}
	}
	return d
}

// descriptor is what the session resources of both kinds of server have in common.
// x is nil between sessions.
func (s *Server) descriptor(id, state string, x *session) object {
	generation := "streamed"
	if x != nil && x.stepped {
		generation = "stepped"
	}
	tracks := make([]any, len(s.model.Tracks))
	for i, t := range s.model.Tracks {
		tracks[i] = object{"name": t.Name, "kind": string(t.Kind), "direction": string(t.Direction)}
	}
	return object{
		"session_id":         id,
		"state":              state,
		"model":              object{"name": s.model.Name},
		"selected_transport": transportWebRTC(),
		"generation":         generation,
		"capabilities":       object{"protocol_version": "v0", "tracks": tracks, "commands": []any{}},
	}
}

func transportWebRTC() object { return object{"protocol": "webrtc", "version": "1.0"} }

func (s *Server) getSchema(w http.ResponseWriter, _ *http.Request) {
	if time.Since(s.started) < s.cfg.Loading {
		answer(w, http.StatusOK, object{})
		return
	}
	answer(w, http.StatusOK, s.surface().schema())
}

func (s *Server) stopSession(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Moderate bool   `json:"moderate"`
		Reason   string `json:"reason"`
	}
	if !decode(w, r, &body) {
		return
	}
	const longest = 64
	if utf8.RuneCountInString(body.Reason) > longest {
		violate(w, violation{
			Type: "string_too_long", Loc: []any{"body", "reason"},
			Msg: fmt.Sprintf("String should have at most %d characters", longest), Input: body.Reason,
		})
		return
	}
	s.mu.Lock()
	x, state := s.local, s.localState()
	s.mu.Unlock()
	if x == nil || state == stateClosing {
		refuseState(w, "stop", state)
		return
	}
	e := ending{why: "stopped", notice: body.Reason}
	if body.Moderate {
		e = ending{why: "moderated", moderated: true}
	}
	x.end(e)
	w.WriteHeader(http.StatusOK)
}

func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	state := s.localState()
	s.mu.Unlock()
	status, health, word, detail := http.StatusOK, "healthy", "available", any(nil)
	switch {
	case state == stateTerminated:
		status, health, word, detail = http.StatusServiceUnavailable, "unhealthy", "terminated", "session terminated"
	case state == stateCreated:
		word = "loading"
	case s.Sessions() > 0:
		word = "serving"
	}
	answer(w, status, object{"status": health, "state": word, "detail": detail})
}

// getICEServers tells the servers of the configuration.
func (s *Server) getICEServers(w http.ResponseWriter, _ *http.Request, _ *session) {
	servers := []any{}
	for _, ice := range s.cfg.ICEServers {
		entry := object{"uris": slices.Clone(ice.URLs)}
		if ice.Username != "" {
			entry["credentials"] = object{"username": ice.Username, "password": ice.Password}
		}
		servers = append(servers, entry)
	}
	answer(w, http.StatusOK, object{"ice_servers": servers})
}

// tightest is the smaller of two limits of which 0 is none.
func tightest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
