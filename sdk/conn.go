package sdk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// conn is one peer connection of a session. A reconnect makes a new one.
type conn struct {
	session *Session
	log     *slog.Logger
	epoch   int
	pc      *webrtc.PeerConnection
	bwe     cc.BandwidthEstimator
	net     *bufferedNet
	meter   *meter
	route   route
	streams streams
	// feedback is what the senders are told.
	feedback *feedback
	remb     atomic.Uint64 // bit/s, 0 before there was one
	media    atomic.Uint64 // packets received
	data     *channel
	control  *channel
	calls    calls
	senders  map[string]*sender // by track
	mids     map[string]*Track
	// What the answer agreed to, by track, and by payload type over all tracks,
	// which share a bundle. Set before it is applied.
	codecs map[*Track][]codecAnswer
	names  [128]string
	// metadata says that frame trailers were agreed. Set before the channels open.
	metadata bool

	path      chan struct{} // closed when ICE has found one
	found     sync.Once
	connected chan struct{} // closed when the transport is up
	up        sync.Once
	lost      chan struct{} // closed when it is no more
	loss      sync.Once
	cause     error // set before lost is closed
	cancel    context.CancelFunc

	mu      sync.Mutex // guards what follows
	closed  bool       // no goroutine is started any more
	workers sync.WaitGroup

	asking sync.RWMutex // guards what follows; read-held while pion is asked
	silent bool         // pion is being closed and must not be asked for statistics
}

