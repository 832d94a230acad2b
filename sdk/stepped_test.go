package sdk

import (
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// stepping is a session of a model with all sorts of tracks.
func stepping() *Session {
	s := &Session{cfg: Config{Generation: Stepped}}
	for _, info := range []TrackInfo{{"webcam", Video, SendOnly}, {"mic", Audio, SendOnly}, {"main_video", Video, ReceiveOnly}} {
		s.tracks = append(s.tracks, newTrack(s, info))
	}
	return s
}

// TestStepOnTheWire compares requests with what the official client sends.
func TestStepOnTheWire(t *testing.T) {
	picture := RawPicture([]byte{1, 2, 3, 4, 5, 6}, 2, 1)
	picture.Metadata, picture.CaptureTime = []byte("m"), time.Millisecond
	tests := []struct {
		name, id string
		step     StepRequest
		want     string
	}{
		{"empty", "data_1", StepRequest{}, "0a06646174615f3110015a00"},
		{"state", "data_9", StepRequest{State: map[string]any{"nope": 1}}, "0a06646174615f3910015a150a130a110a046e6f7065120911000000000000f03f"},
		{"commands", "data_11", StepRequest{Commands: []StepCommand{{Name: "say"}, {Name: "bogus"}}}, "0a07646174615f313110015a1012050a0373617912070a05626f677573"},
		{
			"all", "data_2",
			StepRequest{
				State:    map[string]any{"prompt": "hi"},
				Commands: []StepCommand{{Name: "say", Args: map[string]any{"text": "a"}}},
				Media:    map[string][]StepFrame{"webcam": {picture}},
			},
			"0a06646174615f3210015a520a100a0e0a0670726f6d707412041a02686912140a03736179120d0a0b0a047465787412031a01611a280a0677656263616d10011a1c0801120575696e74381a0301020322060102030405062a016d30e807",
		},
		{"audio", "data_3", StepRequest{Media: map[string][]StepFrame{"mic": {RawAudio([]int16{1, -1})}}}, "0a06646174615f3310015a1e1a1c0a036d696310021a1308011205696e7431361a02010222040100ffff"},
		{"encoded", "data_4", StepRequest{Media: map[string][]StepFrame{"webcam": {EncodedPicture([]byte{0, 0, 0, 1, 0x65}, 320, 240)}}}, "0a06646174615f3410015a251a230a0677656263616d10011a170802120575696e74381a05f001c0020322050000000165"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := stepping().encodeStep(tt.step)
			if err != nil {
				t.Fatal(err)
			}
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&wire.DataClientMessage{
				RequestId: tt.id, Kind: wire.MessageKind_MESSAGE_KIND_REQUEST,
				Payload: &wire.DataClientMessage_RequestStep{RequestStep: r},
			})
			if got := hex.EncodeToString(b); got != tt.want || err != nil {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestStepFiles(t *testing.T) {
	ref := FileRef{UploadID: "u1", Name: "a.png", MIMEType: "image/png", Size: 300}
	r, err := stepping().encodeStep(StepRequest{
		State:    map[string]any{"image": ref},
		Commands: []StepCommand{{Name: "use", Args: map[string]any{"image": &ref, "n": 1}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	inline := map[string]any{"upload_id": "u1", "name": "a.png", "mime_type": "image/png", "size": 300.0}
	if diff := cmp.Diff(map[string]any{"image": inline}, wire.Map(r.GetState())); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if got := r.GetCommands()[0]; got.GetUploads()["image"].GetUploadId() != "u1" || len(got.GetData().GetFields()) != 1 {
		t.Errorf("command: %v", got)
	}
}

func TestStepRefusedHere(t *testing.T) {
	media := func(track string, f StepFrame) StepRequest {
		return StepRequest{Media: map[string][]StepFrame{track: {f}}}
	}
	tests := []struct {
		name string
		step StepRequest
		want string
	}{
		{"unknown track", media("cam", StepFrame{}), `track: [NOT_FOUND] unknown track "cam"; the model has "webcam", "mic", "main_video"`},
		{"an output", media("main_video", StepFrame{}), "step: [INVALID_STATE] track main_video is not an input of the model"},
		{"bytes", media("webcam", RawPicture([]byte{1, 2, 3}, 2, 1)), "step: [BAD_REQUEST] media webcam[0]: a frame of uint8 [1 2 3] is 6 bytes, got 3"},
		{"dtype", media("webcam", StepFrame{DType: "uint9"}), `step: [BAD_REQUEST] media webcam[0]: dtype: must be one of "float16", "float32", "float64", "int16", "int32", "int8", "uint16", "uint32", "uint8", got "uint9"`},
		{"a shape beyond all bounds", media("webcam", StepFrame{DType: "uint8", Shape: []int{1 << 26, 1 << 26, 1 << 26}}), "step: [BAD_REQUEST] media webcam[0]: shape: [67108864 67108864 67108864] is larger than a message"},
		{"a negative shape", media("webcam", EncodedPicture([]byte{1}, 1, -1)), "step: [BAD_REQUEST] media webcam[0]: shape: must be from 0 to 67108864, got -1"},
		{"an empty access unit", media("webcam", EncodedPicture(nil, 1, 1)), "step: [BAD_REQUEST] media webcam[0]: an H.264 frame is one picture of a video track"},
		{"H.264 for audio", media("mic", EncodedPicture([]byte{1}, 1, 1)), "step: [BAD_REQUEST] media mic[0]: an H.264 frame is one picture of a video track"},
		{"encoding", media("webcam", StepFrame{Encoding: "jpeg"}), `step: [BAD_REQUEST] media webcam[0]: encoding: must be raw or h264, got "jpeg"`},
		{"state", StepRequest{State: map[string]any{"f": func() {}}}, "step: [DECODE_FAILED] state.f: json: unsupported type: func()"},
		{"command", StepRequest{Commands: []StepCommand{{Name: "a", Args: map[string]any{"f": func() {}}}}}, "step: [DECODE_FAILED] commands[0]: f: json: unsupported type: func()"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := stepping().Step(t.Context(), tt.step); message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	t.Run("streamed", func(t *testing.T) {
		s := &Session{cfg: Config{Generation: Streamed}}
		if _, err := s.Step(t.Context(), StepRequest{}); message(err) != "step: [INVALID_STATE] the session is streamed, not stepped" {
			t.Errorf("got %v", err)
		}
	})
}

// TestStepResults reads what the reference server answers.
func TestStepResults(t *testing.T) {
	outcome := func(t *testing.T, s string) *wire.StepResult {
		t.Helper()
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		var m wire.DataServerMessage
		if err := proto.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		return m.GetStepResult()
	}
	t.Run("a result", func(t *testing.T) {
		got, err := decodeStep(outcome(t, "0a06646174615f3210025a5d080112350a0a6d61696e5f766964656f10011a1c0801120575696e74381a0301010322030a141e2a077b226e223a317d21000000000000384019000000000000e03f22190a096e6f7465732e747874120a746578742f706c61696e1807"))
		if err != nil {
			t.Fatal(err)
		}
		want := StepResult{
			Step: 1, Elapsed: 500 * time.Millisecond,
			Outputs: []StepOutput{{Track: "main_video", Kind: Video, Rate: 24, Frames: []StepFrame{{
				Encoding: EncodingRaw, DType: "uint8", Shape: []int{1, 1, 3}, Data: []byte{10, 20, 30}, Metadata: []byte(`{"n":1}`),
			}}}},
			Files: []StepFile{{Name: "notes.txt", Type: "text/plain", Size: 7}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if o, ok := got.Output("main_video"); !ok || len(o.Frames) != 1 {
			t.Errorf("output: %v, %v", o, ok)
		}
		if _, ok := got.Output("other"); ok {
			t.Error("an output that is not there")
		}
	})
	t.Run("a failure of the model is a result", func(t *testing.T) {
		r := outcome(t, "0a07646174615f313510025a19080619000000000000d03f2a0a67656e206661696c65643003")
		if e := stepError(r); e != nil {
			t.Fatal(e)
		}
		got, err := decodeStep(r)
		if diff := cmp.Diff(StepResult{Step: 6, Elapsed: 250 * time.Millisecond, Failure: "gen failed"}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
	refusals := []struct {
		name, hex string
		want      string
		entry     string
		command   string
		refused   bool
	}{
		{"refused", "0a06646174615f3910025a402a3073746174652e6e6f706520697320726566757365643a207365745f6e6f70653a20756e6b6e6f776e20636f6d6d616e643001420a73746174652e6e6f7065", "step: [step_refused] state.nope is refused: set_nope: unknown command", "state.nope", "", true},
		{"command failed", "0a07646174615f313210025a382a206661696c206661696c6564202871756f7461293a206e6f70653a2071756f746130053a0571756f7461420b636f6d6d616e64735b315d", "step: [step_command_failed] fail failed (quota): nope: quota", "commands[1]", "quota", true},
		{"not ready", "0a06646174615f3510025a292a257468652073657373696f6e206973206e6f742072756e6e696e6720612073746570207965743002", "step: [step_not_ready] the session is not running a step yet", "", "", false},
	}
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			e := stepError(outcome(t, tt.hex))
			if e == nil || e.Error() != tt.want || e.Entry != tt.entry || e.CommandCode != tt.command || errors.Is(e, ErrRefused) != tt.refused {
				t.Errorf("got %+v", e)
			}
		})
	}
	codes := []struct {
		code wire.StepFailureCode
		want string
	}{
		{wire.StepFailureCode_STEP_FAILURE_CODE_RESULT_TOO_LARGE, CodeStepTooLarge},
		{wire.StepFailureCode_STEP_FAILURE_CODE_SESSION_ENDED, CodeStepSessionEnded},
		{99, CodeInternal},
	}
	for _, tt := range codes {
		e := stepError(&wire.StepResult{FailureCode: tt.code})
		if e == nil || e.Code != tt.want || errors.Is(e, ErrSessionEnded) != (tt.want == CodeStepSessionEnded) {
			t.Errorf("%d: got %v, want %s", tt.code, e, tt.want)
		}
	}
	frames := []struct {
		name  string
		frame *wire.Frame
		want  string
	}{
		{"bytes", &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_RAW, Dtype: "uint8", Shape: []uint32{2}, Data: []byte{1}}, "step: [DECODE_FAILED] output v[0]: a frame of uint8 [2] is 2 bytes, got 1"},
		{"overflow", &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_RAW, Dtype: "uint8", Shape: []uint32{1 << 31, 1 << 31, 4}}, "step: [DECODE_FAILED] output v[0]: shape: [2147483648 2147483648 4] is larger than a message"},
		{"encoding", &wire.Frame{Encoding: 9}, "step: [UNSUPPORTED_FRAME_ENCODING] output v[0]: unknown frame encoding 9"},
	}
	for _, tt := range frames {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decodeStep(&wire.StepResult{Tracks: []*wire.TrackFrames{{Track: "v", Frames: []*wire.Frame{tt.frame}}}})
			if message(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestGeneration: what was asked for and what was started are compared, and what
// does not fit is ended again.
func TestGeneration(t *testing.T) {
	tests := []struct {
		asked, started string
		want           string
	}{
		{Stepped, "", "connect: [GENERATION_MODE_MISMATCH] requested stepped generation, but the runtime started the session in a mode it did not report"},
		{Stepped, Streamed, "connect: [GENERATION_MODE_MISMATCH] requested stepped generation, but the runtime started the session in streamed"},
		{Streamed, Stepped, "connect: [GENERATION_MODE_MISMATCH] requested streamed generation, but the runtime started the session in stepped"},
	}
	for _, tt := range tests {
		t.Run(tt.asked+" "+tt.started, func(t *testing.T) {
			body := readyBody
			if tt.started != "" {
				body = strings.Replace(readyBody, `{`, `{"generation": "`+tt.started+`", `, 1)
			}
			srv := serve(t, answers{"POST /start_session": respond(200, body), "POST /stop_session": respond(200, "")})
			if err := connect(t, Config{Local: true, BaseURL: srv.URL, Generation: tt.asked}); message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if !slices.Contains(srv.lines(), "POST /stop_session") {
				t.Errorf("the session was not ended: %v", srv.lines())
			}
			if sent := srv.asked()[0].Body; strings.Contains(sent, `"generation":"stepped"`) != (tt.asked == Stepped) {
				t.Errorf("sent %s", sent)
			}
		})
	}
	for r, generation := range map[resource]string{{}: Streamed, {Generation: Streamed}: Streamed, {Generation: Stepped}: Stepped} {
		if err := r.agrees(generation); err != nil {
			t.Error(err)
		}
	}
}

func TestSteppedCloudSession(t *testing.T) {
	srv := serve(t, answers{"POST /sessions": respond(http.StatusUnprocessableEntity, "")})
	_ = connect(t, Config{Model: "acme/m", Token: jwt, BaseURL: srv.URL, Generation: Stepped})
	const want = `{"model":{"name":"acme/m"},"client_info":{"sdk_version":"` + Version + `","sdk_type":"go"},"supported_transports":[{"protocol":"webrtc","version":"1.0"}],"extra_configs":{"generation":"stepped"}}`
	if got := srv.asked()[0].Body; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStepRecords(t *testing.T) {
	const record = `{"step":7,"session_id":"r","files":[{"name":"output.mp4","content_type":"video/mp4","size":3319}],
"usage":[{"kind":"video","track":"main_video","file":"output.mp4","duration_s":0.0416,"frames":1,"fps":24.0,"width":64,"height":64}],
"messages":[{"type":"prog","data":{"n":7}}],"error":null,"save_error":null,"timings":{"generate_s":null,"encode_s":0.011}}`
	srv := serve(t, answers{
		"GET /sessions/s1/steps":              respond(200, `{"steps":[1,7]}`),
		"GET /sessions/s1/steps/7":            respond(200, record),
		"GET /sessions/s1/steps/7/output.mp4": respond(200, "bytes"),
	})
	cfg, _ := Config{SessionID: "s1", Token: jwt, BaseURL: srv.URL, Logger: discard()}.complete()
	s := &Session{cfg: cfg, id: "s1", api: newAPI(cfg)}
	defer s.api.close()
	steps, err := s.Steps(t.Context())
	if !slices.Equal(steps, []uint64{1, 7}) || err != nil {
		t.Errorf("steps: %v, %v", steps, err)
	}
	got, err := s.StepRecord(t.Context(), 7)
	if err != nil || got.Step != 7 || got.Usage[0].Track != "main_video" || got.Messages[0].Data["n"] != 7.0 ||
		got.Timings.GenerateSeconds != nil || *got.Timings.EncodeSeconds != 0.011 || got.Failure != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	var file strings.Builder
	if err := s.DownloadStepFile(t.Context(), 7, got.Files[0].Name, &file); err != nil || file.String() != "bytes" {
		t.Errorf("got %q, %v", file.String(), err)
	}
	if err := s.DownloadStepFile(t.Context(), 7, "../../secret", &file); !errors.Is(err, ErrNotFound) || srv.lines()[3] != "GET /sessions/s1/steps/7/../../secret" {
		t.Errorf("got %v, asked %v", err, srv.lines())
	}
	if _, err := s.StepRecord(t.Context(), 8); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	s.cfg.Local = true
	if _, err := s.Steps(t.Context()); message(err) != "step_files: [INVALID_STATE] only the client that started a stepped session knows where a local runtime keeps its steps" {
		t.Errorf("got %v", err)
	}
}
