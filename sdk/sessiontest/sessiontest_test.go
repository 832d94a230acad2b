package sessiontest_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// brightness is a model with a picture and a few commands.
func brightness() sessiontest.Model {
	return sessiontest.Model{
		Name:   "brightness",
		Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
		Commands: []sessiontest.Command{
			{
				Name: "set_brightness", Reply: "brightness_set",
				Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2), Default: 1.0}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					return &sessiontest.Message{Type: "brightness_set", Data: c.Args}, nil
				},
			},
			{Name: "set_paused", Args: []sessiontest.Arg{{Name: "paused", Type: sessiontest.Boolean(), Default: false}}},
			{
				Name: "set_image", Reply: "image_set",
				Args: []sessiontest.Arg{{Name: "image", Type: sessiontest.File()}},
				Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
					u := c.Args["image"].(*sessiontest.Upload)
					if !strings.HasPrefix(u.MIMEType, "image/") {
						return nil, &sessiontest.CommandError{Code: "unsupported_media", Message: u.Name + " is not an image."}
					}
					return &sessiontest.Message{Type: "image_set", Data: map[string]any{"filename": u.Name, "bytes": len(u.Data)}}, nil
				},
			},
			{Name: "crash", Handle: func(context.Context, *sessiontest.Call) (*sessiontest.Message, error) { panic("oops") }},
		},
		Messages: []sessiontest.MessageType{
			{Name: "brightness_set", Fields: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number()}}},
			{Name: "image_set", Fields: []sessiontest.Arg{{Name: "filename", Type: sessiontest.String()}}},
		},
	}
}

func TestVideoStartsWithAKeyframe(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			srv := sessiontest.New(t, brightness())
			start(t, srv)
			c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}, codecs: []string{codec}})
			c.resume("main_video")
			first := c.frame("main_video")
			if got, want := first[0].codec, payloadTypes[codec].MimeType; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			keyframe := map[string]func(packet) bool{
				"vp8":  isVP8Keyframe,
				"vp9":  func(p packet) bool { return p.payload[0]&0x40 == 0 },
				"h264": func(p packet) bool { return p.payload[0]&0x1f == 24 }, // SPS and PPS as STAP-A
			}
			if !keyframe[codec](first[0]) {
				t.Errorf("the first packet starts no keyframe: % x", first[0].payload[:8])
			}
			second := c.frame("main_video")
			if ticks := second[0].timestamp - first[0].timestamp; ticks < 1000 || ticks > 90000 {
				t.Errorf("got %d ticks between two pictures", ticks)
			}
		})
	}
}

func TestServerChoosesTheCodec(t *testing.T) {
	m := brightness()
	m.Tracks[0].Codecs = []string{"h264", "vp8"}
	srv := sessiontest.New(t, m)
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}, codecs: []string{"vp9", "vp8", "h264"}})
	c.resume("main_video")
	if got := c.frame("main_video")[0].codec; got != webrtc.MimeTypeH264 {
		t.Errorf("got %s, want the server's first", got)
	}
	if demand := srv.Output("main_video").Demand(); len(demand) != 1 || demand[0].Codec != "h264" || demand[0].Viewers != 1 {
		t.Errorf("got demand %+v", demand)
	}
}

func TestNoCommonCodecRejectsTheSection(t *testing.T) {
	m := brightness()
	m.Tracks[0].Codecs = []string{"h264"}
	srv := sessiontest.New(t, m)
	start(t, srv)
	c := &client{t: t, cfg: clientConfig{tracks: []clientTrack{video("main_video")}}, url: srv.URL() + "/sessions/" + localID + "/transport/webrtc", packets: map[string]chan packet{}, lost: make(chan struct{})}
	c.newPeer()
	defer c.close()
	_, err := c.pc.CreateDataChannel("data", nil)
	c.must(err)
	sdp, err := c.pc.CreateOffer(nil)
	c.must(err)
	c.offer(sdp.SDP)
	if answer := c.fetchAnswer(); !strings.Contains(answer, "m=video 0 ") {
		t.Errorf("got\n%s", answer)
	}
}

