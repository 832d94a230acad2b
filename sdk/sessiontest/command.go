package sessiontest

import (
	"cmp"
	"context"
	"fmt"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// Texts of the runtime.
const (
	textUnknownCommand = "unknown command"
	textHandlerFailed  = "The handler raised an unexpected error."
	textPublished      = "track already published"
)

// handle takes one frame of the client.
func (c *connection) handle(f frame) {
	m, err := wire.DecodeClient(f.channel, f.text, f.data)
	if err != nil {
		c.log.Warn("frame dropped", "channel", f.channel, "err", err)
		return
	}
	switch m := m.(type) {
	case *wire.DataClientMessage:
		c.handleData(m)
	case *wire.ControlClientMessage:
		c.handleControl(m)
	}
}

func (c *connection) handleData(m *wire.DataClientMessage) {
	id := m.GetRequestId()
	switch p := m.GetPayload().(type) {
	case *wire.DataClientMessage_Command:
		if id == "" {
			id = newUploadID() // the runtime's ids have the same form
		}
		c.command(id, p.Command)
	case *wire.DataClientMessage_RequestStep:
		c.requestStep(id, p.RequestStep)
	}
}

// command queues a command. One whose files are not there yet waits beside the
// queue, and others may overtake it; in a stepped session it holds its place.
func (c *connection) command(id string, cmd *wire.Command) {
	x := c.session
	args := arguments(cmd)
	var ids []string
	for _, v := range args {
		ids = append(ids, references(v)...)
	}
	if x.uploadsHere(ids) {
		x.post(func() { c.runCommand(id, cmd.GetType(), args, nil) })
		return
	}
	if x.stepped {
		x.post(func() { c.runCommand(id, cmd.GetType(), args, x.awaitUploads(c.ctx, ids)) })
		return
	}
	c.spawn(func() {
		err := x.awaitUploads(c.ctx, ids)
		x.post(func() { c.runCommand(id, cmd.GetType(), args, err) })
	})
}

// arguments are a command's data with the references beside it put in.
func arguments(cmd *wire.Command) map[string]any {
	args := wire.Map(cmd.GetData())
	if args == nil {
		args = map[string]any{}
	}
	for name, u := range cmd.GetUploads() {
		args[name] = map[string]any{
			"upload_id": u.GetUploadId(), "name": u.GetName(), "mime_type": u.GetMimeType(), "size": float64(u.GetSize()),
		}
	}
	return args
}

// runCommand runs one command and answers it. uploads is why its files are not here.
func (c *connection) runCommand(id, name string, args map[string]any, uploads error) {
	m := &wire.DataServerMessage{RequestId: id, Kind: wire.MessageKind_MESSAGE_KIND_RESPONSE}
	reply, err := c.answer(name, args, uploads)
	switch {
	case err != nil:
		told := asCommandError(err)
		m.Payload = &wire.DataServerMessage_Error{Error: &wire.Error{Code: told.Code, Message: told.Message}}
	case reply != nil:
		m.Payload = modelMessage(reply.Type, reply.Data).Payload
	}
	c.send(m)
}

// answer checks a command and has the model carry it out.
func (c *connection) answer(name string, args map[string]any, uploads error) (*Message, error) {
	x := c.session
	cmd, checked, b := x.srv.surface().check(name, args)
	switch {
	case b != nil:
		x.note(eventError, object{"message": fmt.Sprintf("command '%s' rejected (%s)", name, b), "conn_id": c.id})
		known := cmp.Or(cmd.Name, "unknown")
		x.srv.counters.add(labelled("runtime_commands_total", "command", known, "outcome", "rejected"))
		c.log.Info("command refused", "command", name, "reason", b.reason)
		return nil, &CommandError{Code: codeInvalid, Message: b.reason}
	case uploads != nil:
		x.srv.counters.add(labelled("runtime_commands_total", "command", name, "outcome", "unresolved_upload"))
		return nil, &CommandError{Code: codeUnresolved, Message: fmt.Sprintf("command '%s' references an unresolved upload", name)}
	}
	return x.perform(c.id, cmd, checked)
}

// perform runs the handler of a command with its checked arguments.
func (x *session) perform(connection uint32, cmd Command, checked map[string]any) (*Message, error) {
	x.srv.counters.add(labelled("runtime_commands_total", "command", cmd.Name, "outcome", "accepted"))
	x.note(eventCommand, object{"name": cmd.Name, "args": scalars(checked), "conn_id": connection})
	reply, err := x.answer(connection, cmd, checked)
	if err == nil && cmd.Effect != nil {
		x.srv.take(cmd.Effect)
	}
	return reply, err
}

// answer is the handler's.
func (x *session) answer(connection uint32, cmd Command, checked map[string]any) (*Message, error) {
	handle := cmd.Handle
	if handle == nil {
		handle = x.srv.model.Handle
	}
	if handle == nil {
		return nil, nil //nolint:nilnil // a bare ack
	}
	reply, err := guarded(x.ctx, &Call{
		Server: x.srv, Session: x.id, Connection: connection, Name: cmd.Name, Args: x.resolveAll(checked),
	}, handle)
	if err != nil {
		told := asCommandError(err)
		x.note(eventError, object{"message": fmt.Sprintf("command handler failed (%s: %s)", told.Code, told.Message), "conn_id": connection})
		x.log.Warn("command failed", "command", cmd.Name, "err", err)
	}
	return reply, err
}

// scalars are those of a command's arguments that the journal shows.
func scalars(args map[string]any) object {
	shown := object{}
	for name, v := range args {
		switch v.(type) {
		case nil, bool, string, int, float64:
			shown[name] = v
		}
	}
	return shown
}

// guarded turns a handler's panic into an error.
func guarded(ctx context.Context, call *Call, handle func(context.Context, *Call) (*Message, error)) (m *Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("panic: %v", r)
		}
	}()
	return handle(ctx, call)
}

