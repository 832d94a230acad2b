package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/structpb"
)

// The shapes of the V0 codec. Commands, model messages and most platform
// messages are scoped; track messages are typed requests, responses and
// notifications.
const (
	scopeApplication = "application"
	scopeRuntime     = "runtime"

	typeRequest      = "request"
	typeResponse     = "response"
	typeNotification = "notification"

	methodPublish  = "publish_track"
	eventPause     = "pause_track"
	eventResume    = "resume_track"
	eventUnpublish = "unpublish_track"
)

// envelopeV0 is any V0 frame, as it is read.
type envelopeV0 struct {
	Scope     string          `json:"scope"`
	Type      string          `json:"type"`
	Method    string          `json:"method"`
	Event     string          `json:"event"`
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Error     *errorV0        `json:"error"`
}

type scopedV0 struct {
	Scope string  `json:"scope"`
	Data  typedV0 `json:"data"`
}

// typedV0 is the inside of a scoped frame, as it is written.
type typedV0 struct {
	Type    string              `json:"type"`
	Data    any                 `json:"data"`
	Uploads map[string]uploadV0 `json:"uploads,omitempty"`
}

// innerV0 is the inside of a scoped frame, as it is read.
type innerV0 struct {
	Type    string              `json:"type"`
	Data    json.RawMessage     `json:"data"`
	Uploads map[string]uploadV0 `json:"uploads"`
}

type requestV0 struct {
	Type      string `json:"type"`
	Method    string `json:"method"`
	RequestID string `json:"request_id"`
	Data      any    `json:"data"`
}

type refusalV0 struct {
	Type      string  `json:"type"`
	Method    string  `json:"method"`
	RequestID string  `json:"request_id"`
	Error     errorV0 `json:"error"`
}

type notificationV0 struct {
	Type  string `json:"type"`
	Event string `json:"event"`
	Data  nameV0 `json:"data"`
}

type errorV0 struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type nameV0 struct {
	Name string `json:"name"`
}

type uploadV0 struct {
	UploadID string  `json:"upload_id"`
	Name     string  `json:"name"`
	MIMEType string  `json:"mime_type"`
	Size     integer `json:"size"`
}

type durationV0 struct {
	DurationSeconds float64 `json:"duration_seconds"`
}

type clipV0 struct {
	SessionID          string  `json:"session_id"`
	Kind               string  `json:"kind"`
	StartMarker        float64 `json:"start_marker"`
	EndMarker          float64 `json:"end_marker"`
	NowMarker          float64 `json:"now_marker"`
	PredictedReadyAtMS integer `json:"predicted_ready_at_ms"`
	PlaylistURL        string  `json:"playlist_url"`
}

type reasonV0 struct {
	Reason string `json:"reason"`
}

type moderationV0 struct {
	Action     string   `json:"action"`
	InputKind  string   `json:"input_kind"`
	Command    string   `json:"command"`
	Categories []string `json:"categories"`
	Message    string   `json:"message"`
}

type emptyV0 struct{}

// integer reads whole numbers that came through doubles ("300.0") too.
type integer int64

func (i *integer) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("%s is not a whole number", b)
	}
	*i = integer(f)
	return nil
}

func packV0(ch Channel, v any) (Packet, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return Packet{}, fmt.Errorf("encode v0 frame: %w", err)
	}
	return Packet{Channel: ch, Text: true, Data: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}, nil
}

// packScoped packs one of the shapes that travel on the data channel.
func packScoped(scope, typ string, data any) (Packet, error) {
	return packV0(DataChannel, scopedV0{Scope: scope, Data: typedV0{Type: typ, Data: data}})
}

func packTrackEvent(event, name string) (Packet, error) {
	return packV0(ControlChannel, notificationV0{Type: typeNotification, Event: event, Data: nameV0{Name: name}})
}

func unpackV0(frame []byte) (envelopeV0, error) {
	var e envelopeV0
	if err := json.Unmarshal(frame, &e); err != nil {
		return e, fmt.Errorf("decode v0 frame: %w", err)
	}
	return e, nil
}

func (e envelopeV0) inner() (innerV0, error) {
	var in innerV0
	if err := into(e.Data, &in); err != nil {
		return in, err
	}
	return in, nil
}

// into decodes a frame's data; null and absent count as empty.
func into(data json.RawMessage, v any) error {
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode v0 data: %w", err)
	}
	return nil
}

func structOf(data json.RawMessage) (*structpb.Struct, error) {
	var m map[string]any
	if err := into(data, &m); err != nil {
		return nil, err
	}
	return NewStruct(m)
}

// object is a Struct as V0 writes it: never null.
func object(s *structpb.Struct) map[string]any {
	if m := Map(s); m != nil {
		return m
	}
	return map[string]any{}
}

func unknownV0(e envelopeV0, typ string) error {
	switch {
	case e.Scope != "":
		return fmt.Errorf("%w: scope %q, type %q", ErrUnknownMessage, e.Scope, typ)
	case e.Type != "":
		return fmt.Errorf("%w: type %q, method %q, event %q", ErrUnknownMessage, e.Type, e.Method, e.Event)
	}
	return fmt.Errorf("%w: neither scope nor type", ErrUnknownMessage)
}
