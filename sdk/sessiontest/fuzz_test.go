package sessiontest

import (
	"bytes"
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// FuzzClientMessage holds what a client may say against a model: commands, and
// steps with their frames. Nothing of it may do more than be refused.
func FuzzClientMessage(f *testing.F) {
	data, err := wire.NewStruct(map[string]any{"size": 16, "frames": 2.5, "mode": nil, "x": []any{map[string]any{"upload_id": "u"}}})
	if err != nil {
		f.Fatal(err)
	}
	frame := &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_RAW, Dtype: "uint8", Shape: []uint32{2, 2, 3}, Data: make([]byte, 12)}
	coded := &wire.Frame{Encoding: wire.FrameEncoding_FRAME_ENCODING_H264, Dtype: "uint8", Shape: []uint32{120, 160, 3}, Data: H264Clip().Frames[0]}
	for _, m := range []*wire.DataClientMessage{
		{RequestId: "1", Payload: &wire.DataClientMessage_Command{Command: &wire.Command{Type: "set_mode", Data: data}}},
		{RequestId: "2", Payload: &wire.DataClientMessage_RequestStep{RequestStep: &wire.RequestStep{
			State: data, Commands: []*wire.Command{{Type: "say", Data: data}},
			MediaInput: []*wire.TrackFrames{{Track: "webcam", Kind: wire.TrackKind_TRACK_KIND_VIDEO, Frames: []*wire.Frame{frame, coded}}},
		}}},
	} {
		seed, err := wire.EncodeClient(wire.V1, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed.Text, seed.Data)
	}
	f.Add(true, []byte(`{"scope": "application", "data": {"type": "set_frames", "data": {"frames": 1e400}}}`))
	model := StepModel()
	f.Fuzz(func(_ *testing.T, text bool, message []byte) {
		m, err := wire.DecodeClient(wire.DataChannel, text, message)
		if err != nil {
			return
		}
		asked, ok := proto.Message(m).(*wire.DataClientMessage)
		if !ok {
			return
		}
		if cmd := asked.GetCommand(); cmd != nil {
			args := arguments(cmd)
			for _, v := range args {
				_ = references(v)
			}
			_, _, _ = model.check(cmd.GetType(), args)
		}
		step := asked.GetRequestStep()
		if checkStreams(step.GetMediaInput()) == nil {
			for _, track := range step.GetMediaInput() {
				for _, frame := range track.GetFrames() {
					_ = frameRefusal(frame, Video)
					_ = frameRefusal(frame, Audio)
				}
			}
		}
		_ = model.checkCalls(stepCalls(step))
	})
}

// FuzzUpload: a file is taken whole, or not at all.
func FuzzUpload(f *testing.F) {
	f.Add(int64(3), []byte("png"))
	f.Add(int64(0), []byte{})
	f.Add(int64(1<<62), []byte("x"))
	f.Fuzz(func(t *testing.T, size int64, body []byte) {
		if size < 0 {
			return // refused when it is announced
		}
		u := &upload{size: size}
		if detail := u.read(bytes.NewReader(body)); (detail == "") != (size == int64(len(body))) {
			t.Errorf("%d bytes for %d: %q", len(body), size, detail)
		}
	})
}

// FuzzOffer reads what is ours in an offer.
func FuzzOffer(f *testing.F) {
	f.Add("v=0\r\na=x-reactor-frame-metadata:1\r\na=x-reactor-dc-chunking:1 max-message-size=67108864\r\nm=video 9 X 96\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\na=recvonly\r\n")
	f.Add("m=audio 0 X\r\na=mid:\r\nm=video\r\nm=")
	f.Fuzz(func(t *testing.T, sdp string) {
		for _, s := range sections(sdp) {
			_ = s.common(videoCodecs())
		}
		agreed := wire.ParseFeatures(sdp)
		if agreed.MaxMessage < 0 {
			t.Errorf("messages of %d bytes", agreed.MaxMessage)
		}
		_ = agreed.Insert(sdp)
	})
}

// FuzzTrouble: what is trouble stays what it is on the way out and back in.
func FuzzTrouble(f *testing.F) {
	f.Add([]byte(`{"http": {"POST /start_session": [{"status": 429, "retry_after": "7", "delay": "1ms", "times": 1}]}}`))
	f.Add([]byte(`{"messages": {"control": [{"of": "clip_ready", "delay": "2s"}]}, "show": "black", "clock_skew": "-1h"}`))
	f.Add([]byte(`{"network": {"drop": 0.05, "delay": "40ms", "jitter": "10ms", "bandwidth": 1000000}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var first, second Trouble
		if json.Unmarshal(text, &first) != nil || first.Validate() != nil {
			return
		}
		once, err := json.Marshal(first)
		if err == nil {
			err = json.Unmarshal(once, &second)
		}
		if err != nil {
			t.Fatalf("%v in %s", err, once)
		}
		if twice, err := json.Marshal(second); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%v: %s became %s", err, once, twice)
		}
	})
}