// lose marks the connection as lost, once. It may be called from anywhere.
func (c *conn) lose(cause error) {
	c.loss.Do(func() {
		c.cause = cause
		close(c.lost) // first: who is told that the reply is lost has sent something
		c.calls.fail(cause)
	})
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// spawn runs f in a goroutine that close waits for.
func (c *conn) spawn(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.workers.Go(f)
}

// close ends the connection and waits for its goroutines.
func (c *conn) close() {
	c.lose(ErrClosed)
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.asking.Lock()
	c.silent = true
	c.asking.Unlock()
	settled := func() {}
	if settle := c.session.cfg.hooks.settle; settle != nil {
		settled = settle()
	}
	if c.pc != nil {
		_ = c.pc.GracefulClose()
	}
	settled()
	c.workers.Wait()
}

// dial makes a connection up to the point where both sides are ready.
func (s *Session) dial(ctx context.Context, op string) (*conn, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	c := &conn{
		session: s, log: s.log, epoch: s.epoch + 1, senders: map[string]*sender{}, mids: map[string]*Track{}, codecs: map[*Track][]codecAnswer{},
		path: make(chan struct{}), connected: make(chan struct{}), lost: make(chan struct{}), cancel: cancel, meter: newMeter(), feedback: newFeedback(),
	}
	s.mu.Unlock()
	if err := c.negotiate(ctx, life, s.signalling(op)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// negotiate exchanges descriptions and waits until the peer is connected and
// both channels are open. life is the connection's own context.
func (c *conn) negotiate(ctx, life context.Context, g signalling) error {
	servers, override, err := c.iceServers(ctx, g)
	if err != nil {
		return err
	}
	local, trickle, err := c.prepare(life, servers, g.op)
	if err != nil {
		return err
	}
	id, again, err := c.session.connection(ctx, g)
	if err != nil {
		return err
	}
	features := wire.Features{FrameMetadata: c.session.cfg.metadata(), MaxMessage: wire.MaxChunkedMessage}
	o := offer{SDP: features.Insert(local), Mapping: c.mapping(), Client: thisClient, ICEServers: override}
	if err := g.offer(ctx, id, o, again); err != nil {
		return err
	}
	c.session.offered(id)
	// Not before the offer: of a connection that is replaced, the old peer would
	// get the candidates.
	c.spawn(func() { trickle.run(life, g, id, c.log) })
	remote, answeredID, err := g.answer(ctx, id)
	if err != nil {
		return err
	}
	c.session.answered(answeredID)
	if err := c.accept(remote, features, g.op); err != nil {
		return err
	}
	trickle.answered()
	c.session.cfg.took(StepSignalling)
	return c.gate(ctx, g.op)
}

// metadata says whether to offer frame trailers: AV1 cannot carry them, its
// packetizer takes them for an OBU.
func (c Config) metadata() bool { return !slices.Contains(c.Codecs, "av1") }

// iceServers returns the servers for our side, and those to impose on a local
// runtime. One that is nearby needs none.
func (c *conn) iceServers(ctx context.Context, g signalling) ([]webrtc.ICEServer, *[]iceServer, error) {
	cfg := c.session.cfg
	configured := fromConfig(cfg.ICEServers)
	if cfg.nearby() || cfg.Local && len(configured) > 0 {
		return toPion(configured), &configured, nil
	}
	if len(configured) > 0 {
		return toPion(configured), nil, nil
	}
	servers, err := g.iceServers(ctx)
	return toPion(servers), nil, err
}

// connection returns the id to offer on, and whether it carried a connection.
func (s *Session) connection(ctx context.Context, g signalling) (id uint32, again bool, err error) {
	s.mu.Lock()
	id, again = s.connID, s.hasOffered
	s.mu.Unlock()
	if id != 0 {
		return id, again, nil
	}
	if id, err = g.register(ctx); err != nil {
		return 0, false, err
	}
	s.answered(id)
	return id, false, nil
}

func (s *Session) offered(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connID, s.hasOffered = id, true
}

func (s *Session) answered(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connID = id
}

// prepare builds the peer connection and returns its offer. Media sections come
// in the order of the tracks, the data channels last.
func (c *conn) prepare(life context.Context, servers []webrtc.ICEServer, op string) (string, *trickle, error) {
	fail := func(err error) (string, *trickle, error) {
		return "", nil, gpuErrorf(CodeTransport, op, "%v", err)
	}
	e, err := newEngine(c.session.cfg, c.session.bitrateBounds(), c.meter, &c.streams, pionLogs{c.log}, newRelayDial(life, c.session.cfg, servers))
	if err != nil {
		return fail(err)
	}
	if c.pc, err = e.api.NewPeerConnection(webrtc.Configuration{ICEServers: servers}); err != nil {
		return fail(err)
	}
	c.bwe, c.net = <-e.bwe, e.net
	trickle := newTrickle()
	c.pc.OnICECandidate(trickle.add)
	c.pc.OnICEConnectionStateChange(c.iceChanged)
	c.pc.OnConnectionStateChange(c.stateChanged)
	c.pc.OnTrack(c.receive)
	if err := c.addTracks(e); err != nil {
		return fail(err)
	}
	if c.data, err = newChannel(c.pc, wire.DataChannel, c.dispatch(wire.DataChannel), c.lose); err != nil {
		return fail(err)
	}
	if c.control, err = newChannel(c.pc, wire.ControlChannel, c.dispatch(wire.ControlChannel), c.lose); err != nil {
		return fail(err)
	}
	local, err := c.pc.CreateOffer(nil)
	if err != nil {
		return fail(err)
	}
	if err := c.pc.SetLocalDescription(local); err != nil {
		return fail(err)
	}
	return local.SDP, trickle, nil
}

func (c *conn) addTracks(e *engine) error {
	for _, t := range c.session.tracks {
		if err := c.addTrack(e, t); err != nil {
			return fmt.Errorf("track %s: %w", t.info.Name, err)
		}
	}
	return nil
}

func (c *conn) addTrack(e *engine, t *Track) error {
	kind := webrtc.RTPCodecTypeVideo
	if t.info.Kind == Audio {
		kind = webrtc.RTPCodecTypeAudio
	}
	if t.info.Direction == SendOnly {
		s := newSender(c, t, kind)
		c.senders[t.info.Name] = s
		tr, err := c.pc.AddTransceiverFromTrack(s, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			return err
		}
		s.transceiver = tr
		if kind == webrtc.RTPCodecTypeAudio {
			return nil
		}
		return tr.SetCodecPreferences(e.send)
	}
	tr, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	if err != nil || kind == webrtc.RTPCodecTypeAudio {
		return err
	}
	return tr.SetCodecPreferences(e.recv)
}

// mapping ties the media sections to the tracks' names. Valid after the local
// description is set.
func (c *conn) mapping() []trackMapping {
	var out []trackMapping
	for i, tr := range c.pc.GetTransceivers() {
		t := c.session.tracks[i]
		c.mids[tr.Mid()] = t
		out = append(out, trackMapping{MID: tr.Mid(), Name: t.info.Name, Kind: t.info.Kind, Direction: t.info.Direction})
	}
	return out
}

// accept checks and applies the answer.
func (c *conn) accept(remote string, offered wire.Features, op string) error {
	if len(remote) > maxSDP {
		return gpuErrorf(CodeDecode, op, "sdp answer: %d bytes, more than %d", len(remote), maxSDP)
	}
	parts, err := sections(remote)
	if err != nil {
		return gpuErrorf(CodeDecode, op, "sdp answer: %v", err)
	}
	if len(parts) != len(c.session.tracks) {
		return gpuErrorf(CodeDecode, op, "sdp answer: %d media sections for %d tracks", len(parts), len(c.session.tracks))
	}
	for i, part := range parts {
		t := c.session.tracks[i]
		// A rejected first section takes the whole bundle with it.
		if part.rejected && (i == 0 || t.info.Direction == ReceiveOnly) {
			return gpuErrorf(CodeNoCodec, op, "the server rejected track %s: it knows none of the codecs offered (%s)", t.info.Name, c.offeredCodecs(t))
		}
		c.codecs[t] = part.codecs
		for _, codec := range part.codecs {
			c.names[codec.pt] = codec.name
		}
	}
	common := offered.Common(wire.ParseFeatures(remote))
	if c.session.cfg.Generation == Stepped && common.MaxMessage == 0 {
		return gpuErrorf(CodeChunking, op, "stepped generation needs data-channel chunking, which this connection did not negotiate")
	}
	c.metadata = common.FrameMetadata
	c.data.agree(common)
	c.control.agree(common)
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: remote}); err != nil {
		return gpuErrorf(CodeTransport, op, "sdp answer: %v", err)
	}
	c.spawn(c.hasten)
	c.spawn(c.awaitChannels)
	for _, s := range c.senders {
		c.spawn(s.readFeedback)
	}
	c.spawn(c.tellSenders)
	return nil
}

func (c *conn) offeredCodecs(t *Track) string {
	switch {
	case t.info.Kind == Audio:
		return "opus"
	case t.info.Direction == SendOnly:
		return strings.Join(sendCodecs, ", ")
	}
	return strings.Join(c.session.cfg.Codecs, ", ")
}

// gateTimeout is what connecting may take after the answer.
const gateTimeout = 30 * time.Second

func (c *conn) gate(ctx context.Context, op string) error {
	timeout := time.NewTimer(gateTimeout)
	defer timeout.Stop()
	for _, ready := range []chan struct{}{c.connected, c.data.open, c.control.open} {
		select {
		case <-ready:
		case <-c.lost:
			return gpuErrorf(CodeTransport, op, "peer connection not established: %v", c.cause)
		case <-ctx.Done():
			return interrupted(ctx, componentGPU, op)
		case <-timeout.C:
			return gpuErrorf(CodeTimeout, op, "timed out: peer connection not ready within %s (no network path to the server?)", gateTimeout)
		}
	}
	c.session.cfg.took(StepChannels)
	return nil
}

// ready says that the gate is behind the connection, or about to be.
func (c *conn) ready() bool {
	return isClosed(c.connected) && isClosed(c.data.open) && isClosed(c.control.open)
}

// channelLook is how often it is looked whether there will be channels at all.
const channelLook = 100 * time.Millisecond

// awaitChannels sees a server that leaves before the channels are open. Of it pion
// tells nothing; ICE would be the first to miss it, seconds later.
func (c *conn) awaitChannels() {
	look := time.NewTicker(channelLook)
	defer look.Stop()
	for c.pc.SCTP().State() != webrtc.SCTPTransportStateClosed {
		select {
		case <-c.lost:
			return
		case <-c.data.open:
			return
		case <-look.C:
		}
	}
	c.lose(fmt.Errorf("channels %w", errClosedByServer))
}

func (c *conn) stateChanged(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		c.up.Do(func() {
			c.session.cfg.took(StepDTLS)
			close(c.connected)
		})
	case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed:
		// While connecting, [conn.gate] says how long the server may be silent.
		if state == webrtc.PeerConnectionStateFailed || c.ready() {
			c.lose(fmt.Errorf("peer connection state: %s", state))
		}
	case webrtc.PeerConnectionStateUnknown, webrtc.PeerConnectionStateNew, webrtc.PeerConnectionStateConnecting, webrtc.PeerConnectionStateClosed:
	}
}

