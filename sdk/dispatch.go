package sdk

import (
	"errors"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// commandError is the message by which models refuse a command to everybody.
const commandError = "command_error"

// dispatch returns what takes the messages of a channel. Whatever cannot be
// read is skipped: peers of other versions say things we do not know.
func (c *conn) dispatch(ch wire.Channel) func(text bool, message []byte) {
	return func(text bool, message []byte) {
		m, err := wire.DecodeServer(ch, text, message)
		if err != nil {
			c.log.Debug("message skipped", "channel", ch, "bytes", len(message), "err", err)
			return
		}
		switch m := m.(type) {
		case *wire.DataServerMessage:
			c.onData(m, time.Now())
		case *wire.ControlServerMessage:
			c.onControl(m, time.Now())
		}
	}
}

func (c *conn) onData(m *wire.DataServerMessage, at time.Time) {
	if said := m.GetMessage(); said != nil {
		c.onMessage(Message{Type: said.GetType(), Data: wire.Map(said.GetData()), At: at})
	}
	if m.GetRequestId() == "" || c.calls.resolve(m.GetRequestId(), answer{data: m, at: at}) {
		return
	}
	if e := m.GetError(); e != nil {
		late := refusal(e.GetCode(), "", e.GetMessage())
		c.session.events.publish(Event{Type: EventError, Err: late, At: at})
		c.log.Warn("command refused after nobody waited for it", "request_id", m.GetRequestId(), "err", late)
	}
}

func (c *conn) onMessage(m Message) {
	if m.Type == commandError {
		name, _ := m.Data["command"].(string)
		reason, _ := m.Data["reason"].(string)
		m.Tied = c.calls.refuse(name, reason)
	}
	c.session.messages.publish(m)
}

func (c *conn) onControl(m *wire.ControlServerMessage, at time.Time) {
	switch p := m.GetPayload().(type) {
	case *wire.ControlServerMessage_Moderation:
		c.onModeration(p.Moderation, at)
	case *wire.ControlServerMessage_SessionEnded:
		reason := p.SessionEnded.GetReason()
		c.session.events.publish(Event{Type: EventSessionEnded, Reason: reason, At: at})
		c.onEnd(reason)
	case nil:
	default:
		if m.GetRequestId() != "" {
			c.calls.resolve(m.GetRequestId(), answer{control: m, at: at})
		}
	}
}

func (c *conn) onModeration(m *wire.Moderation, at time.Time) {
	verdict := &Moderation{
		Action: m.GetAction(), InputKind: m.GetInputKind(), Command: m.GetCommand(),
		Categories: m.GetCategories(), Message: m.GetMessage(),
	}
	c.session.events.publish(Event{Type: EventModeration, Moderation: verdict, Reason: verdict.Message, At: at})
	c.log.Warn("moderation", "action", verdict.Action, "command", verdict.Command, "message", verdict.Message)
	if verdict.Action == "terminate" {
		c.onEnd(verdict.Message)
	}
}

// endGrace is how long a server that has said goodbye may take to close. It
// drains its channels for up to 5 s.
const endGrace = 6 * time.Second

// onEnd notes the server's word that the session is over, and sees to it that
// the connection ends too.
func (c *conn) onEnd(reason string) {
	c.session.serverEnded(reason)
	c.spawn(func() {
		t := time.NewTimer(endGrace)
		defer t.Stop()
		select {
		case <-c.lost:
		case <-t.C:
			c.lose(errors.New("the server ended the session"))
		}
	})
}

// What the channels may take to close behind the first sign of a loss. Behind the
// transport they do close, when the machine gets to it; where the network is gone,
// which took seconds to notice, they stay open, and the wait is lost time.
const (
	drainWait  = 100 * time.Millisecond
	drainClose = 5 * time.Second
)

// drained waits until both channels have been read to their end: they may hold
// the notice why.
func (c *conn) drained() {
	wait := drainWait
	if c.pc.ConnectionState() == webrtc.PeerConnectionStateClosed {
		wait = drainClose
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	for _, ch := range []*channel{c.data, c.control} {
		select {
		case <-ch.gone:
		case <-t.C:
			return
		}
	}
}