func TestPauseAndResume(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.ping()
	out := srv.Output("main_video")
	if demand := out.Demand(); demand != nil {
		t.Fatalf("watched before resume: %+v", demand)
	}
	c.resume("main_video")
	if p := c.frame("main_video")[0]; !isVP8Keyframe(p) {
		t.Errorf("the first packet after resume starts no keyframe: % x", p.payload[:5])
	}
	c.pause("main_video")
	for len(out.Demand()) > 0 {
		<-time.After(time.Millisecond)
	}
	c.resume("main_video")
	for len(out.Demand()) == 0 {
		<-time.After(time.Millisecond)
	}
}

func TestPLIBringsAKeyframe(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	c.frame("main_video")
	ssrc := c.pc.GetReceivers()[0].Track().SSRC()
	for range 10 {
		c.must(c.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(ssrc)}}))
		for n := 1; n < 60; n++ { // the clip is 60 pictures long
			if isVP8Keyframe(c.frame("main_video")[0]) {
				return
			}
		}
		c.frame("main_video") // the clip's own
	}
	t.Error("no keyframe")
}

func TestCommands(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	tests := []struct {
		name, command string
		args          map[string]any
		want          string
	}{
		{"reply", "set_brightness", map[string]any{"brightness": 1.5}, `brightness_set {"brightness":1.5}`},
		{"default", "set_brightness", nil, `brightness_set {"brightness":1}`},
		{"ack", "set_paused", map[string]any{"paused": true}, `ack`},
		{"unknown", "nope", nil, `invalid_command: unknown command`},
		{"constraint", "set_brightness", map[string]any{"brightness": 9}, `invalid_command: brightness: 9.0 > le(2.0)`},
		{"panic", "crash", nil, `internal_error: The handler raised an unexpected error.`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(t, c.command(tt.command, tt.args, nil)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func describe(t *testing.T, m *wire.DataServerMessage) string {
	t.Helper()
	switch {
	case m.GetError() != nil:
		return m.GetError().GetCode() + ": " + m.GetError().GetMessage()
	case m.GetMessage() != nil:
		return m.GetMessage().GetType() + " " + asJSON(t, wire.Map(m.GetMessage().GetData()))
	}
	return "ack"
}

func TestUploads(t *testing.T) {
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: brightness(), UploadTimeout: 50 * time.Millisecond})
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	put := func(name, mime, content string) string {
		var slot struct {
			ID  string `json:"presigned_id"`
			URL string `json:"presigned_url"`
		}
		want(t, 201, &slot, "POST", srv.URL()+"/sessions/"+localID+"/uploads", asJSON(t, map[string]any{"name": name, "size": len(content), "mime_type": mime}))
		if status, _, body := request(t, "PUT", slot.URL, content+"x"); status != 400 || !strings.Contains(body, "bytes, got more") {
			t.Errorf("too long: %d %s", status, body)
		}
		want(t, 200, nil, "PUT", slot.URL, content)
		want(t, 409, nil, "PUT", slot.URL, content)
		return slot.ID
	}
	png, text := put("a.png", "image/png", "PNG..."), put("a.txt", "text/plain", "hello")
	tests := []struct {
		name    string
		args    map[string]any
		uploads map[string]*wire.UploadReference
		want    string
	}{
		{"beside", nil, map[string]*wire.UploadReference{"image": {UploadId: png}}, `image_set {"bytes":6,"filename":"a.png"}`},
		{"inline", map[string]any{"image": map[string]any{"upload_id": png}}, nil, `image_set {"bytes":6,"filename":"a.png"}`},
		{"refused", nil, map[string]*wire.UploadReference{"image": {UploadId: text}}, `unsupported_media: a.txt is not an image.`},
		{"missing", nil, nil, `invalid_command: missing required argument`},
		{"no reference", map[string]any{"image": "a.png"}, nil, `invalid_command: expected an upload reference with a string 'upload_id'`},
		{"never came", nil, map[string]*wire.UploadReference{"image": {UploadId: "nope"}}, `unresolved_upload: command 'set_image' references an unresolved upload`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(t, c.command("set_image", tt.args, tt.uploads)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestBroadcastWaitsForTheCodec(t *testing.T) {
	connected := make(chan struct{}, 1)
	m := brightness()
	m.Connected = func(string, uint32) { connected <- struct{}{} }
	tests := []struct {
		name  string
		plain bool
	}{{"chunked", false}, {"plain", true}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := sessiontest.New(t, m)
			start(t, srv)
			c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}, plain: tt.plain})
			c.wait(connected, "connection")
			srv.Broadcast("tick", map[string]any{"n": 1})
			c.ping()
			if got, want := describe(t, take(t, c.data, "broadcast")), `tick {"n":1}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestOldCodec(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}, plain: true})
	c.must(c.dcs[wire.DataChannel].SendText(`{"scope":"application","data":{"type":"set_brightness","data":{"brightness":0.5}}}`))
	if got, want := take(t, c.texts, "reply"), `{"scope":"application","data":{"type":"brightness_set","data":{"brightness":0.5}}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSeveralConnectionsArbitratePublishing(t *testing.T) {
	m := brightness()
	m.Tracks = append(m.Tracks, sessiontest.Track{Name: "webcam", Direction: sessiontest.SendOnly})
	srv := sessiontest.New(t, m)
	start(t, srv)
	tracks := []clientTrack{video("main_video")}
	a, b := connect(t, srv, clientConfig{tracks: tracks}), connect(t, srv, clientConfig{tracks: tracks})
	for i, want := range []string{"", "publish_refused: track already published"} {
		if got := []*client{a, b}[i].publish("webcam"); got != want {
			t.Errorf("client %d: got %q, want %q", i, got, want)
		}
	}
	if srv.Connections() != 2 {
		t.Errorf("got %d connections, want 2", srv.Connections())
	}
	a.send(&wire.ControlClientMessage{Kind: 3, Payload: &wire.ControlClientMessage_UnpublishTrack{UnpublishTrack: &wire.UnpublishTrack{Name: "webcam"}}})
	a.command("set_paused", nil, nil)
	for b.publish("webcam") != "" {
		<-time.After(5 * time.Millisecond)
	}
}

func TestPublishedTrackReachesTheModel(t *testing.T) {
	type arrival struct {
		track, codec string
		published    bool
		payload      []byte
	}
	arrivals := make(chan arrival, 100)
	m := brightness()
	m.Tracks = append(m.Tracks, sessiontest.Track{Name: "webcam", Direction: sessiontest.SendOnly})
	m.Receive = func(_ context.Context, in *sessiontest.Input) {
		if err := in.RequestKeyframe(); err != nil {
			t.Error(err)
		}
		for {
			p, err := in.ReadRTP()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Logf("end of track: %v", err)
				}
				return
			}
			select {
			case arrivals <- arrival{in.Track, in.Codec(), in.Published(), p.Payload}:
			default:
			}
		}
	}
	srv := sessiontest.New(t, m)
	start(t, srv)
	c := connect(t, srv, clientConfig{codecs: []string{"vp8"}, tracks: []clientTrack{
		{"webcam", webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverDirectionSendonly, "vp8"},
		video("main_video"),
	}})
	if refusal := c.publish("webcam"); refusal != "" {
		t.Fatal(refusal)
	}
	feedback := make(chan string, 100)
	go func() {
		for {
			packets, _, err := c.senders["webcam"].ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				switch p.(type) {
				case *rtcp.PictureLossIndication:
					feedback <- "pli"
				case *rtcp.TransportLayerCC:
					feedback <- "twcc"
				}
			}
		}
	}()
	seen := map[string]bool{}
	frames := sessiontest.VP8Clip().Frames
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var got *arrival
	for i := 0; got == nil || !seen["pli"] || !seen["twcc"]; i++ {
		if i == 300 {
			t.Fatalf("got %v and feedback %v", got, seen)
		}
		c.must(c.local["webcam"].WriteSample(media.Sample{Data: frames[i%len(frames)], Duration: 20 * time.Millisecond}))
		<-tick.C
		select {
		case a := <-arrivals:
			got = &a
		case f := <-feedback:
			seen[f] = true
		default:
		}
	}
	if got.track != "webcam" || got.codec != "vp8" || !got.published || len(got.payload) == 0 {
		t.Errorf("got %+v", got)
	}
}

func TestReconnectKeepsTheSession(t *testing.T) {
	events := make(chan string, 10)
	m := brightness()
	m.Connected = func(string, uint32) { events <- "connected" }
	m.Disconnected = func(string, uint32) { events <- "disconnected" }
	srv := sessiontest.New(t, m)
	start(t, srv)
	tracks := []clientTrack{video("main_video")}
	a := connect(t, srv, clientConfig{tracks: tracks, id: 2000})
	if got := take(t, events, "event"); got != "connected" {
		t.Fatalf("got %s", got)
	}
	t.Run("before the loss is noticed", func(t *testing.T) {
		b := connect(t, srv, clientConfig{tracks: tracks, id: 2000, method: "PUT"})
		a.wait(a.lost, "end of the connection before")
		b.resume("main_video")
		b.frame("main_video")
	})
	t.Run("after", func(t *testing.T) {
		srv.Drop()
		if got := take(t, events, "event"); got != "disconnected" {
			t.Fatalf("got %s", got)
		}
		var d struct{ State string }
		want(t, 200, &d, "GET", srv.URL()+"/session", "")
		if d.State != "orphaned" {
			t.Errorf("got state %s", d.State)
		}
		c := connect(t, srv, clientConfig{tracks: tracks, id: 2000, method: "PUT"})
		if got := take(t, events, "event"); got != "connected" {
			t.Fatalf("got %s", got)
		}
		c.resume("main_video")
		c.frame("main_video")
	})
}

func TestOrphanedSessionEnds(t *testing.T) {
	ended := make(chan string, 1)
	m := brightness()
	m.Ended = func(_, reason string) { ended <- reason }
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, OrphanTimeout: 20 * time.Millisecond})
	start(t, srv)
	if got := take(t, ended, "end"); got != "timed_out" {
		t.Errorf("got %s", got)
	}
}

func TestSilentClientIsDropped(t *testing.T) {
	lost := make(chan struct{}, 1)
	m := brightness()
	m.Disconnected = func(string, uint32) { lost <- struct{}{} }
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, PingTimeout: 100 * time.Millisecond})
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.wait(lost, "loss")
}

