package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

func TestConfig(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"cloud", Config{Model: "a/b"}, ""},
		{"local", Config{Local: true}, ""},
		{"adopt", Config{SessionID: "s"}, ""},
		{"nothing", Config{}, "model: must be set"},
		{"not a URL", Config{Model: "m", BaseURL: "localhost:8080"}, `base URL: must be http(s)://host[:port], got "localhost:"`},
		{"secret in the URL", Config{Model: "m", BaseURL: "ftp://u:p@h/?k=v"}, `base URL: must be http(s)://host[:port], got "ftp://h/"`},
		{"codec", Config{Model: "m", Codecs: []string{"vp8", "rtx"}}, `codecs[1]: must be one of vp8, vp9, h264, h265, av1, got "rtx"`},
		{"several", Config{ConnectionID: 3, Local: true, MaxSessionDuration: -1}, "connection id: needs a session id\nmax session duration: must not be negative, got -1ns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.cfg.complete(); message(err) != tt.want {
				t.Errorf("got %q, want %q", message(err), tt.want)
			}
		})
	}
}

func TestBaseURL(t *testing.T) {
	tests := []struct {
		cfg              Config
		base             string
		nearby, loopback bool
	}{
		{Config{Model: "m"}, CloudURL, false, false},
		{Config{Local: true}, LocalURL, true, true},
		{Config{Local: true, BaseURL: CloudURL + "/"}, LocalURL, true, true},
		{Config{Local: true, BaseURL: "http://192.168.1.5:80/"}, "http://192.168.1.5:80", true, false},
		{Config{Local: true, BaseURL: "http://[::1]:80"}, "http://[::1]:80", true, true},
		{Config{Local: true, BaseURL: "http://gpu.example.com"}, "http://gpu.example.com", false, false},
		{Config{Local: true, BaseURL: "http://203.0.113.9"}, "http://203.0.113.9", false, false},
		{Config{Model: "m", BaseURL: "http://localhost:8080"}, "http://localhost:8080", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.base, func(t *testing.T) {
			cfg, err := tt.cfg.complete()
			if err != nil || cfg.BaseURL != tt.base || cfg.nearby() != tt.nearby || cfg.loopback() != tt.loopback {
				t.Errorf("got %s, nearby %v, loopback %v, %v", cfg.BaseURL, cfg.nearby(), cfg.loopback(), err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
	}{
		{"7", 7 * time.Second},
		{"1.5", 1500 * time.Millisecond},
		{"0", 0},
		{"", 0},
		{"-1", 0},
		{"NaN", 0},
		{"Inf", 0},
		{"1e300", 0},
		{"Wed, 21 Oct 2015 07:28:00 GMT", 0},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.in); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.in, got, tt.want)
		}
	}
}

func TestArguments(t *testing.T) {
	ref := FileRef{UploadID: "u1", Name: "a.png", MIMEType: "image/png", Size: 300}
	data, uploads, err := arguments(map[string]any{
		"image": ref, "other": &ref, "text": "x", "list": []any{ref, 1}, "deep": map[string]any{"ref": &ref},
	})
	if err != nil {
		t.Fatal(err)
	}
	inline := map[string]any{"upload_id": "u1", "name": "a.png", "mime_type": "image/png", "size": 300.0}
	want := map[string]any{"text": "x", "list": []any{inline, 1.0}, "deep": map[string]any{"ref": inline}}
	if diff := cmp.Diff(want, wire.Map(data)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	reference := &wire.UploadReference{UploadId: "u1", Name: "a.png", MimeType: "image/png", Size: 300}
	if diff := cmp.Diff(map[string]*wire.UploadReference{"image": reference, "other": reference}, uploads, protocmp.Transform()); diff != "" {
		t.Errorf("uploads (-want +got):\n%s", diff)
	}
}

func ack(id string) answer {
	return answer{data: &wire.DataServerMessage{RequestId: id}, at: time.Unix(1, 0)}
}

func said(id, typ string) answer {
	return answer{data: &wire.DataServerMessage{RequestId: id, Payload: &wire.DataServerMessage_Message{
		Message: &wire.ModelMessage{Type: typ},
	}}}
}

func TestCommandOutcome(t *testing.T) {
	tests := []struct {
		name   string
		happen func(k *calls)
		reply  string
		want   string
	}{
		{"acknowledged", func(k *calls) { k.resolve("data_1", ack("data_1")) }, "", ""},
		{"answered", func(k *calls) { k.resolve("data_1", said("data_1", "done")) }, "done", ""},
		{"refused by broadcast, then acknowledged", func(k *calls) {
			k.refuse("start", "no prompt")
			k.resolve("data_1", ack("data_1"))
		}, "", "command start: [command_error] no prompt"},
		{"acknowledged, then refused by broadcast", func(k *calls) {
			k.resolve("data_1", ack("data_1"))
			k.refuse("start", "no prompt")
		}, "", "command start: [command_error] no prompt"},
		{"another command refused", func(k *calls) {
			k.refuse("stop", "not running")
			k.resolve("data_1", ack("data_1"))
		}, "", ""},
		{"the second of two refused", func(k *calls) {
			k.command("data_2", "command start", "start")
			k.refuse("start", "first")
			k.refuse("start", "second")
			k.resolve("data_1", ack("data_1"))
		}, "", "command start: [command_error] first"},
		{"refused by reply", func(k *calls) {
			k.resolve("data_1", answer{data: &wire.DataServerMessage{RequestId: "data_1", Payload: &wire.DataServerMessage_Error{
				Error: &wire.Error{Code: "invalid_command", Message: "unknown command"},
			}}})
		}, "", "command start: [invalid_command] unknown command"},
		{"lost", func(k *calls) { k.fail(errors.New("cut")) }, "", "command start: [DISCONNECTED] connection lost before the reply (cut), it may have been carried out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var k calls
			call := k.command("data_1", "command start", "start")
			tt.happen(&k)
			reply, err := call.wait(t.Context())
			if reply.Type != tt.reply || message(err) != tt.want {
				t.Errorf("got %q, %v; want %q, %s", reply.Type, err, tt.reply, tt.want)
			}
			if refused := strings.Contains(tt.want, "command_error") || strings.Contains(tt.want, "invalid"); errors.Is(err, ErrRefused) != refused {
				t.Errorf("refused: %v", err)
			}
			if len(k.pending) != 0 && tt.name != "the second of two refused" {
				t.Errorf("left over: %v", k.pending)
			}
		})
	}
}

func TestCommandAfterTheLoss(t *testing.T) {
	var k calls
	k.fail(errors.New("cut"))
	if _, err := k.command("data_1", "command x", "x").wait(t.Context()); !errors.Is(err, ErrDisconnected) {
		t.Errorf("got %v", err)
	}
}

// What finds the connection lost is told apart from what loses its answer.
func TestWriteAfterTheLoss(t *testing.T) {
	c := &conn{lost: make(chan struct{})}
	reply := c.calls.command("data_1", "command x", "x")
	c.lose(errors.New("cut"))
	_, err := reply.wait(t.Context())
	if want := "command x: [DISCONNECTED] connection lost before the reply (cut), it may have been carried out"; message(err) != want || errors.Is(err, ErrNotReady) {
		t.Errorf("in flight: got %v, want %s", err, want)
	}
	err = c.write("command x", &wire.DataClientMessage{Payload: &wire.DataClientMessage_Command{Command: &wire.Command{Type: "x"}}})
	if want := "command x: [INVALID_STATE] connection lost: cut"; message(err) != want || !errors.Is(err, ErrNotReady) || errors.Is(err, ErrDisconnected) {
		t.Errorf("unsent: got %v, want %s", err, want)
	}
}

func TestCommandContext(t *testing.T) {
	var k calls
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.command("data_1", "command x", "x").wait(ctx)
	if !errors.Is(err, context.Canceled) || message(err) != "command x: [ABORTED] canceled" {
		t.Errorf("got %v", err)
	}
	ctx, cancel = context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err = k.command("data_2", "command x", "x").wait(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestTopic(t *testing.T) {
	top := topic[Message]{depth: 3, missed: func(m *Message, n int) { m.Missed = n }}
	seq := top.subscribe(t.Context())
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		top.publish(Message{Type: name})
	}
	top.close()
	var got []Message
	for m := range seq {
		got = append(got, m)
	}
	want := []Message{{Type: "c", Missed: 2}, {Type: "d"}, {Type: "e"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range top.subscribe(t.Context()) {
		t.Error("a closed topic yields")
	}
}

func TestTopicForgetsSubscribers(t *testing.T) {
	top := topic[int]{depth: 1}
	for range top.subscribe(canceled(t)) {
		t.Error("yields after the context ended")
	}
	top.publish(1)
	seq := top.subscribe(t.Context())
	top.publish(2)
	for range seq {
		break
	}
	top.mu.Lock()
	defer top.mu.Unlock()
	if len(top.subs) != 0 {
		t.Errorf("%d subscribers left", len(top.subs))
	}
}

func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestPacketQueue(t *testing.T) {
	var q packetQueue
	q.init()
	const extra = 100
	for i := range packetDepth + extra {
		q.push(Packet{Packet: &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i)}}})
	}
	if got := q.dropped.Load(); got != extra {
		t.Errorf("dropped %d, want %d", got, extra)
	}
	for i := range packetDepth {
		p, ok := q.pop()
		if !ok || p.SequenceNumber != uint16(i+extra) {
			t.Fatalf("packet %d: %v, %v", i, p.Packet, ok)
		}
	}
	if _, ok := q.pop(); ok {
		t.Error("the queue is not empty")
	}
}

func TestSenderTime(t *testing.T) {
	track := newTrack(&Session{}, TrackInfo{Name: "v"})
	if _, ok := track.SenderTime(0); ok {
		t.Error("a time without a report")
	}
	wall := ntpTime(3_987_654_321<<32 | 1<<31)
	if want := time.Unix(3_987_654_321-2_208_988_800, 500_000_000).UTC(); !wall.Equal(want) {
		t.Errorf("NTP: got %v, want %v", wall, want)
	}
	first := &remoteSource{}
	first.report.Store(&senderReport{rtp: 1<<32 - 45000, wall: wall, clock: 90000})
	track.source.Store(first)
	tests := []struct {
		name string
		rtp  uint32
		want time.Duration
	}{
		{"at the report", 1<<32 - 45000, 0},
		{"behind the wrap", 45000, time.Second},
		{"before the report", 1<<32 - 135000, -time.Second},
	}
	for _, tt := range tests {
		if got, ok := track.SenderTime(tt.rtp); !ok || got.Sub(wall) != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got.Sub(wall), tt.want)
		}
	}
	track.source.Store(&remoteSource{})
	if at, ok := track.SenderTime(45000); ok {
		t.Errorf("after a reconnect, by a report from before: %v", at)
	}
}

