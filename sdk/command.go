package sdk

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// replyTimeout is how long an answer to a command or control request may take.
const replyTimeout = 10 * time.Second

// refusalGrace is how long a command that got a bare acknowledgement still
// waits for a command_error: some models send it just behind.
const refusalGrace = 50 * time.Millisecond

// Reply is the answer to a command: a message, or a bare acknowledgement with
// an empty Type.
type Reply struct {
	Type string
	Data map[string]any
	At   time.Time // of arrival
}

// FileRef refers to an uploaded file. In a command's arguments it may stand
// anywhere.
type FileRef struct {
	UploadID string `json:"upload_id"`
	Name     string `json:"name"`
	MIMEType string `json:"mime_type"`
	Size     int64  `json:"size"` // bytes
}

// Command sends a command and waits for its reply, at most 10 s. A refusal, be
// it the reply or a command_error message of the model, matches [ErrRefused].
// After [ErrTimeout] and [ErrDisconnected] the command may have been carried out;
// after [ErrNotReady] it was not sent, and neither is one whose ctx is over before
// the call.
func (s *Session) Command(ctx context.Context, name string, args map[string]any) (Reply, error) {
	if ctx.Err() != nil {
		return Reply{}, interrupted(ctx, componentGPU, commandOp(name))
	}
	call, err := s.send(name, args)
	if err != nil {
		return Reply{}, err
	}
	return call.wait(ctx)
}

// Post sends a command like [Session.Command] without waiting. Commands are sent
// in the order of the calls. done, unless nil, is called once, later, from a
// goroutine of its own.
func (s *Session) Post(name string, args map[string]any, done func(Reply, error)) {
	call, err := s.send(name, args)
	go func() {
		var r Reply
		if err == nil {
			// Reply time-out and loss of the connection end the wait.
			r, err = call.wait(context.Background())
		}
		if done != nil {
			done(r, err)
		}
	}()
}

func commandOp(name string) string { return "command " + name }

func (s *Session) send(name string, args map[string]any) (*commandCall, error) {
	op := commandOp(name)
	if err := s.check(op, name, args); err != nil {
		return nil, err
	}
	data, uploads, err := arguments(args)
	if err != nil {
		return nil, gpuErrorf(CodeDecode, op, "arguments: %v", err)
	}
	c, err := s.ready(op)
	if err != nil {
		return nil, err
	}
	id := s.requestID("data", &s.dataIDs)
	call := c.calls.command(id, op, name)
	m := &wire.DataClientMessage{
		RequestId: id, Kind: wire.MessageKind_MESSAGE_KIND_REQUEST,
		Payload: &wire.DataClientMessage_Command{Command: &wire.Command{Type: name, Data: data, Uploads: uploads}},
	}
	if err := c.write(op, m); err != nil {
		c.calls.forget(call)
		return nil, err
	}
	return call, nil
}

// check compares a command with the schema, where there is one.
func (s *Session) check(op, name string, args map[string]any) error {
	if s.schema == nil {
		return nil
	}
	c, ok := s.schema.Command(name)
	if !ok {
		return refusal(CodeInvalidCommand, op, s.schema.unknown(name).Error())
	}
	if err := c.check(args, nil); err != nil {
		return refusal(CodeInvalidCommand, op, err.Error())
	}
	return nil
}

// arguments splits a command's arguments as the wire wants them: file
// references at the top beside the data, nested ones inside it.
func arguments(args map[string]any) (data *structpb.Struct, uploads map[string]*wire.UploadReference, err error) {
	plain := make(map[string]any, len(args))
	for name, v := range args {
		ref, ok := v.(FileRef)
		if p, isPointer := v.(*FileRef); isPointer && p != nil {
			ref, ok = *p, true
		}
		if !ok {
			plain[name] = v
			continue
		}
		if uploads == nil {
			uploads = map[string]*wire.UploadReference{}
		}
		uploads[name] = &wire.UploadReference{UploadId: ref.UploadID, Name: ref.Name, MimeType: ref.MIMEType, Size: ref.Size}
	}
	data, err = wire.NewStruct(plain)
	return data, uploads, err
}

// commandCall is a command in flight.
type commandCall struct {
	calls *calls
	id    string
	op    string
	name  string
	reply chan answer
	// refused gets the reason of a command_error, at most one.
	refused chan string
}