func TestEndNotices(t *testing.T) {
	tests := []struct {
		name, body, want string
	}{
		{"plain", "", ""},
		{"reason", `{"reason":"enough"}`, "ended: enough"},
		{"moderated", `{"moderate":true,"reason":"enough"}`, "terminate: Session terminated due to policy violation."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := sessiontest.New(t, brightness())
			start(t, srv)
			c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
			c.ping()
			c.command("set_paused", nil, nil)
			want(t, 200, nil, "POST", srv.URL()+"/stop_session", tt.body)
			c.wait(c.lost, "end of the connection")
			got := ""
			select {
			case m := <-c.control:
				if e := m.GetSessionEnded(); e != nil {
					got = "ended: " + e.GetReason()
				}
				if e := m.GetModeration(); e != nil {
					got = e.GetAction() + ": " + e.GetMessage()
				}
			default:
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTimeLimitEndsTheSession(t *testing.T) {
	ended := make(chan string, 1)
	m := brightness()
	m.Ended = func(_, reason string) { ended <- reason }
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: m, SessionLimit: 20 * time.Millisecond})
	start(t, srv)
	if got := take(t, ended, "end"); got != "timed_out" {
		t.Errorf("got %s", got)
	}
	if all := events(t, srv, "cleanup_complete"); !slices.Contains(all, "timeout waiting closing") {
		t.Errorf("got %v", all)
	}
}

func TestLossIsRepaired(t *testing.T) {
	srv := sessiontest.New(t, sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Codecs: []string{"vp8"}}}})
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	out, frames := srv.Output("main_video"), sessiontest.VP8Clip().Frames
	for len(out.Demand()) == 0 {
		<-out.Changed()
	}
	out.Send(sessiontest.Sample{Data: frames[0], Keyframe: true})
	c.frame("main_video")
	srv.SetNetwork(sessiontest.Network{Drop: 0.1, Reorder: 0.1, Duplicate: 0.1, Seed: 1})
	const packets = 300
	var first, before uint16
	inOrder, highest := 0, -1 // of the first
	got := map[int]bool{}
	receive := func() {
		for range len(c.packets["main_video"]) {
			p := <-c.packets["main_video"]
			if len(got) == 0 {
				first = p.sequence
			}
			if p.sequence == before+1 {
				inOrder++
			}
			before = p.sequence
			n := int(int16(p.sequence - first))
			got[n], highest = true, max(highest, n)
		}
	}
	missing := func() (n int) {
		for i := range packets {
			if !got[i] {
				n++
			}
		}
		return n
	}
	giveUp := time.After(patience)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for i := 1; highest < packets || missing() > 0; i++ {
		if highest >= packets { // what is asked for is not long past then
			tick.Reset(100 * time.Millisecond)
		}
		select {
		case <-tick.C:
		case <-giveUp:
			t.Fatalf("%d of %d packets are missing: they were not repaired", missing(), packets)
		}
		// What may follow a picture that found no room is a keyframe alone.
		out.Send(sessiontest.Sample{Data: frames[1+i%59], Keyframe: true, PTS: time.Duration(i) * 3 * time.Millisecond})
		receive()
	}
	if inOrder > highest-packets/30 {
		t.Errorf("%d of %d in order: nothing was disturbed", inOrder, highest)
	}
}

