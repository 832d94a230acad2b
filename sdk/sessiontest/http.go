package sessiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Route names a route for [Trouble], as method and pattern.
type Route string

// The routes of both kinds of server.
const (
	RouteStart    Route = "POST /start_session"
	RouteSession  Route = "GET /session"
	RouteSchema   Route = "GET /schema"
	RouteStop     Route = "POST /stop_session"
	RouteHealth   Route = "GET /health"
	RouteEvents   Route = "GET /events"
	RouteMetrics  Route = "GET /metrics"
	RouteContract Route = "GET /openapi.json"

	RouteToken  Route = "POST /tokens"
	RouteCreate Route = "POST /sessions"
	RouteRead   Route = "GET /sessions/{sid}"
	RouteDelete Route = "DELETE /sessions/{sid}"

	RouteReserve Route = "POST /sessions/{sid}/uploads"
	RouteUpload  Route = "PUT /uploads/{upload}"
	RouteClips   Route = "GET /clips"
	RouteSegment Route = "GET /clips/chunks/{recording}/{file}"

	RouteSteps    Route = "GET /sessions/{sid}/steps"
	RouteStep     Route = "GET /sessions/{sid}/steps/{step}"
	RouteStepFile Route = "GET /sessions/{sid}/steps/{step}/{file}"

	RouteICEServers Route = "GET /sessions/{sid}/transport/webrtc/ice_servers"
	RouteRegister   Route = "POST /sessions/{sid}/transport/webrtc/connections"
	RouteOffer      Route = "POST /sessions/{sid}/transport/webrtc/connections/{cid}/sdp_params"
	RouteReoffer    Route = "PUT /sessions/{sid}/transport/webrtc/connections/{cid}/sdp_params"
	RouteAnswer     Route = "GET /sessions/{sid}/transport/webrtc/connections/{cid}/sdp_params"
	RouteCandidates Route = "POST /sessions/{sid}/transport/webrtc/connections/{cid}/ice_candidates"
)

// maxBody bounds the JSON that a request may bring: an offer is some kilobytes.
const maxBody = 1 << 20

// handler routes all requests.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for route, serve := range s.routes() {
		mux.HandleFunc(string(route), s.troubled(route, serve))
	}
	mux.HandleFunc("GET /_trouble", s.getTrouble)
	mux.HandleFunc("PUT /_trouble", s.putTrouble)
	mux.HandleFunc("DELETE /_trouble", s.deleteTrouble)
	mux.HandleFunc("POST /_trouble/{incident}", s.makeTrouble)
	mux.HandleFunc("POST /_say/{type}", s.sayMessage)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "Not Found") })
	return crossOrigin(mux)
}

// routes are all that the server answers.
func (s *Server) routes() map[Route]http.HandlerFunc {
	return map[Route]http.HandlerFunc{
		RouteStart: s.startSession, RouteSession: s.getSession, RouteSchema: s.getSchema,
		RouteStop: s.stopSession, RouteHealth: s.getHealth,
		RouteEvents: s.getEvents, RouteMetrics: s.getMetrics, RouteContract: s.getContract,
		RouteToken: s.mintToken, RouteCreate: s.createSession, RouteRead: s.readSession, RouteDelete: s.deleteSession,
		RouteReserve: s.inSession(s.reserveUpload), RouteUpload: s.putUpload, RouteClips: s.getClips, RouteSegment: s.getSegment,
		RouteSteps: s.listSteps, RouteStep: s.getStep, RouteStepFile: s.getStepFile,
		RouteICEServers: s.inSession(s.getICEServers), RouteRegister: s.inSession(s.registerConnection),
		RouteOffer: s.onConnection(s.putOffer), RouteReoffer: s.onConnection(s.putOffer),
		RouteAnswer: s.onConnection(s.getAnswer), RouteCandidates: s.onConnection(s.addCandidates),
	}
}