// receive reads one incoming stream until the connection ends.
func (c *conn) receive(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	t := c.trackOf(receiver)
	if t == nil {
		return
	}
	src := &remoteSource{conn: c, ssrc: uint32(remote.SSRC())}
	t.source.Store(src)
	count := &inbound{
		track: t, ssrc: src.ssrc, clock: remote.Codec().ClockRate,
		numbers: transportNumbers(receiver.GetParameters()), repairs: t.info.Kind == Video,
	}
	c.meter.receiving(count)
	c.spawn(func() { c.readReports(receiver, count, src) })
	c.spawn(func() { c.readPackets(remote, count) })
}

func (c *conn) trackOf(receiver *webrtc.RTPReceiver) *Track {
	for _, tr := range c.pc.GetTransceivers() {
		if tr.Receiver() == receiver {
			return c.mids[tr.Mid()]
		}
	}
	return nil
}

// readPackets reads what came before the track was known; see [stream].
func (c *conn) readPackets(remote *webrtc.TrackRemote, count *inbound) {
	from := c.streams.find(count.ssrc)
	if from == nil {
		return // it is over
	}
	p := make([]byte, receiveMTU)
	for {
		n, _, err := remote.Read(p)
		if errors.Is(err, webrtc.ErrCodecNotFound) {
			continue // a payload type that was not agreed
		}
		if err != nil {
			return
		}
		from.handOver(p[:n], c, count)
	}
}

