package sessiontest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tokenTTL is how long a token of the cloud is good for.
const tokenTTL = 6 * time.Hour

// tokenScope is what a token may do. The zero scope may do everything.
type tokenScope struct {
	scoped   bool
	models   []string // may be created; with all, any
	all      bool
	sessions []string // may be acted on
	limit    time.Duration
}

// mints says whether sessions of a model may be created with the token.
func (t tokenScope) mints(model string) bool {
	return !t.scoped || t.all && len(t.sessions) == 0 || slices.Contains(t.models, model)
}

func (t tokenScope) reaches(session string) bool {
	return !t.scoped || slices.Contains(t.sessions, session)
}

// Token mints a token that may do everything, as an unscoped one of the cloud.
func (s *Server) Token() string { return s.mint(tokenScope{}) }

func (s *Server) mint(scope tokenScope) string {
	token := "test." + newUploadID()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = scope
	return token
}

// authorized says whether a request may act on a session.
func (s *Server) authorized(r *http.Request, session string) bool {
	scope, ok := s.scope(r)
	return ok && scope.reaches(session)
}

func (s *Server) scope(r *http.Request) (tokenScope, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	scope, known := s.tokens[token]
	return scope, ok && known
}

// tokenRequest is the body of POST /tokens; null asks for an unscoped token.
type tokenRequest struct {
	AuthorizationDetails []struct {
		Type      string `json:"type"`
		Resources struct {
			Models struct {
				Match []string `json:"match"`
				All   bool     `json:"all"`
			} `json:"models"`
			Sessions struct {
				Bind []string `json:"bind"`
			} `json:"sessions"`
		} `json:"resources"`
		Constraints struct {
			MaxSessionDuration *int `json:"max_session_duration_seconds"`
		} `json:"constraints"`
	} `json:"authorization_details"`
}

func (s *Server) mintToken(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Reactor-API-Key")
	if key == "" || s.cfg.APIKey != "" && key != s.cfg.APIKey {
		refuse(w, http.StatusUnauthorized, "Invalid API key")
		return
	}
	var body tokenRequest
	if !decode(w, r, &body) {
		return
	}
	var scope tokenScope
	for _, d := range body.AuthorizationDetails {
		scope.scoped = true
		scope.all = scope.all || d.Resources.Models.All
		scope.models = append(scope.models, d.Resources.Models.Match...)
		scope.sessions = append(scope.sessions, d.Resources.Sessions.Bind...)
		if seconds := d.Constraints.MaxSessionDuration; seconds != nil {
			const day = 86400
			if *seconds < 1 || *seconds > day {
				refuse(w, http.StatusBadRequest, "max_session_duration_seconds must be from 1 to 86400")
				return
			}
			scope.limit = time.Duration(*seconds) * time.Second
		}
	}
	answer(w, http.StatusOK, object{"jwt": s.mint(scope), "expires_at": s.now().Add(tokenTTL).Unix()})
}

func (s *Server) createSession(w http.ResponseWriter, r *http.Request) {
	scope, ok := s.scope(r)
	if !ok {
		refuse(w, http.StatusUnauthorized, "Invalid or missing token")
		return
	}
	var body struct {
		Model *struct {
			Name string `json:"name"`
		} `json:"model"`
		ExtraConfigs map[string]json.RawMessage `json:"extra_configs"`
	}
	if !decode(w, r, &body) {
		return
	}
	if body.Model == nil || body.Model.Name == "" {
		violate(w, missing("model"))
		return
	}
	if owned(body.Model.Name) != owned(s.model.Name) {
		refuse(w, http.StatusNotFound, "Model not found")
		return
	}
	if !scope.mints(body.Model.Name) {
		refuse(w, http.StatusForbidden, "Token does not allow this model")
		return
	}
	asked, refusal := s.surface().parseStart(map[string]json.RawMessage{"generation": body.ExtraConfigs["generation"]})
	if refusal != "" {
		refuse(w, http.StatusBadRequest, refusal)
		return
	}
	id, err := s.allocate(r, scope, asked)
	switch {
	case errors.Is(err, errNoRoom):
		refuse(w, http.StatusTooManyRequests, err.Error())
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusCreated, object{"session_id": id, "state": "CREATED", "model": object{"name": s.model.Name}})
}

// errNoRoom is the refusal of one session too many.
var errNoRoom = errors.New("Too many concurrent sessions") //nolint:staticcheck // the text of an answer

// allocate starts a session of the cloud, if there is room for one, and lets
// the token of the request act on it.
func (s *Server) allocate(r *http.Request, scope tokenScope, asked start) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut || s.cloudSessions() >= s.cfg.MaxSessions {
		return "", errNoRoom
	}
	x, err := s.newSession(beginning{id: uuid(), cloud: true, limit: tightest(s.cfg.SessionLimit, scope.limit), start: asked})
	if err != nil {
		return "", err
	}
	s.adopt(r, x.id)
	return x.id, nil
}

// owned is a model's name with its owner.
func owned(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "reactor/" + name
}

// cloudSessions counts those that were not told to end. s.mu is held.
func (s *Server) cloudSessions() int {
	n := 0
	for _, x := range s.sessions {
		if x.cloud && x.alive() {
			n++
		}
	}
	return n
}

// adopt lets the token of a request act on the session it created. s.mu is held.
func (s *Server) adopt(r *http.Request, session string) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	scope := s.tokens[token]
	scope.sessions = append(slices.Clone(scope.sessions), session)
	s.tokens[token] = scope
}

func (s *Server) readSession(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("sid")
	x, over, ok := s.lookUp(w, r, id)
	switch {
	case !ok:
	case over:
		answer(w, http.StatusOK, object{"session_id": id, "state": "CLOSED"})
	case time.Since(x.created) < s.cfg.Provisioning:
		answer(w, http.StatusOK, object{"session_id": id, "state": "PENDING"})
	default:
		answer(w, http.StatusOK, s.descriptor(id, x.cloudState(), x))
	}
}

// lookUp finds a session of the cloud, running or over, for who may see it. It
// answers the request itself otherwise.
func (s *Server) lookUp(w http.ResponseWriter, r *http.Request, id string) (x *session, over, ok bool) {
	s.mu.Lock()
	x, over = s.sessions[id], s.ended[id]
	s.mu.Unlock()
	if _, known := s.scope(r); !known {
		refuse(w, http.StatusUnauthorized, "Invalid or missing token")
		return nil, false, false
	}
	if !over && (x == nil || !x.cloud) {
		refuse(w, http.StatusNotFound, "Session not found")
		return nil, false, false
	}
	if !s.authorized(r, id) {
		refuse(w, http.StatusForbidden, "Token does not reach this session")
		return nil, false, false
	}
	return x, over, true
}

// cloudState is the session's state in the words of the cloud.
func (x *session) cloudState() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.state {
	case stateStreaming:
		return "ACTIVE"
	case stateOrphaned:
		return "SUSPENDED"
	case stateClosing:
		return "CLOSED"
	}
	return "WAITING"
}

func (s *Server) deleteSession(w http.ResponseWriter, r *http.Request) {
	x, over, ok := s.lookUp(w, r, r.PathValue("sid"))
	if !ok {
		return
	}
	if !over {
		x.end(ending{why: "stopped"})
	}
	w.WriteHeader(http.StatusNoContent)
}
