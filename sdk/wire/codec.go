package wire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Codec is one of the two encodings of messages. A server latches the codec of
// the first frame it receives, see [Sniff]; until then it speaks V0.
type Codec int

const (
	// V0 is a JSON object in a text frame. It knows no acks, no command
	// errors, no steps and no statistics.
	V0 Codec = iota
	// V1 is a protobuf message in a binary frame.
	V1
)

// String returns "v0" or "v1".
func (c Codec) String() string {
	if c == V0 {
		return "v0"
	}
	return "v1"
}

var (
	// ErrNoForm says that a message cannot be written in the codec: it is not sent.
	ErrNoForm = errors.New("message has no form in this codec")
	// ErrUnknownMessage says that a well-formed frame is of no known type: it is ignored.
	ErrUnknownMessage = errors.New("unknown message")
)

// ClientMessage is a message from client to server: a *[DataClientMessage] or a
// *[ControlClientMessage].
type ClientMessage interface {
	proto.Message
	fromClient() Channel
}

// ServerMessage is a message from server to client: a *[DataServerMessage] or a
// *[ControlServerMessage].
type ServerMessage interface {
	proto.Message
	fromServer() Channel
}

func (*DataClientMessage) fromClient() Channel    { return DataChannel }
func (*ControlClientMessage) fromClient() Channel { return ControlChannel }
func (*DataServerMessage) fromServer() Channel    { return DataChannel }
func (*ControlServerMessage) fromServer() Channel { return ControlChannel }

// Packet is one encoded message with the channel it belongs on. In V0 most
// platform messages travel on the data channel, in V1 all on the control channel.
type Packet struct {
	Channel Channel
	Text    bool
	Data    []byte
}

// Sniff tells a frame's codec: text, or binary whose first byte after ASCII
// whitespace is a brace or bracket, is V0; all else is V1.
func Sniff(text bool, frame []byte) Codec {
	if text {
		return V0
	}
	for _, b := range frame {
		switch {
		case b == ' ' || b >= 0x09 && b <= 0x0d:
			continue
		case b == '{' || b == '[':
			return V0
		}
		return V1
	}
	return V1
}

// EncodeClient encodes a client's message, or answers [ErrNoForm].
func EncodeClient(c Codec, m ClientMessage) (Packet, error) {
	if c == V1 {
		return encodeV1(m.fromClient(), m)
	}
	switch m := m.(type) {
	case *DataClientMessage:
		return encodeDataClientV0(m)
	case *ControlClientMessage:
		return encodeControlClientV0(m)
	}
	return Packet{}, ErrNoForm
}

// EncodeServer encodes a server's message, or answers [ErrNoForm].
func EncodeServer(c Codec, m ServerMessage) (Packet, error) {
	if c == V1 {
		return encodeV1(m.fromServer(), m)
	}
	switch m := m.(type) {
	case *DataServerMessage:
		return encodeDataServerV0(m)
	case *ControlServerMessage:
		return encodeControlServerV0(m)
	}
	return Packet{}, ErrNoForm
}

// DecodeClient decodes a frame that a server received on a channel, in whichever
// codec it is. The payload of the result may be unset: such a frame is ignored.
func DecodeClient(ch Channel, text bool, frame []byte) (ClientMessage, error) {
	if Sniff(text, frame) == V0 {
		return decodeClientV0(frame)
	}
	if ch == ControlChannel {
		return decodeV1(frame, &ControlClientMessage{})
	}
	return decodeV1(frame, &DataClientMessage{})
}

// DecodeServer decodes a frame that a client received on a channel, in whichever
// codec it is. The payload of the result may be unset: on the data channel such
// a frame acknowledges its request id, on the control channel it is ignored.
func DecodeServer(ch Channel, text bool, frame []byte) (ServerMessage, error) {
	if Sniff(text, frame) == V0 {
		return decodeServerV0(frame)
	}
	if ch == ControlChannel {
		return decodeV1(frame, &ControlServerMessage{})
	}
	return decodeV1(frame, &DataServerMessage{})
}

func encodeV1(ch Channel, m proto.Message) (Packet, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return Packet{}, fmt.Errorf("encode %s message: %w", ch, err)
	}
	return Packet{Channel: ch, Data: b}, nil
}

func decodeV1[M proto.Message](frame []byte, m M) (M, error) {
	if err := proto.Unmarshal(frame, m); err != nil {
		var none M
		return none, fmt.Errorf("decode v1 frame: %w", err)
	}
	return m, nil
}