func TestTicks(t *testing.T) {
	tests := []struct {
		pts  time.Duration
		want uint32
	}{
		{0, 0},
		{time.Second, 90000},
		{33333333 * time.Nanosecond, 2999},
		{13*time.Hour + 15*time.Minute + 21*time.Second + 858*time.Millisecond, uint32((47721858 * 90) % (1 << 32))},
		{1000 * 24 * time.Hour, uint32(1000 * 24 * 3600 * 90000 % (1 << 32))},
	}
	for _, tt := range tests {
		if got := ticks(tt.pts, 90000); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.pts, got, tt.want)
		}
	}
}

func TestPacer(t *testing.T) {
	var p pacer
	now := time.Unix(1000, 0)
	var total time.Duration
	for i := range 60 { // a keyframe of 600 packets
		total = p.reserve(now, burst)
		if want := time.Duration(i) * time.Millisecond; total != want {
			t.Fatalf("burst %d waits %v, want %v", i, total, want)
		}
	}
	if got := p.reserve(now.Add(time.Minute), burst); got != 0 {
		t.Errorf("after a pause: %v", got)
	}
}

func TestPublicationTag(t *testing.T) {
	video := newTrack(&Session{}, TrackInfo{Name: "v", Kind: Video, Direction: SendOnly})
	tests := []struct {
		name     string
		codec    string
		sample   Sample
		trailers bool
		want     *wire.FrameMetadata
	}{
		{"plain", "vp8", Sample{}, true, nil},
		{"not agreed", "vp8", Sample{UserData: []byte("x")}, false, nil},
		{"user data", "vp8", Sample{UserData: []byte("x")}, true, &wire.FrameMetadata{FrameId: 1, UserData: []byte("x")}},
		{"empty user data", "vp8", Sample{UserData: []byte{}}, true, &wire.FrameMetadata{FrameId: 1}},
		{"time and id", "vp9", Sample{FrameID: 9, CaptureTime: 1500 * time.Microsecond}, true, &wire.FrameMetadata{FrameId: 9, CaptureTimeUs: 1500}},
		{"a start code in the trailer", "h264", Sample{UserData: []byte{0, 0, 1}}, true, nil},
		{"none in it", "h264", Sample{UserData: []byte{0, 1}}, true, &wire.FrameMetadata{FrameId: 1, UserData: []byte{0, 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPublication(video, codecAnswer{name: tt.codec, clock: 90000})
			tt.sample.Data = []byte{1, 2, 3}
			payload, md := wire.SplitTrailer(p.tag(tt.sample, tt.trailers))
			if diff := cmp.Diff(tt.want, md, protocmp.Transform()); diff != "" {
				t.Errorf("metadata (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]byte{1, 2, 3}, payload); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPacketize(t *testing.T) {
	video := newTrack(&Session{}, TrackInfo{Name: "v", Kind: Video, Direction: SendOnly})
	p := newPublication(video, codecAnswer{name: "vp8", clock: 90000})
	p.payload.Store(96)
	first, base := p.sequence, p.base
	for i := range uint32(2) {
		packets := p.packetize(Sample{Data: make([]byte, 3000), PTS: time.Duration(i) * time.Second}, false)
		if len(packets) != 3 {
			t.Fatalf("%d packets, want 3", len(packets))
		}
		for j, packet := range packets {
			if packet.SequenceNumber != first || packet.Timestamp != base+i*90000 || packet.Marker != (j == 2) || packet.PayloadType != 96 {
				t.Errorf("packet %d.%d: %+v", i, j, packet.Header)
			}
			if packet.MarshalSize() > 1188 {
				t.Errorf("packet %d.%d has %d bytes", i, j, packet.MarshalSize())
			}
			first++
		}
	}
}

func TestUploadInfo(t *testing.T) {
	tests := []struct {
		name string
		info UploadInfo
		data string
		want UploadInfo
		err  string
	}{
		{"size unknown", UploadInfo{Name: "dir/a.png"}, "abc", UploadInfo{Name: "a.png", MIMEType: "image/png", Size: 3}, ""},
		{"size given", UploadInfo{Name: "x", MIMEType: "a/b", Size: 2}, "abc", UploadInfo{Name: "x", MIMEType: "a/b", Size: 2}, ""},
		{"no name", UploadInfo{}, "abc", UploadInfo{Name: "upload", MIMEType: "application/octet-stream", Size: 3}, ""},
		{"empty", UploadInfo{}, "", UploadInfo{Name: "upload", MIMEType: "application/octet-stream"}, "the file is empty"},
		{"negative", UploadInfo{Size: -1}, "", UploadInfo{Name: "upload", MIMEType: "application/octet-stream", Size: -1}, "size: must not be negative, got -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, got, err := tt.info.complete(strings.NewReader(tt.data))
			if !cmp.Equal(got, tt.want) || message(err) != tt.err {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil {
				return
			}
			if b, _ := io.ReadAll(r); int64(len(b)) != tt.want.Size {
				t.Errorf("%d bytes", len(b))
			}
		})
	}
}

func TestPut(t *testing.T) {
	var h http.Header
	srv := serve(t, answers{
		"PUT /ok":      func(_ http.ResponseWriter, r *http.Request) { h = r.Header },
		"PUT /refused": respond(400, `{"detail": "expected 5 bytes, got 3"}`),
	})
	a := newAPI(Config{BaseURL: srv.URL, APIKey: key, Token: jwt, Logger: discard()})
	defer a.close()
	tests := []struct{ name, url, data, want string }{
		{"stored", srv.URL + "/ok?sig=secret", "abcde", ""},
		{"refused", srv.URL + "/refused?sig=secret", "abcde", "upload: [BAD_REQUEST] unexpected HTTP status 400 from upload of the file: expected 5 bytes, got 3"},
		{"too short", srv.URL + "/ok?sig=secret", "abc", "upload: [NETWORK_ERROR] upload of the file at " + srv.URL + ": http: ContentLength=5 with Body length 3"},
		{"no address", "ftp://x/?sig=secret", "abcde", "upload: [DECODE_FAILED] create upload: the answer's address is not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := a.put(t.Context(), tt.url, strings.NewReader(tt.data), UploadInfo{MIMEType: "image/png", Size: 5})
			if message(err) != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	if h.Get("Authorization") != "" || h.Get("Reactor-API-Key") != "" || h.Get("Content-Type") != "image/png" {
		t.Errorf("headers: %v", h)
	}
}

func TestUploadURL(t *testing.T) {
	local := &api{base: "http://10.0.0.2:8080", local: true}
	cloud := &api{base: "https://api.example.com"}
	tests := []struct {
		api      *api
		in, want string
	}{
		{local, "http://internal:9/uploads/1", "http://10.0.0.2:8080/uploads/1"},
		{local, "/uploads/1", "http://10.0.0.2:8080/uploads/1"},
		{cloud, "https://store.example.com/x?sig=1", "https://store.example.com/x?sig=1"},
	}
	for _, tt := range tests {
		if got, err := tt.api.uploadURL(tt.in); got != tt.want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestSections(t *testing.T) {
	const answer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 98 102\r\na=mid:0\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\n" +
		"a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=0;profile-level-id=42e01f\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n" +
		"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\n"
	got, err := sections(answer)
	if err != nil {
		t.Fatal(err)
	}
	want := []section{
		{codecs: []codecAnswer{{"vp9", 98, 90000, "profile-id=0"}, {"h264", 102, 90000, "packetization-mode=0;profile-level-id=42e01f"}}},
		{codecs: []codecAnswer{{"opus", 111, 48000, ""}}},
		{rejected: true},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(section{}, codecAnswer{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got[0].codecs[1].sendable() || !got[0].codecs[0].sendable() {
		t.Error("H.264 without packetization-mode 1 cannot be sent; VP9 can")
	}
	if _, err := sections("nonsense"); err == nil {
		t.Error("nonsense was read")
	}
}

func FuzzSections(f *testing.F) {
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 VP9/90000\r\n")
	f.Add("v=0\r\nm=video 0 X 300 -1 a\r\na=rtpmap:300 /\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		parts, err := sections(answer)
		if err != nil {
			return
		}
		for _, p := range parts {
			for _, c := range p.codecs {
				if c.pt > 127 || c.name == "" || c.clock == 0 {
					t.Fatalf("%+v", c)
				}
			}
		}
	})
}

// TestNotReadyIsNotReady: a connection is gone a moment before the status says so.
func TestNotReadyIsNotReady(t *testing.T) {
	for status, want := range map[Status]string{
		StatusReconnecting: "get_stats: [INVALID_STATE] session is reconnecting, not ready",
		StatusReady:        "get_stats: [INVALID_STATE] session is between two connections, not ready",
	} {
		s := &Session{status: status}
		if _, err := s.Stats(t.Context()); message(err) != want || !errors.Is(err, ErrNotReady) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