// took counts a packet of n bytes, answers for it and hands it to the track. The
// packet is on a page, which it holds.
func (c *conn) took(p *rtp.Packet, on *page, count *inbound, n int, now time.Time) {
	c.media.Add(1)
	codec := c.names[p.PayloadType&0x7f]
	if count.packet(p, codec, n, now) {
		c.feedback.lacking()
	}
	c.feedback.arrived(count.numbers, p, now)
	count.track.queue.push(Packet{Packet: p, Arrival: now, Codec: codec, Epoch: c.epoch, page: on})
}

// readReports follows the sender reports of a stream.
func (c *conn) readReports(receiver *webrtc.RTPReceiver, count *inbound, src *remoteSource) {
	for {
		packets, _, err := receiver.ReadRTCP()
		if c.readEnds(err) {
			return
		}
		for _, p := range packets {
			if r, ok := p.(*rtcp.SenderReport); ok && r.SSRC == count.ssrc && r.NTPTime != 0 {
				count.senderReport(r.NTPTime, time.Now())
				src.report.Store(&senderReport{rtp: r.RTPTime, wall: ntpTime(r.NTPTime), clock: count.clock})
			}
		}
	}
}

// readEnds tells the end of a stream from a packet that could not be read.
func (c *conn) readEnds(err error) bool {
	if err == nil {
		return false
	}
	return isClosed(c.lost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}

// write encodes a message and sends it on its channel. On a connection that is
// lost it matches [ErrNotReady]: nothing was sent.
func (c *conn) write(op string, m wire.ClientMessage) error {
	p, err := wire.EncodeClient(wire.V1, m)
	if err != nil {
		return gpuErrorf(CodeDecode, op, "%v", err)
	}
	if isClosed(c.lost) {
		return unsent(op, c.cause)
	}
	if p.Channel == wire.ControlChannel {
		return c.control.send(op, p)
	}
	return c.data.send(op, p)
}

// request sends a control request and waits for its answer.
func (c *conn) request(ctx context.Context, op string, m *wire.ControlClientMessage) (*wire.ControlServerMessage, error) {
	id := c.session.requestID("ctrl", &c.session.controlIDs)
	m.RequestId, m.Kind = id, wire.MessageKind_MESSAGE_KIND_REQUEST
	a, err := c.roundTrip(ctx, op, id, m, replyTimeout)
	return a.control, err
}

// roundTrip sends a request, which bears the id, and waits for its answer. For who
// has given up already nothing is sent.
func (c *conn) roundTrip(ctx context.Context, op, id string, m wire.ClientMessage, patience time.Duration) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, interrupted(ctx, componentGPU, op)
	}
	reply := c.calls.request(id, op)
	defer c.calls.drop(id)
	if err := c.write(op, m); err != nil {
		return answer{}, err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case a := <-reply:
		if a.err != nil {
			return answer{}, a.err
		}
		if e := cmp.Or(a.data.GetError(), a.control.GetError()); e != nil {
			return answer{}, refusal(e.GetCode(), op, e.GetMessage())
		}
		return a, nil
	case <-timeout.C:
		return answer{}, gpuErrorf(CodeTimeout, op, "timed out: no answer within %s", patience)
	case <-ctx.Done():
		return answer{}, interrupted(ctx, componentGPU, op)
	}
}

