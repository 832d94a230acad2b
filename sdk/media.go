package sdk

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// engine makes the peer connections of one session.
type engine struct {
	api  *webrtc.API
	recv []webrtc.RTPCodecParameters
	send []webrtc.RTPCodecParameters
	bwe  chan cc.BandwidthEstimator // of the connection just made
	net  *bufferedNet
}

// newEngine builds pion for one connection. RTX, RED and FEC are never offered:
// the server would wrap its video in RED, and RTX repairs stay hidden from the
// NACK generator.
func newEngine(cfg Config, bounds BitrateBounds, count *meter, in *streams, logs pionLogs, relay relayDial) (*engine, error) {
	m := &webrtc.MediaEngine{}
	e := &engine{bwe: make(chan cc.BandwidthEstimator, 1)}
	for _, name := range videoCodecs {
		wanted := slices.Contains(cfg.Codecs, name)
		if !wanted && !slices.Contains(sendCodecs, name) {
			continue
		}
		for _, p := range codecParameters(name) {
			if err := m.RegisterCodec(p, webrtc.RTPCodecTypeVideo); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range cfg.Codecs {
		e.recv = append(e.recv, codecParameters(name)...)
	}
	for _, name := range sendCodecs {
		e.send = append(e.send, codecParameters(name)...)
	}
	if err := m.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	r := &interceptor.Registry{}
	r.Add(count)
	if err := e.intercept(m, r, bounds, logs); err != nil {
		return nil, err
	}
	var err error
	if e.net, err = newBufferedNet(cfg.hooks.net, cfg.ReceiveBuffer, logs.log); err != nil {
		return nil, err
	}
	settings := newSettings(cfg, e.net, in, logs, relay)
	e.api = webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(r), webrtc.WithSettingEngine(settings))
	return e, nil
}

// intercept registers the interceptors of what is sent; what is received is
// answered by [feedback]. What is added last sees an outgoing
// packet first: the estimator needs the number that the header extension adds,
// and the responder's repairs go through the estimator.
func (e *engine) intercept(m *webrtc.MediaEngine, r *interceptor.Registry, bounds BitrateBounds, logs pionLogs) error {
	estimator, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return gcc.NewSendSideBWE(
			gcc.SendSideBWEInitialBitrate(bounds.Start), gcc.SendSideBWEMinBitrate(min(bounds.Min, leastBitrate)),
			gcc.SendSideBWEMaxBitrate(max(maxEstimate, bounds.Max)), gcc.SendSideBWEPacer(gcc.NewNoOpPacer()), gcc.WithLoggerFactory(logs),
		)
	})
	if err != nil {
		return err
	}
	estimator.OnNewPeerConnection(func(_ string, b cc.BandwidthEstimator) { e.bwe <- b })
	r.Add(estimator)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		for _, uri := range []string{sdp.SDESMidURI, sdp.TransportCCURI} {
			if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
				return err
			}
		}
	}
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(repairDepth), nack.WithResponderLoggerFactory(logs))
	if err != nil {
		return err
	}
	r.Add(responder)
	reports, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(logs))
	if err != nil {
		return err
	}
	numbers, err := twcc.NewHeaderExtensionInterceptor()
	if err != nil {
		return err
	}
	r.Add(reports)
	r.Add(numbers)
	return nil
}

func newSettings(cfg Config, network *bufferedNet, in *streams, logs pionLogs, relay relayDial) webrtc.SettingEngine {
	s := webrtc.SettingEngine{LoggerFactory: logs}
	s.SetNet(network)
	s.BufferFactory = in.open
	s.SetICEProxyDialer(relay)
	// The end of the channels tells that the server has gone. A connection that
	// closes by itself must not be asked for its statistics: see [conn.statistics].
	s.DisableCloseByDTLS(true)
	s.SetSrflxAcceptanceMinWait(natWait)
	s.SetPrflxAcceptanceMinWait(natWait)
	s.SetRelayAcceptanceMinWait(relayWait)
	s.SetICEMaxBindingRequests(uint16(mostChecks))
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(cfg.loopback())
	s.SetReceiveMTU(receiveMTU)
	s.SetSRTPReplayProtectionWindow(repairDepth)
	return s
}

