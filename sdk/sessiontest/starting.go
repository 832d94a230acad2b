package sessiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSteps is the largest number of steps that a session can be started for.
const maxSteps = 10000

// start is what the body of a start request asks for.
type start struct {
	recording string
	stepped   bool
	input     []stepCall // before any client
	hasInput  bool
	steps     int // 0 for no limit
	params    object
}

// parseStart reads the keys of a start body that mean something, and holds them
// against the model. The refusal is in the runtime's words.
func (m Model) parseStart(body map[string]json.RawMessage) (s start, refusal string) {
	s.params = object{}
	for key, raw := range body {
		s.params[key] = anyJSON(raw)
	}
	s.recording, _ = s.params["session_id"].(string)
	switch mode := s.params["generation"]; mode {
	case nil, "streamed":
	case "stepped":
		s.stepped = true
	default:
		return s, "generation must be one of 'streamed', 'stepped', not " + repr(mode)
	}
	switch steps := s.params["steps"].(type) {
	case nil:
	case int:
		if s.steps = steps; steps < 1 {
			return s, "steps must be a positive integer"
		}
		if steps > maxSteps {
			return s, fmt.Sprintf("steps must be at most %d", maxSteps)
		}
	default:
		return s, "steps must be a positive integer"
	}
	if s.params["starting_input"] != nil {
		s.hasInput = true
		if s.input, refusal = parseInput(body["starting_input"]); refusal != "" {
			return s, refusal
		}
	}
	if s.stepped && m.Step == nil {
		return s, fmt.Sprintf("generation 'stepped' needs a model that runs the default ReactorApp step loop and command path; "+
			"%s drives its own run() or overrides submit_command()", m.Name)
	}
	if f := m.checkCalls(s.input); f != nil {
		return s, f.text
	}
	return s, ""
}

// parseInput reads a starting input: state in the order of the body, then
// commands.
func parseInput(raw json.RawMessage) (calls []stepCall, refusal string) {
	const where = "starting_input"
	input, ok := members(raw)
	if !ok {
		return nil, where + " must be an object"
	}
	if extra := unknownKeys(input, "state", "commands"); extra != "" {
		return nil, where + extra + "; expected 'state' and 'commands'"
	}
	for _, m := range input {
		if m.key != "state" || anyJSON(m.raw) == nil {
			continue
		}
		state, ok := members(m.raw)
		if !ok {
			return nil, where + ".state must be an object"
		}
		for _, f := range state {
			calls = append(calls, setter(where+".state."+f.key, f.key, anyJSON(f.raw)))
		}
	}
	for _, m := range input {
		if m.key != "commands" || anyJSON(m.raw) == nil {
			continue
		}
		var commands []json.RawMessage
		if json.Unmarshal(m.raw, &commands) != nil {
			return nil, where + ".commands must be a list"
		}
		for i, raw := range commands {
			call, refusal := parseCall(fmt.Sprintf("%s.commands[%d]", where, i), raw)
			if refusal != "" {
				return nil, refusal
			}
			calls = append(calls, call)
		}
	}
	return calls, ""
}

func parseCall(where string, raw json.RawMessage) (call stepCall, refusal string) {
	all, ok := members(raw)
	if !ok {
		return call, where + " must be an object"
	}
	if extra := unknownKeys(all, "command", "data"); extra != "" {
		return call, where + extra + "; expected 'command' and 'data'"
	}
	fields := anyJSON(raw).(map[string]any)
	name, _ := fields["command"].(string)
	if name == "" {
		return call, where + ".command must be a non-empty string"
	}
	args, ok := fields["data"].(map[string]any)
	if !ok && fields["data"] != nil {
		return call, where + ".data must be an object"
	}
	return stepCall{entry: where, name: name, args: args}, ""
}

// member is a member of a JSON object in its order.
type member struct {
	key string
	raw json.RawMessage
}

// members are those of an object, or say that it is none.
func members(raw json.RawMessage) (all []member, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		m := member{key: key.(string)}
		if d.Decode(&m.raw) != nil {
			return nil, false
		}
		all = append(all, m)
	}
	return all, true
}

func unknownKeys(all []member, known ...string) string {
	var extra []string
	for _, m := range all {
		if !slices.Contains(known, m.key) {
			extra = append(extra, reprString(m.key))
		}
	}
	if len(extra) == 0 {
		return ""
	}
	return " has unknown keys [" + strings.Join(extra, ", ") + "]"
}

// anyJSON is a value with its integers as int.
func anyJSON(raw json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	}
	return v
}

// systemClient is the connection that a starting input belongs to.
const systemClient = 0

// begin carries out a starting input and, in a streamed session, the steps that
// it was started for. It runs before any client's command.
func (x *session) begin(s start) {
	if !s.hasInput && (s.steps == 0 || s.stepped) {
		return
	}
	unattended := s.steps > 0 && !s.stepped
	x.systemConnected()
	why, failure := x.applyStart(s)
	switch {
	case failure != nil && s.steps > 0:
		x.end(ending{why: why, notice: failure.text})
	case unattended:
		for range s.steps {
			if _, failure := x.turn(); failure != nil || x.ctx.Err() != nil {
				break
			}
		}
		x.end(ending{why: "stopped", notice: "Session ended: the requested steps are complete."})
	default:
		x.systemGone()
	}
}

// applyStart sets the state and runs the commands of a starting input. Why is
// the reason for which a failure ends the session.
func (x *session) applyStart(s start) (why string, f *stepFailure) {
	why = "start_refused"
	f = x.awaitCalls(x.ctx, s.input, max(x.srv.cfg.orphanTimeout(x.cloud), x.srv.cfg.UploadTimeout))
	if f == nil {
		why = "error"
		f = x.runCalls(systemClient, s.input)
	}
	if f != nil {
		x.note(eventError, object{"message": f.text, "conn_id": systemClient})
	}
	return why, f
}

// systemConnected and systemGone make the moves of a client without one.
func (x *session) systemConnected() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.state == stateClosing {
		return
	}
	x.system, x.state = true, stateStreaming
	x.srv.journal.move(x.id, eventOpened, x.state, object{"conn_id": systemClient, "transport": "webrtc", "system": true})
	if f := x.srv.model.Connected; f != nil {
		x.postLocked(func() { f(x.id, systemClient) })
	}
}

func (x *session) systemGone() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.system = false
	if x.state == stateClosing {
		return
	}
	x.deserted()
	x.srv.journal.move(x.id, eventClosed, x.state, object{"conn_id": systemClient, "transport": "webrtc", "system": true})
	if f := x.srv.model.Disconnected; f != nil {
		x.postLocked(func() { f(x.id, systemClient) })
	}
}