// announce tells the server whether we want a track's frames.
func (c *conn) announce(t *Track) error {
	m := &wire.ControlClientMessage{Kind: wire.MessageKind_MESSAGE_KIND_NOTIFICATION}
	if t.Paused() {
		m.Payload = &wire.ControlClientMessage_PauseTrack{PauseTrack: &wire.PauseTrack{Name: t.info.Name}}
		return c.write("pause_track", m)
	}
	m.Payload = &wire.ControlClientMessage_ResumeTrack{ResumeTrack: &wire.ResumeTrack{Name: t.info.Name}}
	return c.write("resume_track", m)
}

func (c *conn) schema(ctx context.Context, op string) (json.RawMessage, error) {
	m, err := c.request(ctx, op, &wire.ControlClientMessage{
		Payload: &wire.ControlClientMessage_RequestSchema{RequestSchema: &wire.RequestSchema{}},
	})
	if err != nil {
		return nil, err
	}
	if m.GetModelSchema() == nil {
		return nil, gpuErrorf(CodeDecode, op, "the answer holds no schema")
	}
	doc, err := json.Marshal(wire.Map(m.GetModelSchema().GetOpenapi()))
	if err != nil {
		return nil, gpuErrorf(CodeDecode, op, "%v", err)
	}
	return doc, nil
}

// The server takes a connection without a frame for 20 s as dead. Four pings come
// in that time: where a fifth of the packets is lost, each is also what shows the
// transport that the one before is missing, seconds before its own clock does.
const (
	pingInterval = 5 * time.Second
	statInterval = time.Second
)

// keepAlive pings, measures the round trip and watches the channels until the
// connection ends.
func (c *conn) keepAlive() {
	pings, stats, reports := time.NewTicker(pingInterval), time.NewTicker(statInterval), time.NewTicker(reportInterval)
	defer pings.Stop()
	defer stats.Stop()
	defer reports.Stop()
	var w watchdog
	c.measure()
	for {
		select {
		case <-c.lost:
			return
		case <-pings.C:
			c.ping()
		case now := <-reports.C:
			c.report(now)
		case now := <-stats.C:
			c.measure()
			waiting := c.data.dc.BufferedAmount() + c.control.dc.BufferedAmount()
			if err := w.look(now, c.data.sent.Load()+c.control.sent.Load(), waiting, c.media.Load()); err != nil {
				c.lose(err)
			}
		}
	}
}

func (c *conn) ping() {
	_ = c.write("ping", &wire.ControlClientMessage{
		Kind: wire.MessageKind_MESSAGE_KIND_NOTIFICATION, Payload: &wire.ControlClientMessage_Ping{Ping: &wire.Ping{}},
	})
}

// measure is called about once a second.
func (c *conn) measure() {
	pair, ok := c.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePairStats()
	if ok && pair.CurrentRoundTripTime > 0 {
		c.session.rtt.Store(int64(seconds(pair.CurrentRoundTripTime)))
	}
	now := time.Now()
	if ok {
		c.route.look(now, pair)
	}
	c.meter.tick(now)
	c.reportReception(now)
}

// bitrate is what can be sent, in bit/s, within the session's bounds and others:
// the estimate made from transport-wide feedback, or what the receiver estimates
// where it sends that instead.
func (c *conn) bitrate(within BitrateBounds) int {
	bounds := c.session.bitrateBounds()
	estimate := c.bwe.GetTargetBitrate()
	if remb := c.remb.Load(); remb > 0 {
		estimate = int(min(remb, uint64(bounds.Max)))
	}
	return bounds.clamp(within.clamp(estimate))
}
