package sessiontest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// patience bounds everything that is waited for; only a failure takes so long.
const patience = 2 * time.Minute

const localID = "00000000-0000-0000-0000-000000000000"

// request does one HTTP request and returns status, headers and body.
func request(t *testing.T, method, url, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// want does a request that has to answer with a status, and decodes the body
// into v where v is not nil.
func want(t *testing.T, status int, v any, method, url, body string, header ...string) {
	t.Helper()
	got, _, b := request(t, method, url, body, header...)
	if got != status {
		t.Fatalf("%s %s: got %d %s, want %d", method, url, got, b, status)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(b), v); err != nil {
		t.Fatalf("%s %s: %v in %s", method, url, err, b)
	}
}

// clientTrack is a track that the client offers.
type clientTrack struct {
	name      string
	kind      webrtc.RTPCodecType
	direction webrtc.RTPTransceiverDirection
	codec     string // of what is sent
}

func video(name string) clientTrack {
	return clientTrack{name: name, kind: webrtc.RTPCodecTypeVideo, direction: webrtc.RTPTransceiverDirectionRecvonly}
}

// clientConfig is how a client connects.
type clientConfig struct {
	session string // the local one if empty
	id      int    // the connection id; registered if 0
	method  string // POST if empty
	token   string
	codecs  []string // offered, VP8 if empty
	plain   bool     // neither chunking nor trailer
	tracks  []clientTrack
}

// client is a bare peer of the protocol.
type client struct {
	t        *testing.T
	url      string
	cfg      clientConfig
	id       int
	answer   string
	pc       *webrtc.PeerConnection
	dcs      map[wire.Channel]*webrtc.DataChannel
	packets  map[string]chan packet
	local    map[string]*webrtc.TrackLocalStaticSample
	senders  map[string]*webrtc.RTPSender
	control  chan *wire.ControlServerMessage
	data     chan *wire.DataServerMessage
	texts    chan string
	lost     chan struct{}
	features wire.Features

	mu    sync.Mutex
	parts map[wire.Channel]*wire.Reassembler
	next  int
}

type packet struct {
	sequence  uint16
	timestamp uint32
	marker    bool
	payload   []byte
	codec     string
}

// connect opens a connection to a session that runs.
func connect(t *testing.T, srv *sessiontest.Server, cfg clientConfig) *client {
	t.Helper()
	if cfg.session == "" {
		cfg.session = localID
	}
	c := &client{
		t: t, cfg: cfg, id: cfg.id,
		url:     srv.URL() + "/sessions/" + cfg.session + "/transport/webrtc",
		dcs:     map[wire.Channel]*webrtc.DataChannel{},
		packets: map[string]chan packet{},
		local:   map[string]*webrtc.TrackLocalStaticSample{},
		senders: map[string]*webrtc.RTPSender{},
		control: make(chan *wire.ControlServerMessage, 100),
		data:    make(chan *wire.DataServerMessage, 1000),
		texts:   make(chan string, 100),
		lost:    make(chan struct{}),
		parts:   map[wire.Channel]*wire.Reassembler{wire.DataChannel: {}, wire.ControlChannel: {}},
	}
	c.newPeer()
	t.Cleanup(c.close)
	c.negotiate()
	return c
}

func (c *client) auth() []string {
	if c.cfg.token == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + c.cfg.token}
}

func (c *client) close() { _ = c.pc.GracefulClose() }

var payloadTypes = map[string]webrtc.RTPCodecParameters{
	"vp8":  {PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}},
	"vp9":  {PayloadType: 98, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP9, ClockRate: 90000, SDPFmtpLine: "profile-id=0"}},
	"h264": {PayloadType: 102, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"}},
}

func (c *client) newPeer() {
	c.t.Helper()
	codecs := c.cfg.codecs
	if len(codecs) == 0 {
		codecs = []string{"vp8"}
	}
	media := &webrtc.MediaEngine{}
	for _, name := range codecs {
		c.must(media.RegisterCodec(payloadTypes[name], webrtc.RTPCodecTypeVideo))
	}
	c.must(media.RegisterCodec(webrtc.RTPCodecParameters{
		PayloadType:        111,
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
	}, webrtc.RTPCodecTypeAudio))
	interceptors := &interceptor.Registry{}
	c.must(webrtc.RegisterDefaultInterceptors(media, interceptors))
	c.must(webrtc.ConfigureTWCCHeaderExtensionSender(media, interceptors))
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMaxBindingRequests(math.MaxUint16) // a busy machine answers late
	settings.SetSRTPReplayProtectionWindow(4096)      // and repairs late
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	c.must(err)
	c.pc = pc
	var once sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s >= webrtc.PeerConnectionStateDisconnected {
			once.Do(func() { close(c.lost) })
		}
	})
	for _, tr := range c.cfg.tracks {
		c.addTrack(tr)
	}
	pc.OnTrack(c.onTrack)
}