func (k *commandCall) wait(ctx context.Context) (Reply, error) {
	defer k.calls.forget(k)
	timeout := time.NewTimer(replyTimeout)
	defer timeout.Stop()
	select {
	case a := <-k.reply:
		return k.settle(ctx, a)
	case reason := <-k.refused:
		return Reply{}, refusal(CodeCommandError, k.op, reason)
	case <-timeout.C:
		return Reply{}, gpuErrorf(CodeTimeout, k.op, "timed out: no reply within %s", replyTimeout)
	case <-ctx.Done():
		return Reply{}, interrupted(ctx, componentGPU, k.op)
	}
}

// settle makes a reply of an answer. The command_error that belongs to it comes
// before a bare acknowledgement, or shortly after.
func (k *commandCall) settle(ctx context.Context, a answer) (Reply, error) {
	if a.err != nil {
		return Reply{}, a.err
	}
	if e := a.data.GetError(); e != nil {
		return Reply{}, refusal(e.GetCode(), k.op, e.GetMessage())
	}
	select {
	case reason := <-k.refused:
		return Reply{}, refusal(CodeCommandError, k.op, reason)
	default:
	}
	if m := a.data.GetMessage(); m != nil {
		return Reply{Type: m.GetType(), Data: wire.Map(m.GetData()), At: a.at}, nil
	}
	grace := time.NewTimer(refusalGrace)
	defer grace.Stop()
	select {
	case reason := <-k.refused:
		return Reply{}, refusal(CodeCommandError, k.op, reason)
	case <-grace.C:
	case <-ctx.Done():
	}
	return Reply{At: a.at}, nil
}

// answer is what came back for a request id, or why nothing will.
type answer struct {
	data    *wire.DataServerMessage
	control *wire.ControlServerMessage
	err     error
	at      time.Time
}

// calls are the requests of one connection that wait for an answer.
type calls struct {
	mu       sync.Mutex // guards what follows
	pending  map[string]waiting
	commands []*commandCall // in the order sent, until their wait ends
	lost     *Error         // set when no answer will come any more
}

// waiting is a request without an answer yet.
type waiting struct {
	op    string
	reply chan answer // takes one without blocking
}

// request registers a request id and returns where its answer will come,
// exactly once, unless it is forgotten before.
func (k *calls) request(id, op string) chan answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.register(id, op)
}

func (k *calls) register(id, op string) chan answer {
	ch := make(chan answer, 1)
	if k.lost != nil {
		ch <- answer{err: k.lost.during(op)}
		return ch
	}
	if k.pending == nil {
		k.pending = map[string]waiting{}
	}
	k.pending[id] = waiting{op: op, reply: ch}
	return ch
}

func (k *calls) command(id, op, name string) *commandCall {
	k.mu.Lock()
	defer k.mu.Unlock()
	call := &commandCall{calls: k, id: id, op: op, name: name, refused: make(chan string, 1)}
	call.reply = k.register(id, op)
	k.commands = append(k.commands, call)
	return call
}

func (k *calls) forget(call *commandCall) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pending, call.id)
	for i, other := range k.commands {
		if other == call {
			k.commands = append(k.commands[:i], k.commands[i+1:]...)
			return
		}
	}
}

func (k *calls) drop(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pending, id)
}

// resolve hands an answer to whoever waits for it; false if nobody does.
func (k *calls) resolve(id string, a answer) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, ok := k.pending[id]
	if ok {
		delete(k.pending, id)
		w.reply <- a
	}
	return ok
}

// refuse ties a command_error to the oldest command of that name that has none
// yet; false if there is no such one.
func (k *calls) refuse(name, reason string) (tied bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, call := range k.commands {
		if call.name != name {
			continue
		}
		select {
		case call.refused <- reason:
			return true
		default:
		}
	}
	return false
}

// fail ends every call, now and from now on.
func (k *calls) fail(cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lost != nil {
		return
	}
	k.lost = gpuErrorf(CodeDisconnected, "", "connection lost before the reply (%v), it may have been carried out", cause)
	for id, w := range k.pending {
		w.reply <- answer{err: k.lost.during(w.op)}
		delete(k.pending, id)
	}
}

// during returns a copy of the error for an operation.
func (e *Error) during(op string) *Error {
	c := *e
	c.Operation = op
	return &c
}
