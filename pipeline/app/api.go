package app

import (
	"context"
	_ "embed" // the description
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/sdk"
)

//go:embed openapi.json
var openAPI []byte

// api is what the admin port offers under /v1. openapi.json describes it, and a
// test compares the two.
type api struct {
	supervisor *supervisor
}

// Bounds of what clients send, in bytes.
const (
	mostYAML    = 1 << 20
	mostCommand = 1 << 20
	mostUpload  = 256 << 20
)

func (a *api) routes() []route {
	return []route{
		{"GET /v1/openapi.json", a.describe},
		{"GET /v1/pipelines", a.list},
		{"GET /v1/pipelines/{pipeline}", a.on(a.show)},
		{"PUT /v1/pipelines/{pipeline}", a.on(a.change)},
		{"POST /v1/pipelines/{pipeline}/start", a.on(a.start)},
		{"POST /v1/pipelines/{pipeline}/stop", a.on(a.stop)},
		{"GET /v1/pipelines/{pipeline}/commands", a.on(a.ledger)},
		{"POST /v1/pipelines/{pipeline}/commands", a.on(a.send)},
		{"POST /v1/pipelines/{pipeline}/uploads", a.on(a.upload)},
		{"GET /v1/pipelines/{pipeline}/schema", a.on(a.schema)},
	}
}

// on answers for the pipeline that the path names.
func (a *api) on(serve func(http.ResponseWriter, *http.Request, *supervised) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("pipeline")
		p, ok := a.supervisor.find(name)
		if !ok {
			refuse(w, http.StatusNotFound, fmt.Sprintf("there is no pipeline %q%s", name, expr.DidYouMean(name, a.supervisor.names())))
			return
		}
		if err := serve(w, r, p); err != nil {
			answerError(w, p.file, err)
		}
	}
}

func (a *api) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // the client may be gone
}

// pipelineList is all pipelines, in the order of the command line.
type pipelineList struct {
	Pipelines []pipelineView `json:"pipelines"`
}

func (a *api) list(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, pipelineList{a.supervisor.views()})
}

func (a *api) show(w http.ResponseWriter, _ *http.Request, p *supervised) error {
	answerJSON(w, http.StatusOK, a.supervisor.view(p))
	return nil
}

// change reloads a pipeline from the body, or from its file if that is empty.
func (a *api) change(w http.ResponseWriter, r *http.Request, p *supervised) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostYAML))
	if err != nil {
		return err
	}
	did, err := a.supervisor.reload(r.Context(), p, text)
	if err != nil {
		return err
	}
	v := a.supervisor.view(p)
	v.Changes = &did
	answerJSON(w, http.StatusOK, v)
	return nil
}

func (a *api) start(w http.ResponseWriter, _ *http.Request, p *supervised) error {
	if err := a.supervisor.start(p); err != nil {
		return err
	}
	answerJSON(w, http.StatusAccepted, a.supervisor.view(p))
	return nil
}

func (a *api) stop(w http.ResponseWriter, r *http.Request, p *supervised) error {
	if err := a.supervisor.halt(r.Context(), p); err != nil {
		return err
	}
	return a.show(w, r, p)
}

// ledger is a session's commands.
type ledger struct {
	Commands []pipeline.CommandRecord `json:"commands"`
	Next     uint64                   `json:"next"` // to ask for those that come after
}

func (a *api) ledger(w http.ResponseWriter, r *http.Request, p *supervised) error {
	s, err := a.session(p, r.URL.Query().Get("session"))
	if err != nil {
		return err
	}
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return &requestError{fmt.Errorf("after: must be a whole number, got %q", text)}
		}
	}
	var l ledger
	l.Commands, l.Next = s.Commands(after)
	answerJSON(w, http.StatusOK, l)
	return nil
}

// commandRequest is a command by hand.
type commandRequest struct {
	Session string         `json:"session,omitempty"` // needed where the pipeline has several
	Command string         `json:"command"`
	Args    map[string]any `json:"args,omitempty"`
}

// commandReply is what the model said; nothing for a bare acknowledgement.
type commandReply struct {
	Type string         `json:"type,omitempty"`
	Data map[string]any `json:"data,omitempty"`
}

// byHand is the cause of a command that somebody sends.
const byHand = "send"

func (a *api) send(w http.ResponseWriter, r *http.Request, p *supervised) error {
	var c commandRequest
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostCommand))
	body.DisallowUnknownFields()
	if err := body.Decode(&c); err != nil {
		return &requestError{fmt.Errorf("the body must be a command as JSON: %w", err)}
	}
	if c.Command == "" {
		return &requestError{errors.New("command: is missing")}
	}
	s, err := a.session(p, c.Session)
	if err != nil {
		return err
	}
	ctx := pipeline.WithCause(r.Context(), pipeline.Cause{Node: byHand})
	reply, err := s.Command(ctx, c.Command, c.Args)
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, commandReply{reply.Type, reply.Data})
	return nil
}