func TestBurstIsPaced(t *testing.T) {
	srv := sessiontest.New(t, sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Codecs: []string{"vp8"}}}})
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}})
	c.resume("main_video")
	out := srv.Output("main_video")
	for len(out.Demand()) == 0 {
		<-out.Changed()
	}
	const packets = 200 // a keyframe at 1080p
	begin := time.Now()
	out.Send(sessiontest.Sample{Data: make([]byte, packets*(1190-4)), Keyframe: true})
	first := take(t, c.packets["main_video"], "packet")
	frame := map[uint16]bool{first.sequence: true}
	giveUp := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond) // what is asked for is not long past then
	defer tick.Stop()
	for len(frame) < packets { // a receiver that is held up asks for what it lost, once more comes
		select {
		case p := <-c.packets["main_video"]:
			if p.timestamp == first.timestamp {
				frame[p.sequence] = true
			}
		case <-tick.C:
			out.Send(sessiontest.Sample{Data: []byte{1}, PTS: time.Since(begin)})
		case <-giveUp:
			t.Fatalf("got %d of %d packets", len(frame), packets)
		}
	}
	if took := time.Since(begin); took < (packets/10-1)*time.Millisecond {
		t.Errorf("sent within %s: faster than ten a millisecond", took)
	}
}

