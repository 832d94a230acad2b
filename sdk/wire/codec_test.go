package wire_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

func TestSniff(t *testing.T) {
	tests := []struct {
		name  string
		text  bool
		frame string
		want  wire.Codec
	}{
		{"text, whatever it holds", true, "hello", wire.V0},
		{"empty text", true, "", wire.V0},
		{"unframed ping", false, "10035200", wire.V1},
		{"v1 with request id", false, "0a066374726c5f31", wire.V1},
		{"object after a space", false, "207b7d", wire.V0},
		{"array", false, "5b", wire.V0},
		{"empty binary", false, "", wire.V1},
		{"nothing but whitespace", false, "090a0b0c0d20", wire.V1},
		{"control character", false, "087b", wire.V1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := []byte(tt.frame)
			if !tt.text {
				frame = fromHex(t, tt.frame)
			}
			if got := wire.Sniff(tt.text, frame); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func command(id, typ string, data map[string]any, uploads map[string]*wire.UploadReference) *wire.DataClientMessage {
	s, err := wire.NewStruct(data)
	if err != nil {
		panic(err)
	}
	return &wire.DataClientMessage{
		RequestId: id, Kind: wire.MessageKind_MESSAGE_KIND_REQUEST,
		Payload: &wire.DataClientMessage_Command{Command: &wire.Command{Type: typ, Data: s, Uploads: uploads}},
	}
}

const (
	request      = wire.MessageKind_MESSAGE_KIND_REQUEST
	response     = wire.MessageKind_MESSAGE_KIND_RESPONSE
	notification = wire.MessageKind_MESSAGE_KIND_NOTIFICATION
)

func TestV0Client(t *testing.T) {
	tests := []struct {
		name    string
		message wire.ClientMessage
		channel wire.Channel
		json    string
	}{
		{
			"A command", command("", "set_x", map[string]any{"x": 1.5}, nil), wire.DataChannel,
			`{"scope": "application", "data": {"type": "set_x", "data": {"x": 1.5}}}`,
		},
		{
			"A command with upload",
			command("", "set_image", nil, map[string]*wire.UploadReference{"image": {UploadId: "u1", Name: "a.png", MimeType: "image/png", Size: 300}}),
			wire.DataChannel,
			`{"scope": "application", "data": {"type": "set_image", "data": {}, "uploads": {"image": {"upload_id": "u1", "name": "a.png", "mime_type": "image/png", "size": 300}}}}`,
		},
		{
			"C ping", &wire.ControlClientMessage{Kind: notification, Payload: &wire.ControlClientMessage_Ping{Ping: &wire.Ping{}}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "ping", "data": {}}}`,
		},
		{
			"D schema", &wire.ControlClientMessage{Kind: request, Payload: &wire.ControlClientMessage_RequestSchema{RequestSchema: &wire.RequestSchema{}}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "requestSchema", "data": {}}}`,
		},
		{
			"F uploaded", &wire.ControlClientMessage{Kind: notification, Payload: &wire.ControlClientMessage_FileUploaded{
				FileUploaded: &wire.FileUploaded{UploadId: "u1", Name: "a.png", MimeType: "image/png", Size: 300},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "fileUploaded", "data": {"upload_id": "u1", "name": "a.png", "mime_type": "image/png", "size": 300}}}`,
		},
		{
			"G clip", &wire.ControlClientMessage{Kind: request, Payload: &wire.ControlClientMessage_RequestClip{
				RequestClip: &wire.RequestClip{DurationSeconds: 10},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "requestClip", "data": {"duration_seconds": 10}}}`,
		},
		{
			"H recording", &wire.ControlClientMessage{Kind: request, Payload: &wire.ControlClientMessage_RequestRecording{
				RequestRecording: &wire.RequestRecording{},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "requestRecording", "data": {}}}`,
		},
		{
			"K publish", &wire.ControlClientMessage{RequestId: "ctrl_2", Kind: request, Payload: &wire.ControlClientMessage_PublishTrack{
				PublishTrack: &wire.PublishTrack{Name: "webcam"},
			}}, wire.ControlChannel,
			`{"type": "request", "method": "publish_track", "request_id": "ctrl_2", "data": {"name": "webcam"}}`,
		},
		{
			"L pause", &wire.ControlClientMessage{Kind: notification, Payload: &wire.ControlClientMessage_PauseTrack{
				PauseTrack: &wire.PauseTrack{Name: "v"},
			}}, wire.ControlChannel,
			`{"type": "notification", "event": "pause_track", "data": {"name": "v"}}`,
		},
		{
			"L resume", &wire.ControlClientMessage{Kind: notification, Payload: &wire.ControlClientMessage_ResumeTrack{
				ResumeTrack: &wire.ResumeTrack{Name: "v"},
			}}, wire.ControlChannel,
			`{"type": "notification", "event": "resume_track", "data": {"name": "v"}}`,
		},
		{
			"L unpublish", &wire.ControlClientMessage{Kind: notification, Payload: &wire.ControlClientMessage_UnpublishTrack{
				UnpublishTrack: &wire.UnpublishTrack{Name: "v"},
			}}, wire.ControlChannel,
			`{"type": "notification", "event": "unpublish_track", "data": {"name": "v"}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := wire.EncodeClient(wire.V0, tt.message)
			if err != nil {
				t.Fatal(err)
			}
			checkV0(t, p, tt.channel, tt.json)
			got, err := wire.DecodeClient(tt.channel, true, []byte(tt.json))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.message, got, protocmp.Transform()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestV0Server(t *testing.T) {
	doc, err := wire.NewStruct(map[string]any{"openapi": "3.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		message wire.ServerMessage
		channel wire.Channel
		json    string
	}{
		{
			"B message", &wire.DataServerMessage{Kind: notification, Payload: &wire.DataServerMessage_Message{
				Message: &wire.ModelMessage{Type: "state", Data: doc},
			}}, wire.DataChannel,
			`{"scope": "application", "data": {"type": "state", "data": {"openapi": "3.1.0"}}}`,
		},
		{
			"E schema", &wire.ControlServerMessage{Kind: response, Payload: &wire.ControlServerMessage_ModelSchema{
				ModelSchema: &wire.ModelSchema{Openapi: doc},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "modelSchema", "data": {"openapi": "3.1.0"}}}`,
		},
		{
			"I clip ready", &wire.ControlServerMessage{Kind: response, Payload: &wire.ControlServerMessage_ClipReady{
				ClipReady: &wire.ClipReady{SessionId: "s", Kind: "snap", StartMarker: 2, EndMarker: 12, NowMarker: 12.5, PredictedReadyAtMs: 1700000000000, PlaylistUrl: "/clips?session_id=s&start=2.000"},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "clipReady", "data": {"session_id": "s", "kind": "snap", "start_marker": 2.0, "end_marker": 12.0, "now_marker": 12.5, "predicted_ready_at_ms": 1700000000000.0, "playlist_url": "/clips?session_id=s&start=2.000"}}}`,
		},
		{
			"J clip failed", &wire.ControlServerMessage{Kind: response, Payload: &wire.ControlServerMessage_ClipFailed{
				ClipFailed: &wire.ClipFailed{Reason: "no media generated yet"},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "clipFailed", "data": {"reason": "no media generated yet"}}}`,
		},
		{
			"K granted", &wire.ControlServerMessage{RequestId: "ctrl_2", Kind: response, Payload: &wire.ControlServerMessage_PublishTrack{
				PublishTrack: &wire.PublishTrackResponse{},
			}}, wire.ControlChannel,
			`{"type": "response", "method": "publish_track", "request_id": "ctrl_2", "data": {}}`,
		},
		{
			"K refused", &wire.ControlServerMessage{RequestId: "ctrl_2", Kind: response, Payload: &wire.ControlServerMessage_Error{
				Error: &wire.Error{Code: "publish_refused", Message: "track already published"},
			}}, wire.ControlChannel,
			`{"type": "response", "method": "publish_track", "request_id": "ctrl_2", "error": {"code": "publish_refused", "message": "track already published"}}`,
		},
		{
			"M moderation", &wire.ControlServerMessage{Kind: notification, Payload: &wire.ControlServerMessage_Moderation{
				Moderation: &wire.Moderation{Action: "warn", InputKind: "text", Command: "set_prompt", Categories: []string{"a", "b"}, Message: "m"},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "moderation", "data": {"action": "warn", "input_kind": "text", "command": "set_prompt", "categories": ["a", "b"], "message": "m"}}}`,
		},
		{
			"N ended", &wire.ControlServerMessage{Kind: notification, Payload: &wire.ControlServerMessage_SessionEnded{
				SessionEnded: &wire.SessionEnded{Reason: "stopped"},
			}}, wire.DataChannel,
			`{"scope": "runtime", "data": {"type": "sessionEnded", "data": {"reason": "stopped"}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := wire.EncodeServer(wire.V0, tt.message)
			if err != nil {
				t.Fatal(err)
			}
			checkV0(t, p, tt.channel, tt.json)
			got, err := wire.DecodeServer(tt.channel, true, []byte(tt.json))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.message, got, protocmp.Transform()); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

// checkV0 compares as JSON: neither side depends on spacing or on how a number
// is written.
func checkV0(t *testing.T, p wire.Packet, ch wire.Channel, want string) {
	t.Helper()
	if p.Channel != ch || !p.Text {
		t.Errorf("on channel %s, text %v; want %s, text", p.Channel, p.Text, ch)
	}
	var got, wanted any
	if err := json.Unmarshal(p.Data, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
}

func TestV0HasNoForm(t *testing.T) {
	server := []wire.ServerMessage{
		&wire.DataServerMessage{RequestId: "data_1", Kind: response},
		&wire.DataServerMessage{RequestId: "data_1", Payload: &wire.DataServerMessage_Error{Error: &wire.Error{Code: "x"}}},
		&wire.DataServerMessage{RequestId: "data_1", Payload: &wire.DataServerMessage_StepResult{StepResult: &wire.StepResult{}}},
		&wire.ControlServerMessage{},
	}
	for _, m := range server {
		if _, err := wire.EncodeServer(wire.V0, m); !errors.Is(err, wire.ErrNoForm) {
			t.Errorf("%v: got %v, want ErrNoForm", m, err)
		}
	}
	client := []wire.ClientMessage{
		&wire.DataClientMessage{RequestId: "data_1", Payload: &wire.DataClientMessage_RequestStep{RequestStep: &wire.RequestStep{}}},
		&wire.ControlClientMessage{Payload: &wire.ControlClientMessage_ClientStats{ClientStats: &wire.ClientStats{}}},
	}
	for _, m := range client {
		if _, err := wire.EncodeClient(wire.V0, m); !errors.Is(err, wire.ErrNoForm) {
			t.Errorf("%v: got %v, want ErrNoForm", m, err)
		}
	}
}

func TestV0Tolerance(t *testing.T) {
	empty := command("", "get_state", nil, nil)
	for _, frame := range []string{
		`{"scope":"application","data":{"type":"get_state","data":null}}`,
		`{"scope":"application","data":{"type":"get_state"}}`,
		` {"data":{"data":{},"type":"get_state","extra":1},"scope":"application","more":[]} `,
	} {
		got, err := wire.DecodeClient(wire.ControlChannel, false, []byte(frame))
		if err != nil {
			t.Errorf("%s: %v", frame, err)
			continue
		}
		if diff := cmp.Diff(wire.ClientMessage(empty), got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", frame, diff)
		}
	}
}

func TestV0Refused(t *testing.T) {
	for _, frame := range []string{
		`{}`,
		`{"scope":"else","data":{"type":"x"}}`,
		`{"scope":"runtime","data":{"type":"bogus","data":{}}}`,
		`{"type":"request","method":"bogus","data":{}}`,
		`{"type":"notification","event":"bogus","data":{"name":"x"}}`,
	} {
		if _, err := wire.DecodeClient(wire.DataChannel, true, []byte(frame)); !errors.Is(err, wire.ErrUnknownMessage) {
			t.Errorf("client %s: got %v, want ErrUnknownMessage", frame, err)
		}
		if _, err := wire.DecodeServer(wire.DataChannel, true, []byte(frame)); !errors.Is(err, wire.ErrUnknownMessage) {
			t.Errorf("server %s: got %v, want ErrUnknownMessage", frame, err)
		}
	}
	for _, frame := range []string{
		``, `{`, `[]`, `"x"`, `{"scope":"application","data":[]}`,
		`{"scope":"application","data":{"type":"x","data":[1]}}`,
		`{"scope":"runtime","data":{"type":"fileUploaded","data":{"size":1.5}}}`,
	} {
		if m, err := wire.DecodeClient(wire.DataChannel, true, []byte(frame)); err == nil {
			t.Errorf("%s: decoded to %v", frame, m)
		}
	}
}

func TestV1UnknownPayload(t *testing.T) {
	// Field 99: a payload of a later version decodes to "payload unset".
	got, err := wire.DecodeServer(wire.DataChannel, false, append(fromHex(t, "0a06646174615f311002"), 0x9a, 0x06, 0x00))
	if err != nil {
		t.Fatal(err)
	}
	m := got.(*wire.DataServerMessage)
	if m.GetRequestId() != "data_1" || m.GetPayload() != nil {
		t.Errorf("got %v", m)
	}
	if _, err := wire.DecodeServer(wire.DataChannel, false, []byte{0xff}); err == nil {
		t.Error("a truncated frame decoded")
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(false, fromHex(f, v.hex))
	}
	f.Add(true, []byte(`{"scope": "application", "data": {"type": "set_x", "data": {"x": [1, null]}}}`))
	f.Add(true, []byte(`{"scope": "runtime", "data": {"type": "clipReady", "data": {"predicted_ready_at_ms": 1e3}}}`))
	f.Add(true, []byte(`{"type": "response", "method": "publish_track", "request_id": "1", "error": {"code": "x"}}`))
	f.Add(false, []byte(" {}"))
	f.Fuzz(func(t *testing.T, text bool, frame []byte) {
		for _, ch := range []wire.Channel{wire.DataChannel, wire.ControlChannel} {
			if m, err := wire.DecodeClient(ch, text, frame); err == nil {
				again(t, m, wire.EncodeClient, wire.DecodeClient)
			}
			if m, err := wire.DecodeServer(ch, text, frame); err == nil {
				again(t, m, wire.EncodeServer, wire.DecodeServer)
			}
		}
	})
}

// again checks that what was decoded survives V1 unchanged, and V0 without a crash.
func again[M proto.Message](
	t *testing.T, m M,
	encode func(wire.Codec, M) (wire.Packet, error),
	decode func(wire.Channel, bool, []byte) (M, error),
) {
	t.Helper()
	if p, err := encode(wire.V0, m); err == nil {
		if _, err := decode(p.Channel, p.Text, p.Data); err != nil {
			t.Logf("v0 of %v: %v", m, err)
		}
	}
	p, err := encode(wire.V1, m)
	if err != nil {
		t.Fatalf("encode %v: %v", m, err)
	}
	if wire.Sniff(false, p.Data) == wire.V0 {
		return // the sniff trap: such request ids exist
	}
	got, err := decode(p.Channel, false, p.Data)
	if err != nil {
		t.Fatalf("decode %x: %v", p.Data, err)
	}
	q, err := encode(wire.V1, got)
	if err != nil || string(q.Data) != string(p.Data) {
		t.Fatalf("%x became %x, %v", p.Data, q.Data, err)
	}
}