func (c *client) addTrack(tr clientTrack) {
	c.packets[tr.name] = make(chan packet, 10000)
	if tr.direction == webrtc.RTPTransceiverDirectionRecvonly {
		_, err := c.pc.AddTransceiverFromKind(tr.kind, webrtc.RTPTransceiverInit{Direction: tr.direction})
		c.must(err)
		return
	}
	local, err := webrtc.NewTrackLocalStaticSample(payloadTypes[tr.codec].RTPCodecCapability, tr.name, "client")
	c.must(err)
	transceiver, err := c.pc.AddTransceiverFromTrack(local, webrtc.RTPTransceiverInit{Direction: tr.direction})
	c.must(err)
	c.local[tr.name], c.senders[tr.name] = local, transceiver.Sender()
}

func (c *client) onTrack(remote *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	for i, t := range c.pc.GetTransceivers() {
		if t.Receiver() != r {
			continue
		}
		out := c.packets[c.cfg.tracks[i].name]
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			select {
			case out <- packet{p.SequenceNumber, p.Timestamp, p.Marker, slices.Clone(p.Payload), remote.Codec().MimeType}:
			default:
			}
		}
	}
}

// negotiate offers and waits until both channels are open.
func (c *client) negotiate() {
	c.t.Helper()
	open := make(chan struct{}, 2)
	for _, label := range []wire.Channel{wire.DataChannel, wire.ControlChannel} {
		dc, err := c.pc.CreateDataChannel(string(label), nil)
		c.must(err)
		dc.OnOpen(func() { open <- struct{}{} })
		dc.OnMessage(func(m webrtc.DataChannelMessage) { c.receive(label, m) })
		c.dcs[label] = dc
	}
	sdp, err := c.pc.CreateOffer(nil)
	c.must(err)
	gathered := webrtc.GatheringCompletePromise(c.pc)
	c.must(c.pc.SetLocalDescription(sdp))
	<-gathered
	c.offer(c.pc.LocalDescription().SDP)
	c.answer = c.fetchAnswer()
	c.features = wire.ParseFeatures(c.answer)
	c.must(c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: c.answer}))
	for range 2 {
		c.wait(open, "data channel")
	}
}

func (c *client) offer(sdp string) {
	c.t.Helper()
	if c.id == 0 {
		var registered struct {
			ID int `json:"connection_id"`
		}
		want(c.t, 201, &registered, "POST", c.url+"/connections", "{}", c.auth()...)
		c.id = registered.ID
	}
	if !c.cfg.plain {
		sdp = wire.Features{FrameMetadata: true, MaxMessage: wire.MaxChunkedMessage}.Insert(sdp)
	}
	mapping := []any{}
	for i, tr := range c.cfg.tracks {
		mapping = append(mapping, map[string]any{
			"mid": fmt.Sprint(i), "name": tr.name, "kind": tr.kind.String(), "direction": tr.direction.String(),
		})
	}
	body, err := json.Marshal(map[string]any{"sdp_offer": sdp, "track_mapping": mapping})
	c.must(err)
	method := c.cfg.method
	if method == "" {
		method = "POST"
	}
	want(c.t, 202, nil, method, c.sdpURL(), string(body), append(c.auth(), "Reactor-WebRTC-Version", "1.0")...)
}

func (c *client) sdpURL() string { return fmt.Sprintf("%s/connections/%d/sdp_params", c.url, c.id) }

func (c *client) fetchAnswer() string {
	c.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		status, _, body := request(c.t, "GET", c.sdpURL(), "", c.auth()...)
		if status == 200 {
			var a struct {
				SDP string `json:"sdp_answer"`
			}
			c.must(json.Unmarshal([]byte(body), &a))
			return a.SDP
		}
		if status != 202 {
			c.t.Fatalf("answer: %d %s", status, body)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatal("no answer")
		}
	}
}

