package sessiontest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// longestGathering is how long an answer waits for the server's candidates.
const longestGathering = 3 * time.Second

// nackInterval is how often lost packets of a publisher are asked for.
const nackInterval = 20 * time.Millisecond

// offer is what a client offers on a connection.
type offer struct {
	sdp        string
	mapping    []trackMapping
	iceServers []ICEServer
}

// trackMapping names one media section.
type trackMapping struct {
	MID       string `json:"mid"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Direction string `json:"direction"`
}

// candidate is a remote candidate as it came.
type candidate struct {
	Candidate     string  `json:"candidate"`
	SDPMid        *string `json:"sdp_mid"`
	SDPMLineIndex *uint16 `json:"sdp_mline_index"`
}

func (c candidate) init() webrtc.ICECandidateInit {
	return webrtc.ICECandidateInit{Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex}
}

// negotiate builds the peer and gives its answer, with the server's candidates
// in it.
func (c *connection) negotiate(o offer) (string, error) {
	cfg := c.session.srv.cfg
	ours := wire.Features{FrameMetadata: !cfg.NoFrameMetadata, MaxMessage: wire.MaxChunkedMessage}
	if cfg.PlainChannels {
		ours.MaxMessage = 0
	}
	offered := wire.ParseFeatures(o.sdp)
	c.features = ours.Common(offered)

	pc, err := c.newPeer(o)
	if err != nil {
		return "", err
	}
	if err := c.addTracks(pc, o); err != nil {
		return "", err
	}
	if err := c.takeOffer(pc, o.sdp); err != nil {
		return "", err
	}
	if err := c.orderCodecs(pc, o.mapping); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("answer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("answer: %w", err)
	}
	select {
	case <-gathered:
	case <-time.After(longestGathering):
	case <-c.ctx.Done():
		return "", fmt.Errorf("given up")
	}
	// The server declares its own sizes, but only what the offer had.
	declared := wire.Features{FrameMetadata: c.features.FrameMetadata}
	if c.features.MaxMessage > 0 {
		declared.MaxMessage = ours.MaxMessage
	}
	return declared.Insert(pc.LocalDescription().SDP), nil
}

// newPeer makes the peer connection; from here on hangUp closes it.
func (c *connection) newPeer(o offer) (*webrtc.PeerConnection, error) {
	media, err := c.mediaEngine(o.mapping)
	if err != nil {
		return nil, err
	}
	interceptors, err := c.interceptors(media)
	if err != nil {
		return nil, err
	}
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{ICEServers: iceServers(o.iceServers)})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.pc = pc
	c.mu.Unlock()
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			c.peerConnected()
		case webrtc.PeerConnectionStateDisconnected:
			if c.wasUp() { // else it still has time to connect
				c.lose()
			}
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			c.lose()
		case webrtc.PeerConnectionStateUnknown, webrtc.PeerConnectionStateNew, webrtc.PeerConnectionStateConnecting:
		}
	})
	pc.OnDataChannel(c.onDataChannel)
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) { c.onTrack(pc, o.mapping, t, r) })
	return pc, nil
}

// mediaEngine knows the codecs that the offered tracks may have.
func (c *connection) mediaEngine(mapping []trackMapping) (*webrtc.MediaEngine, error) {
	var names []string
	for _, m := range mapping {
		if t, ok := c.session.srv.model.track(m.Name); ok {
			names = append(names, t.Codecs...)
		}
	}
	media := &webrtc.MediaEngine{}
	pt := webrtc.PayloadType(firstPayloadType)
	var err error
	for _, codec := range codecTable() {
		if !slices.Contains(names, codec.name) {
			continue
		}
		if pt, err = codec.register(media, pt); err != nil {
			return nil, err
		}
	}
	return media, nil
}

// interceptors, the one nearest to the wire first: the network, so that lost packets
// are there to be asked for; then what repairs and reports.
func (c *connection) interceptors(media *webrtc.MediaEngine) (*interceptor.Registry, error) {
	r := &interceptor.Registry{}
	r.Add(&networkFactory{trouble: &c.session.srv.trouble})
	if err := webrtc.ConfigureNackWithOptions(media, r, []nack.GeneratorOption{nack.GeneratorInterval(nackInterval)}); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(r); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(media); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureTWCCSender(media, r); err != nil {
		return nil, err
	}
	return r, webrtc.ConfigureTWCCHeaderExtensionSender(media, r)
}

func (c *connection) settings() (webrtc.SettingEngine, error) {
	var s webrtc.SettingEngine
	if err := c.sockets.open(c.session.srv.cfg.Memory); err != nil {
		return s, err
	}
	s.LoggerFactory = pionLog{c.log}
	s.SetNet(c.sockets)
	s.DisableCloseByDTLS(c.session.srv.cfg.Memory != nil) // see Settle
	s.SetIncludeLoopbackCandidate(!c.session.srv.cfg.NoLoopback)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.SetIPFilter(func(ip net.IP) bool { return !ip.IsLinkLocalUnicast() })
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetSCTPMaxMessageSize(wire.MaxPlainMessage)
	return s, nil
}

func iceServers(servers []ICEServer) []webrtc.ICEServer {
	out := make([]webrtc.ICEServer, len(servers))
	for i, s := range servers {
		out[i] = webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Password}
	}
	return out
}

// addTracks prepares a transceiver for every section of the offer: what the
// model shows goes out where the mapping says, everything else is taken in.
func (c *connection) addTracks(pc *webrtc.PeerConnection, o offer) error {
	for _, s := range sections(o.sdp) {
		t, err := c.addTrack(pc, s, o.mapping)
		if err != nil {
			return fmt.Errorf("section %q: %w", s.mid, err)
		}
		if err := t.SetMid(s.mid); err != nil {
			return err
		}
	}
	return nil
}

func (c *connection) addTrack(pc *webrtc.PeerConnection, s section, mapping []trackMapping) (*webrtc.RTPTransceiver, error) {
	track, ok := c.trackOf(s.mid, mapping)
	if ok && track.Direction == RecvOnly && track.Kind == s.kind && s.receives() && s.common(track.Codecs) != "" && c.sender(track.Name) == nil {
		return c.addSender(pc, track)
	}
	kind := webrtc.RTPCodecTypeVideo
	if s.kind == Audio {
		kind = webrtc.RTPCodecTypeAudio
	}
	return pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
}

// trackOf finds the model's track that a media section stands for.
func (c *connection) trackOf(mid string, mapping []trackMapping) (Track, bool) {
	i := slices.IndexFunc(mapping, func(m trackMapping) bool { return m.MID == mid })
	if i < 0 {
		return Track{}, false
	}
	return c.session.srv.model.track(mapping[i].Name)
}

// orderCodecs puts what was negotiated into the order of the server.
func (c *connection) orderCodecs(pc *webrtc.PeerConnection, mapping []trackMapping) error {
	for _, t := range pc.GetTransceivers() {
		track, ok := c.trackOf(t.Mid(), mapping)
		if !ok {
			continue
		}
		usable := inOrder(negotiated(t), track.Codecs)
		if len(usable) == 0 {
			c.log.Warn("no common codec, so nothing is sent", "track", track.Name, "codecs", track.Codecs)
			continue
		}
		if err := t.SetCodecPreferences(usable); err != nil {
			return fmt.Errorf("track %q: %w", track.Name, err)
		}
	}
	return nil
}

func negotiated(t *webrtc.RTPTransceiver) []webrtc.RTPCodecParameters {
	if s := t.Sender(); s != nil {
		return s.GetParameters().Codecs
	}
	return t.Receiver().GetParameters().Codecs
}

// inOrder are the negotiated codecs that are named, in the order of the names.
func inOrder(negotiated []webrtc.RTPCodecParameters, names []string) []webrtc.RTPCodecParameters {
	var out []webrtc.RTPCodecParameters
	for _, name := range names {
		for _, p := range negotiated {
			if codecName(p.MimeType) == name {
				out = append(out, p)
			}
		}
	}
	return out
}

// addCandidate takes a candidate of the client, when the offer is in place. One
// that makes no sense is logged, as the others may do.
func (c *connection) addCandidate(cand candidate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.offered {
		c.early = append(c.early, cand)
		return
	}
	c.tryCandidate(cand)
}

// takeOffer applies the offer and the candidates that came before it.
func (c *connection) takeOffer(pc *webrtc.PeerConnection, sdp string) error {
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}); err != nil {
		return fmt.Errorf("offer: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offered = true
	for _, cand := range c.early {
		c.tryCandidate(cand)
	}
	c.early = nil
	return nil
}

// tryCandidate hands a candidate to the peer. c.mu is held.
func (c *connection) tryCandidate(cand candidate) {
	if strings.TrimSpace(cand.Candidate) == "" {
		return // the end of candidates, which nothing depends on
	}
	if err := c.pc.AddICECandidate(cand.init()); err != nil {
		c.log.Warn("candidate dropped", "err", err)
	}
}