// upload gives the model a file, for commands to refer to.
func (a *api) upload(w http.ResponseWriter, r *http.Request, p *supervised) error {
	s, err := a.session(p, r.URL.Query().Get("session"))
	if err != nil {
		return err
	}
	kind := r.Header.Get("Content-Type")
	if kind == "application/x-www-form-urlencoded" { // curl --data-binary says so of any file
		kind = ""
	}
	ref, err := s.Upload(r.Context(), pipeline.File{
		Name: r.URL.Query().Get("name"), MIMEType: kind, Size: max(r.ContentLength, 0),
		Content: http.MaxBytesReader(w, r.Body, mostUpload),
	})
	if err != nil {
		return err
	}
	answerJSON(w, http.StatusCreated, ref)
	return nil
}

// schema is the model's own document.
func (a *api) schema(w http.ResponseWriter, r *http.Request, p *supervised) error {
	s, err := a.session(p, r.URL.Query().Get("session"))
	if err != nil {
		return err
	}
	document, err := s.Schema(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // the client may be gone
	return nil
}

// session finds a session of a pipeline. An only one needs no name.
func (a *api) session(p *supervised, name string) (namedSession, error) {
	l, _ := a.supervisor.life(p)
	l.mu.Lock()
	sessions := l.sessions
	l.mu.Unlock()
	switch {
	case name == "" && len(sessions) == 1:
		return sessions[0], nil
	case len(sessions) == 0 && len(l.spec.Sessions) > 0:
		return namedSession{}, pipeline.ErrNotReady
	case len(sessions) == 0:
		return namedSession{}, &requestError{fmt.Errorf("pipeline %q has no session", p.name)}
	}
	i := slices.IndexFunc(sessions, func(s namedSession) bool { return s.name == name })
	if i < 0 {
		var names []string
		for _, s := range sessions {
			names = append(names, s.name)
		}
		return namedSession{}, &requestError{fmt.Errorf("session: must be %s, got %q", strings.Join(names, " or "), name)}
	}
	return sessions[i], nil
}

// requestError is a request that is wrong in itself.
type requestError struct{ error }

func (e *requestError) Unwrap() error { return e.error }

// problem is the answer to what is refused or fails.
type problem struct {
	Error string `json:"error"`
	// Code is the model's for a command that it refused, and invalid_command
	// for one that its schema does not allow.
	Code     string    `json:"code,omitempty"`
	Mistakes []mistake `json:"mistakes,omitempty"` // of a file
}

// mistake is one thing that is wrong with a file.
type mistake struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

func answerError(w http.ResponseWriter, file string, err error) {
	var refused *pipeline.Refused
	var config *configError
	var state *conflictError
	var request *requestError
	var large *http.MaxBytesError
	var throttled *pipeline.Throttled
	p := problem{Error: oneLine(err)}
	status := http.StatusBadGateway // the model did not answer
	switch {
	case errors.As(err, &refused):
		status, p.Error, p.Code = http.StatusUnprocessableEntity, refused.Reason, refused.Code
	case errors.As(err, &config), errors.Is(err, pipeline.ErrInvalid):
		status, p.Mistakes = http.StatusUnprocessableEntity, mistakesIn(file, err)
	case errors.As(err, &state):
		status = http.StatusConflict
	case errors.As(err, &large):
		status = http.StatusRequestEntityTooLarge
	case errors.As(err, &request):
		status = http.StatusBadRequest
	case errors.As(err, &throttled):
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.FormatFloat(math.Ceil(throttled.After.Seconds()), 'f', 0, 64))
	case errors.Is(err, pipeline.ErrNotReady), errors.Is(err, sdk.ErrNotReady):
		status, p.Error = http.StatusServiceUnavailable, "the session is not ready"
	case errors.Is(err, context.Canceled):
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, p)
}

// mistakesIn takes the lines of an error apart.
func mistakesIn(file string, err error) []mistake {
	var all []mistake
	for text := range strings.Lines(err.Error()) {
		text = strings.TrimSuffix(text, "\n")
		m := mistake{Message: text}
		if rest, ok := strings.CutPrefix(text, file+":"); ok {
			m.File, m.Message = file, strings.TrimPrefix(rest, " ")
			number, message, _ := strings.Cut(rest, ": ")
			if line, err := strconv.Atoi(number); err == nil {
				m.Line, m.Message = line, message
			}
		}
		all = append(all, m)
	}
	return all
}

func refuse(w http.ResponseWriter, status int, why string) {
	answerJSON(w, status, problem{Error: why})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