func TestREMBReachesThePublisher(t *testing.T) {
	m := sessiontest.Model{
		Tracks: []sessiontest.Track{{Name: "webcam", Direction: sessiontest.SendOnly}},
		Receive: func(_ context.Context, in *sessiontest.Input) {
			if err := in.SendREMB(123_000); err != nil {
				t.Error(err)
			}
		},
	}
	srv := sessiontest.New(t, m)
	start(t, srv)
	c := connect(t, srv, clientConfig{tracks: []clientTrack{{"webcam", webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverDirectionSendonly, "vp8"}}})
	bitrate := make(chan float32, 1)
	go func() {
		for {
			packets, _, err := c.senders["webcam"].ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if remb, ok := p.(*rtcp.ReceiverEstimatedMaximumBitrate); ok {
					bitrate <- remb.Bitrate
					return
				}
			}
		}
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range 300 {
		select {
		case got := <-bitrate:
			if got < 122_000 || got > 124_000 { // the format rounds
				t.Errorf("got %v", got)
			}
			return
		case <-tick.C:
			c.must(c.local["webcam"].WriteSample(media.Sample{Data: sessiontest.VP8Clip().Frames[i%60], Duration: 10 * time.Millisecond}))
		}
	}
	t.Error("no REMB")
}

func TestTrailer(t *testing.T) {
	m := sessiontest.Model{Tracks: []sessiontest.Track{{Name: "main_video", Codecs: []string{"vp8"}}}}
	srv := sessiontest.New(t, m)
	start(t, srv)
	out := srv.Output("main_video")
	send := func(c *client) []byte {
		c.resume("main_video")
		for len(out.Demand()) == 0 {
			<-out.Changed()
		}
		out.Send(sessiontest.Sample{Data: sessiontest.VP8Clip().Frames[0], Keyframe: true, Metadata: &sessiontest.Metadata{UserData: []byte("hi"), CaptureTime: time.Second}})
		var unit []byte
		for _, p := range c.frame("main_video") {
			unit = append(unit, p.payload[4:]...)
		}
		c.pause("main_video")
		for len(out.Demand()) > 0 {
			<-out.Changed()
		}
		return unit
	}
	with := send(connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}}))
	payload, tag := wire.SplitTrailer(with)
	if tag == nil || string(tag.GetUserData()) != "hi" || tag.GetFrameId() != 1 || tag.GetCaptureTimeUs() != 1e6 {
		t.Errorf("got %v", tag)
	}
	without := send(connect(t, srv, clientConfig{tracks: []clientTrack{video("main_video")}, plain: true}))
	if !cmp.Equal(payload, without) {
		t.Errorf("without the feature: %d bytes, want %d", len(without), len(payload))
	}
}
