package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Capabilities are what the session's model offers.
type Capabilities struct {
	ProtocolVersion string        `json:"protocol_version"`
	Tracks          []TrackInfo   `json:"tracks"`
	Commands        []CommandInfo `json:"commands"`     // often none; the schema has them
	EmissionFPS     float64       `json:"emission_fps"` // 0 if not said
}

// CommandInfo is a command as capabilities tell of it.
type CommandInfo struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
}

// Info is what the server said of the session when it was joined. What it did
// not say is empty.
type Info struct {
	Model, ModelVersion string
	State               string // in the server's words
	Cluster             string
	ServerVersion       string
	Generation          string // [Streamed] or [Stepped]
	// Recording says that there may be clips, made of chunks of that length.
	Recording   bool
	ChunkLength time.Duration
	// StepResults says that steps are kept: see [Session.StepRecord].
	StepResults bool
}

func (r resource) info() Info {
	return Info{
		Model: r.Model.Name, ModelVersion: r.Model.Version, State: r.State, Cluster: r.Cluster,
		ServerVersion: r.Server.Version, Generation: r.Generation,
		Recording: r.Recording.Enabled, ChunkLength: seconds(r.Recording.ChunkSeconds), StepResults: r.StepResults.Enabled,
	}
}

// Directions of a track, as the client sees it.
const (
	ReceiveOnly = "recvonly" // an output of the model
	SendOnly    = "sendonly" // an input of the model
)

// Kinds of a track.
const (
	Video = "video"
	Audio = "audio"
)

// TrackInfo is one track that the model declares.
type TrackInfo struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`      // [Video] or [Audio]
	Direction string `json:"direction"` // [ReceiveOnly] or [SendOnly]
}

// resource is the session as HTTP shows it. All but the id and the state may
// be missing.
type resource struct {
	SessionID         string            `json:"session_id"`
	State             string            `json:"state"`
	SelectedTransport *transportVersion `json:"selected_transport"`
	Generation        string            `json:"generation"`
	Capabilities      *Capabilities     `json:"capabilities"`
	Model             struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"model"`
	Cluster string `json:"cluster"`
	Server  struct {
		Version string `json:"server_version"`
	} `json:"server_info"`
	Recording struct {
		Enabled      bool    `json:"enabled"`
		ChunkSeconds float64 `json:"chunk_seconds"`
	} `json:"recording"`
	StepResults struct {
		Enabled bool `json:"enabled"`
	} `json:"step_results"`
}

// agrees compares the way in which the session generates with the one that was
// asked for. A server that does not say has only the streamed one.
func (r resource) agrees(generation string) error {
	switch {
	case r.Generation == generation, r.Generation == "" && generation == Streamed:
		return nil
	case r.Generation == "":
		return gpuErrorf(CodeGeneration, "connect", "requested %s generation, but the runtime started the session in a mode it did not report", generation)
	}
	return gpuErrorf(CodeGeneration, "connect", "requested %s generation, but the runtime started the session in %s", generation, r.Generation)
}

type transportVersion struct {
	Protocol string `json:"protocol"`
	Version  string `json:"version"`
}

type clientInfo struct {
	Version string `json:"sdk_version"`
	Type    string `json:"sdk_type"`
}

var thisClient = clientInfo{Version: Version, Type: "go"}

// connectable is derived from what is there, never from the state's name.
func (r resource) connectable() bool { return r.Capabilities != nil && r.SelectedTransport != nil }

func (r resource) terminal() bool { return r.State == "INACTIVE" || r.State == "CLOSED" }

// start creates or adopts a session; it may not be connectable yet.
func (a *api) start(ctx context.Context, cfg Config) (resource, error) {
	switch {
	case ctx.Err() != nil:
		return resource{}, interrupted(ctx, componentAPI, "connect")
	case cfg.Local && cfg.SessionID != "":
		return a.adoptLocal(ctx, cfg.SessionID)
	case cfg.Local:
		return a.startLocal(ctx, cfg)
	case cfg.SessionID != "":
		return a.session(ctx, cfg.SessionID)
	}
	return a.create(ctx, cfg)
}

func (a *api) create(ctx context.Context, cfg Config) (resource, error) {
	type named struct {
		Name string `json:"name"`
	}
	body := struct {
		Model      named              `json:"model"`
		Client     clientInfo         `json:"client_info"`
		Transports []transportVersion `json:"supported_transports"`
		Extra      startOptions       `json:"extra_configs,omitzero"`
	}{Model: named{cfg.Model}, Client: thisClient, Transports: []transportVersion{{"webrtc", "1.0"}}, Extra: cfg.startOptions()}
	var r resource
	if _, err := a.tokens.get(ctx, "connect"); err != nil {
		return r, err
	}
	ctx, leave, cancel := outlive(ctx, farewell)
	defer cancel()
	_, err := a.do(ctx, exchange{
		op: "connect", hop: "create session", method: http.MethodPost, path: "/sessions", body: body, leave: leave, out: &r, timeout: createTimeout,
	})
	return r, check(r, err)
}