func (c *client) receive(ch wire.Channel, m webrtc.DataChannelMessage) {
	data, text := m.Data, m.IsString
	if c.features.MaxMessage > 0 {
		c.mu.Lock()
		message, isText, done, err := c.parts[ch].Push(m.Data)
		c.mu.Unlock()
		if err != nil || !done {
			return
		}
		data, text = message, isText
	}
	if text {
		c.texts <- string(data)
		return
	}
	msg, err := wire.DecodeServer(ch, false, data)
	if err != nil {
		return
	}
	switch msg := msg.(type) {
	case *wire.ControlServerMessage:
		c.control <- msg
	case *wire.DataServerMessage:
		c.data <- msg
	}
}

// send sends a message in the codec of today.
func (c *client) send(m wire.ClientMessage) {
	c.t.Helper()
	p, err := wire.EncodeClient(wire.V1, m)
	c.must(err)
	if c.features.MaxMessage == 0 {
		c.must(c.dcs[p.Channel].Send(p.Data))
		return
	}
	for frame := range wire.Chunks(false, p.Data, 1000) {
		c.must(c.dcs[p.Channel].Send(frame))
	}
}

func (c *client) resume(name string) {
	c.t.Helper()
	c.send(&wire.ControlClientMessage{Kind: 3, Payload: &wire.ControlClientMessage_ResumeTrack{ResumeTrack: &wire.ResumeTrack{Name: name}}})
}

func (c *client) pause(name string) {
	c.t.Helper()
	c.send(&wire.ControlClientMessage{Kind: 3, Payload: &wire.ControlClientMessage_PauseTrack{PauseTrack: &wire.PauseTrack{Name: name}}})
}

func (c *client) ping() {
	c.t.Helper()
	c.send(&wire.ControlClientMessage{Kind: 3, Payload: &wire.ControlClientMessage_Ping{Ping: &wire.Ping{}}})
}

// command sends a command and waits for its response.
func (c *client) command(name string, args map[string]any, uploads map[string]*wire.UploadReference) *wire.DataServerMessage {
	c.t.Helper()
	c.next++
	id := fmt.Sprintf("data_%d", c.next)
	data, err := wire.NewStruct(args)
	c.must(err)
	c.send(&wire.DataClientMessage{RequestId: id, Kind: 1, Payload: &wire.DataClientMessage_Command{
		Command: &wire.Command{Type: name, Data: data, Uploads: uploads},
	}})
	for {
		m := take(c.t, c.data, "reply to "+name)
		if m.GetRequestId() == id {
			return m
		}
	}
}

// publish asks for a track and says what the refusal is, "" for none.
func (c *client) publish(name string) string {
	c.t.Helper()
	c.next++
	c.send(&wire.ControlClientMessage{RequestId: fmt.Sprintf("ctrl_%d", c.next), Kind: 1, Payload: &wire.ControlClientMessage_PublishTrack{
		PublishTrack: &wire.PublishTrack{Name: name},
	}})
	m := take(c.t, c.control, "answer to publish")
	if e := m.GetError(); e != nil {
		return e.GetCode() + ": " + e.GetMessage()
	}
	return ""
}

func (c *client) wait(ch <-chan struct{}, what string) {
	c.t.Helper()
	take(c.t, ch, what)
}

func (c *client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// take waits for the next value of a channel, but not for ever.
func take[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// frame reads packets up to the end of a picture.
func (c *client) frame(name string) (frame []packet) {
	c.t.Helper()
	for {
		p := take(c.t, c.packets[name], "packet of "+name)
		frame = append(frame, p)
		if p.marker {
			return frame
		}
	}
}

// start begins the local session.
func start(t *testing.T, srv *sessiontest.Server) {
	t.Helper()
	want(t, 200, nil, "POST", srv.URL()+"/start_session", "{}")
}

// isVP8Keyframe looks at the first packet of a picture (RFC 7741 section 4.3).
func isVP8Keyframe(p packet) bool {
	const descriptor = 4 // with a 15-bit picture id
	return len(p.payload) > descriptor && bytes.HasPrefix(p.payload, []byte{0x90}) && p.payload[descriptor]&1 == 0
}