// troubled lets faults hit a route.
func (s *Server) troubled(route Route, serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if now := s.now(); time.Since(now).Abs() > time.Second {
			w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		}
		if f, ok := s.trouble.next(route); ok && f.hit(w, r) {
			return
		}
		serve(w, r)
	}
}

// crossOrigin allows every origin, without credentials.
func crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Vary", "Origin")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
			w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			w.Header().Set("Access-Control-Max-Age", "600")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// inSession serves a route of a running session only, to who may use it.
func (s *Server) inSession(serve func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x, status, detail := s.find(r)
		if x == nil {
			refuse(w, status, detail)
			return
		}
		serve(w, r, x)
	}
}

// find is the running session that a request names.
func (s *Server) find(r *http.Request) (x *session, status int, detail string) {
	id := r.PathValue("sid")
	s.mu.Lock()
	x, over := s.sessions[id], s.ended[id]
	s.mu.Unlock()
	if cloud := x != nil && x.cloud || over; cloud && !s.authorized(r, id) {
		return nil, http.StatusUnauthorized, "Invalid or missing token"
	}
	switch {
	case x != nil && x.alive():
		return x, 0, ""
	case x != nil || over || len(s.live()) == 0:
		return nil, http.StatusBadRequest, "No session running"
	}
	return nil, http.StatusNotFound, "Unknown session"
}

// onConnection adds the connection's id, checked.
func (s *Server) onConnection(serve func(http.ResponseWriter, *http.Request, *session, uint32)) http.HandlerFunc {
	return s.inSession(func(w http.ResponseWriter, r *http.Request, x *session) {
		const first, last = 1001, 9999
		text := r.PathValue("cid")
		id, err := strconv.Atoi(text)
		switch {
		case err != nil:
			violateInt(w, "path", "connection_id", text)
		case id < first:
			violate(w, violation{Type: "greater_than_equal", Loc: []any{"path", "connection_id"}, Msg: fmt.Sprintf("Input should be greater than or equal to %d", first), Input: text})
		case id > last:
			violate(w, violation{Type: "less_than_equal", Loc: []any{"path", "connection_id"}, Msg: fmt.Sprintf("Input should be less than or equal to %d", last), Input: text})
		default:
			serve(w, r, x, uint32(id))
		}
	})
}

// refuse answers with the error body of the runtime.
func refuse(w http.ResponseWriter, status int, detail string) {
	answer(w, status, object{"detail": detail})
}

// violation is one breach of a request's schema.
type violation struct {
	Type  string `json:"type"`
	Loc   []any  `json:"loc"`
	Msg   string `json:"msg"`
	Input any    `json:"input"`
}

func violate(w http.ResponseWriter, all ...violation) {
	answer(w, http.StatusUnprocessableEntity, object{"detail": all})
}

// violateInt answers that a part of the address is no integer.
func violateInt(w http.ResponseWriter, where, name, text string) {
	violate(w, violation{
		Type: "int_parsing", Loc: []any{where, name}, Input: text,
		Msg: "Input should be a valid integer, unable to parse string as an integer",
	})
}

func missing(field string) violation {
	return violation{Type: "missing", Loc: []any{"body", field}, Msg: "Field required"}
}

func answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// decode reads a JSON body into v, a pointer to a struct or map; it answers the
// request itself if that fails. An empty body leaves v as it is.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "body too large")
		return false
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return true
	}
	if err := json.Unmarshal(b, v); err != nil {
		violate(w, decodeViolation(err))
		return false
	}
	return true
}

func decodeViolation(err error) violation {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return violation{Type: "json_invalid", Loc: []any{"body"}, Msg: "JSON decode error"}
	}
	loc := []any{"body"}
	if wrong.Field != "" {
		for part := range strings.SplitSeq(wrong.Field, ".") {
			loc = append(loc, part)
		}
	}
	return violation{Type: "type_error", Loc: loc, Msg: "Input should be a valid " + wrong.Type.String()}
}