// createTimeout is generous: a session whose creation nobody waited for costs
// money.
const createTimeout = time.Minute

// check refuses an answer that names no session, or one whose id is none.
func check(r resource, err error) error {
	switch {
	case err != nil:
		return err
	case r.SessionID == "":
		return &Error{Code: CodeDecode, Component: componentAPI, Operation: "connect", Message: "the answer names no session"}
	case !sessionID.MatchString(r.SessionID):
		return &Error{
			Code: CodeDecode, Component: componentAPI, Operation: "connect",
			Message: fmt.Sprintf("the answer names a session by %d bytes that are no id", len(r.SessionID)),
		}
	}
	return nil
}

func (a *api) session(ctx context.Context, id string) (resource, error) {
	var r resource
	_, err := a.do(ctx, exchange{op: "connect", hop: "get session", method: http.MethodGet, path: "/sessions/" + url.PathEscape(id), out: &r})
	return r, check(r, err)
}

// closingRetry is how long a local runtime is asked again that is still closing
// its last session; it takes 0.1 to 0.4 s.
const (
	closingRetry = 3 * time.Second
	closingPause = 50 * time.Millisecond
)

// startOptions are what is said of a session that is to be made, unless it is
// streamed.
type startOptions struct {
	Generation string `json:"generation,omitempty"`
	Recording  string `json:"session_id,omitempty"`
}

func (c Config) startOptions() startOptions {
	if c.Generation != Stepped {
		return startOptions{}
	}
	return startOptions{Generation: Stepped, Recording: c.recording}
}

func (a *api) startLocal(ctx context.Context, cfg Config) (resource, error) {
	body := cfg.startOptions()
	deadline := time.Now().Add(closingRetry)
	longer, leave, cancel := outlive(ctx, farewell)
	defer cancel()
	for {
		var r resource
		_, err := a.do(longer, exchange{
			op: "connect", hop: "start session", method: http.MethodPost, path: "/start_session", body: body, leave: leave, out: &r,
		})
		if !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "closing") || time.Now().After(deadline) {
			return r, check(r, err)
		}
		if err := pause(ctx, closingPause, "connect"); err != nil {
			return r, err
		}
	}
}

func (a *api) adoptLocal(ctx context.Context, id string) (resource, error) {
	var r resource
	_, err := a.do(ctx, exchange{op: "connect", hop: "get session", method: http.MethodGet, path: "/session", out: &r})
	if err := check(r, err); err != nil {
		return r, err
	}
	if r.SessionID != id {
		e := gpuErrorf(CodeInvalidState, "connect", "local runtime is serving session %s, not the requested %s", r.SessionID, id)
		e.cause = ErrNotFound
		return r, e
	}
	return r, nil
}

// Bounds of the wait for a session that is being made: that takes seconds,
// sometimes minutes.
const (
	longSessionPause = 3 * time.Second
	sessionWait      = 150 * time.Second
	// sessionStumbles is how many answers in a row may be recoverable errors, and
	// stumblePause the rest behind the first, doubled behind the next.
	sessionStumbles = 3
	stumblePause    = 200 * time.Millisecond
)

// await polls a session until it is connectable.
func (a *api) await(ctx context.Context, r resource) (resource, error) {
	id, deadline := r.SessionID, time.Now().Add(sessionWait)
	stumbles, rest := 0, time.Duration(0)
	for wait := firstLook; !r.connectable(); wait = nextLook(wait, longSessionPause) {
		if r.terminal() {
			return r, gpuErrorf(CodeSessionTerminal, "connect", "session entered terminal state %s", r.State)
		}
		if time.Now().After(deadline) {
			return r, gpuErrorf(CodeTimeout, "connect", "timed out: the session was not ready within %s", sessionWait)
		}
		if err := pause(ctx, max(wait, rest), "connect"); err != nil {
			return r, err
		}
		next, err := a.session(ctx, id)
		if e := passing(ctx, err); e != nil && stumbles < sessionStumbles {
			rest = max(stumblePause<<stumbles, e.RetryAfter)
			stumbles++
			continue
		}
		if err != nil {
			return r, err
		}
		r, stumbles, rest = next, 0, 0
	}
	if r.terminal() {
		return r, gpuErrorf(CodeSessionTerminal, "connect", "session entered terminal state %s", r.State)
	}
	return r, nil
}

// terminate ends a session. One that is already gone is no error.
func (a *api) terminate(ctx context.Context, id string) error {
	x := exchange{op: "end", hop: "end session", method: http.MethodDelete, path: "/sessions/" + url.PathEscape(id)}
	if a.local {
		x.method, x.path = http.MethodPost, "/stop_session"
	}
	_, err := a.do(ctx, x)
	if errors.Is(err, ErrNotFound) || a.local && errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// pause waits, or returns the error of a context that ends first.
func pause(ctx context.Context, d time.Duration, op string) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return interrupted(ctx, componentAPI, op)
	case <-t.C:
		return nil
	}
}