// natWait is the head start of paths between hosts over those through a NAT. Hosts
// that reach each other without one are on one network, and near: pion's own 500 ms,
// and 1 s of an address that only the packets show, are what every start from behind
// a NAT would wait.
const natWait = 100 * time.Millisecond

// relayWait is the head start of direct paths over relayed ones: two round trips
// around the world. pion's own 2 s would be most of a start behind a firewall.
const relayWait = 500 * time.Millisecond

// receiveMTU holds any packet of an Ethernet path.
const receiveMTU = 1600

// sendCodecs are the codecs that published tracks are offered in.
var sendCodecs = []string{"vp8", "vp9", "h264", "h265", "av1"}

// videoFeedback is written out: what the preferences of a transceiver lack, pion
// leaves out of the offer.
var videoFeedback = []webrtc.RTCPFeedback{
	{Type: webrtc.TypeRTCPFBTransportCC},
	{Type: webrtc.TypeRTCPFBGoogREMB},
	{Type: webrtc.TypeRTCPFBCCM, Parameter: "fir"},
	{Type: webrtc.TypeRTCPFBNACK},
	{Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
}

var opus = webrtc.RTPCodecParameters{
	RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
		RTCPFeedback: []webrtc.RTCPFeedback{{Type: webrtc.TypeRTCPFBTransportCC}},
	},
	PayloadType: 111,
}

// codecParameters are the forms in which a codec is offered. H.264 is offered
// first as what every sender has; decoders take more than they offer.
func codecParameters(name string) []webrtc.RTPCodecParameters {
	switch name {
	case "vp8":
		return []webrtc.RTPCodecParameters{videoCodec(webrtc.MimeTypeVP8, "", 96)}
	case "vp9":
		return []webrtc.RTPCodecParameters{videoCodec(webrtc.MimeTypeVP9, "profile-id=0", 98)}
	case "h264":
		const asymmetric = "level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s"
		return []webrtc.RTPCodecParameters{
			videoCodec(webrtc.MimeTypeH264, fmt.Sprintf(asymmetric, 1, "42e01f"), 102),
			videoCodec(webrtc.MimeTypeH264, fmt.Sprintf(asymmetric, 0, "42e01f"), 104),
			videoCodec(webrtc.MimeTypeH264, fmt.Sprintf(asymmetric, 1, "4d001f"), 106),
			videoCodec(webrtc.MimeTypeH264, fmt.Sprintf(asymmetric, 1, "64001f"), 108),
		}
	case "h265":
		return []webrtc.RTPCodecParameters{videoCodec(webrtc.MimeTypeH265, "", 116)}
	case "av1":
		return []webrtc.RTPCodecParameters{videoCodec(webrtc.MimeTypeAV1, "level-idx=5;profile=0;tier=0", 118)}
	}
	return nil
}

func videoCodec(mime, fmtp string, pt webrtc.PayloadType) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: mime, ClockRate: 90000, SDPFmtpLine: fmtp, RTCPFeedback: slices.Clone(videoFeedback),
		},
		PayloadType: pt,
	}
}

// pionLogs passes pion's trouble on at debug level: what matters of it shows in
// a change of state, which is logged by us.
type pionLogs struct{ log *slog.Logger }

// NewLogger implements logging.LoggerFactory.
func (p pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.With("component", "webrtc", "scope", scope)}
}

type pionLog struct{ log *slog.Logger }

func (l pionLog) Trace(string)          {}
func (l pionLog) Tracef(string, ...any) {}
func (l pionLog) Debug(string)          {}
func (l pionLog) Debugf(string, ...any) {}
func (l pionLog) Info(string)           {}
func (l pionLog) Infof(string, ...any)  {}
func (l pionLog) Warn(m string)         { l.log.Debug("webrtc warning", "text", m) }
func (l pionLog) Error(m string)        { l.log.Debug("webrtc error", "text", m) }

func (l pionLog) Warnf(f string, args ...any)  { l.Warn(fmt.Sprintf(f, args...)) }
func (l pionLog) Errorf(f string, args ...any) { l.Error(fmt.Sprintf(f, args...)) }