// modelMessage is a broadcast of the model. Data that has no JSON form becomes
// empty: that is a mistake of the model, which sees it on the wire.
func modelMessage(typ string, data map[string]any) *wire.DataServerMessage {
	s, err := wire.NewStruct(data)
	if err != nil {
		s, _ = wire.NewStruct(map[string]any{"error": err.Error()})
	}
	return &wire.DataServerMessage{
		Kind:    wire.MessageKind_MESSAGE_KIND_NOTIFICATION,
		Payload: &wire.DataServerMessage_Message{Message: &wire.ModelMessage{Type: typ, Data: s}},
	}
}

func (c *connection) handleControl(m *wire.ControlClientMessage) {
	id := m.GetRequestId()
	switch p := m.GetPayload().(type) {
	case *wire.ControlClientMessage_RequestSchema:
		c.sendSchema(id)
	case *wire.ControlClientMessage_FileUploaded:
		c.fileUploaded(p.FileUploaded)
	case *wire.ControlClientMessage_RequestClip:
		c.clip(id, p.RequestClip.GetDurationSeconds(), clipSnap)
	case *wire.ControlClientMessage_RequestRecording:
		c.clip(id, 0, clipRecording)
	case *wire.ControlClientMessage_PublishTrack:
		c.publish(id, p.PublishTrack.GetName())
	case *wire.ControlClientMessage_UnpublishTrack:
		if c.session.release(p.UnpublishTrack.GetName(), c.id) {
			c.pauseTrack(p.UnpublishTrack.GetName())
		}
	case *wire.ControlClientMessage_PauseTrack:
		c.pauseTrack(p.PauseTrack.GetName())
	case *wire.ControlClientMessage_ResumeTrack:
		c.resumeTrack(p.ResumeTrack.GetName())
	case *wire.ControlClientMessage_ClientStats:
		c.report(p.ClientStats)
	}
}

func (c *connection) respond(id string, m *wire.ControlServerMessage) {
	m.RequestId, m.Kind = id, wire.MessageKind_MESSAGE_KIND_RESPONSE
	c.send(m)
}

func (c *connection) sendSchema(id string) {
	doc, err := wire.NewStruct(c.session.srv.surface().schema())
	if err != nil {
		c.log.Error("schema not sent", "err", err)
		return
	}
	c.respond(id, &wire.ControlServerMessage{
		Payload: &wire.ControlServerMessage_ModelSchema{ModelSchema: &wire.ModelSchema{Openapi: doc}},
	})
}

// publish grants the first to come, whatever the name.
func (c *connection) publish(id, name string) {
	if !c.session.claim(name, c.id) {
		c.respond(id, &wire.ControlServerMessage{
			Payload: &wire.ControlServerMessage_Error{Error: &wire.Error{Code: "publish_refused", Message: textPublished}},
		})
		return
	}
	c.resumeTrack(name)
	c.respond(id, &wire.ControlServerMessage{
		Payload: &wire.ControlServerMessage_PublishTrack{PublishTrack: &wire.PublishTrackResponse{}},
	})
}

func (c *connection) resumeTrack(name string) {
	if s := c.sender(name); s != nil {
		s.resume()
	}
}

func (c *connection) pauseTrack(name string) {
	if s := c.sender(name); s != nil {
		s.pause()
	}
}
