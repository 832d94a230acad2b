package sessiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// MessageFault is what becomes of a message that the server sends over a data
// channel. Of the fields from Lose to Size one counts, the first that is set.
type MessageFault struct {
	// Of is the kind of message that it hits, as the protocol names it: message,
	// step_result, error and ack on the data channel; model_schema, clip_ready,
	// clip_failed, moderation, publish_track, session_ended and error on the
	// control channel. Any if empty.
	Of string `json:"of,omitempty"`
	// Lose throws the message away.
	Lose bool `json:"lose,omitempty"`
	// Twice sends it again at once.
	Twice bool `json:"twice,omitempty"`
	// Swap sends it behind the next message of the channel.
	Swap bool `json:"swap,omitempty"`
	// Malformed sends bytes that are no message instead.
	Malformed bool `json:"malformed,omitempty"`
	// Size sends that many bytes that are no message instead, whatever the
	// client said that it takes.
	Size int `json:"size,omitempty"`
	// Delay lets the messages behind it overtake.
	Delay time.Duration `json:"delay,omitempty"`
	// Times is how many messages it hits; 0: all to come.
	Times int `json:"times,omitempty"`
}

func (f MessageFault) validate(c wire.Channel) error {
	kinds := messageKinds(c)
	switch {
	case f.Of != "" && kinds != nil && !slices.Contains(kinds, f.Of):
		return fmt.Errorf("of: must be one of %s, got %q", strings.Join(kinds, ", "), f.Of)
	case f.Delay < 0 || f.Size < 0 || f.Times < 0:
		return fmt.Errorf("delay, size, times: must not be negative, got %v, %d, %d", f.Delay, f.Size, f.Times)
	}
	return nil
}

// bareAck is the kind of a message without a payload.
const bareAck = "ack"

// messageKinds are the kinds of messages that the server sends on a channel, nil
// if there is no such channel.
func messageKinds(c wire.Channel) []string {
	var kinds []string
	var m protoreflect.ProtoMessage
	switch c {
	case wire.DataChannel:
		m, kinds = &wire.DataServerMessage{}, []string{bareAck}
	case wire.ControlChannel:
		m = &wire.ControlServerMessage{}
	default:
		return nil
	}
	payloads := payloadOf(m.ProtoReflect()).Fields()
	for i := range payloads.Len() {
		kinds = append(kinds, string(payloads.Get(i).Name()))
	}
	return kinds
}

func payloadOf(m protoreflect.Message) protoreflect.OneofDescriptor {
	return m.Descriptor().Oneofs().ByName("payload")
}

// garbled takes the fault that hits a message.
func (t *trouble) garbled(c wire.Channel, m wire.ServerMessage) (MessageFault, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.now.Messages[c]) == 0 {
		return MessageFault{}, false
	}
	kind := payloadName(m)
	return takeFault(t.now.Messages, c,
		func(f MessageFault) bool { return f.Of == "" || f.Of == kind },
		func(f *MessageFault) *int { return &f.Times })
}

// payloadName is the kind of a message.
func payloadName(m wire.ServerMessage) string {
	p, ok := m.(interface{ ProtoReflect() protoreflect.Message })
	if !ok {
		return ""
	}
	r := p.ProtoReflect()
	if f := r.WhichOneof(payloadOf(r)); f != nil {
		return string(f.Name())
	}
	return bareAck
}

// garble sends a message in the way of a fault. c.out.mu is held.
func (c *connection) garble(ch *channel, p wire.Packet, f MessageFault) {
	if f.Delay > 0 {
		later := f
		later.Delay = 0
		c.spawn(func() {
			select {
			case <-time.After(f.Delay):
			case <-c.ctx.Done():
				return
			}
			c.out.mu.Lock()
			defer c.out.mu.Unlock()
			c.garble(ch, p, later)
		})
		return
	}
	switch {
	case f.Lose:
	case f.Twice:
		c.transmit(ch, p)
		c.transmit(ch, p)
	case f.Swap && c.out.late == nil:
		c.out.late = &p
	case f.Malformed:
		c.transmit(ch, wire.Packet{Channel: p.Channel, Data: []byte{0xff, 0xff, 0xff}})
	case f.Size > 0:
		c.transmit(ch, wire.Packet{Channel: p.Channel, Data: bytes.Repeat([]byte{0xff}, f.Size)})
	default:
		c.transmit(ch, p)
	}
}

// MarshalJSON writes the delay as people do.
func (f MessageFault) MarshalJSON() ([]byte, error) {
	type plain MessageFault
	return json.Marshal(struct {
		plain
		Delay duration `json:"delay,omitempty"`
	}{plain(f), duration(f.Delay)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *MessageFault) UnmarshalJSON(b []byte) error {
	type plain MessageFault
	v := struct {
		*plain
		Delay duration `json:"delay"`
	}{plain: (*plain)(f)}
	err := strictly(b, &v)
	f.Delay = time.Duration(v.Delay)
	return err
}
