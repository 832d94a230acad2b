package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// NewRTSP returns a source for a server of RTSP. It connects from the first Read
// on, and again whenever the connection is lost.
func NewRTSP(env pipeline.Env, cfg RTSPConfig) (pipeline.Source, error) {
	u, err := cfg.url()
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	trust, err := rtspTrust(env, cfg.CA)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	f := newRTSPFeed(u, rtspTransports()[cfg.Transport], trust, env.Log)
	return newLiveSource(env.Name, env.Log, liveConfig{
		kind: "rtsp", from: f.name, Receiving: cfg.Receiving,
	}, func() (feed, error) { return f, nil }), nil
}

// rtspTransports are the words for them; nil is what the library finds out.
func rtspTransports() map[string]*gortsplib.Protocol {
	return map[string]*gortsplib.Protocol{
		"tcp":       new(gortsplib.ProtocolTCP),
		"udp":       new(gortsplib.ProtocolUDP),
		"multicast": new(gortsplib.ProtocolUDPMulticast),
		"auto":      nil,
	}
}

// rtspTrust returns what certificates are checked by; nil is as the system does.
func rtspTrust(env pipeline.Env, path string) (*tls.Config, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(env.ReadPath(path))
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: %s: there is no certificate in it", path)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

const (
	// rtspPatience is how long a server may take for an answer, and may be silent.
	rtspPatience = 10 * time.Second
	// firstRetry and lastRetry bound the pause before the next connection, which
	// doubles each time that nothing came of one.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// rtspFeed takes packets from a server, over one connection after the other.
type rtspFeed struct {
	url       *url.URL // with credentials
	name      string   // without
	transport *gortsplib.Protocol
	trust     *tls.Config
	log       *slog.Logger
	retry     time.Duration // the first pause; shorter in tests

	begin   sync.Once
	cancel  context.CancelFunc
	packets chan sdk.Packet
	over    chan struct{} // closed behind the last connection
	err     error         // why; read it once over is closed

	epoch  int  // of the connection
	played bool // a packet came on this connection

	stream atomic.Pointer[rtspStream]
	noRTP  atomic.Uint64 // refused
}

// rtspStream is what is played over one connection.
type rtspStream struct {
	rtpStream
	client *gortsplib.Client
	media  *description.Media
	ssrc   atomic.Uint32
	report atomic.Pointer[rtpReport]
}

func newRTSPFeed(u *url.URL, transport *gortsplib.Protocol, trust *tls.Config, log *slog.Logger) *rtspFeed {
	bare := *u
	bare.User = nil
	return &rtspFeed{
		url: u, name: bare.String(), transport: transport, trust: trust, log: log.With("rtsp", bare.String()), retry: firstRetry,
		cancel: func() {}, packets: make(chan sdk.Packet, rtpQueue), over: make(chan struct{}),
	}
}

// Resume implements feed: it begins to connect.
func (f *rtspFeed) Resume(context.Context) error {
	f.begin.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		f.cancel = cancel
		go func() {
			defer close(f.over)
			f.err = f.run(ctx)
		}()
	})
	return nil
}

// run plays until the feed is closed, or the server says what no retry can mend.
func (f *rtspFeed) run(ctx context.Context) error {
	pause := f.retry
	for {
		f.epoch++
		f.played = false
		err := f.play(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.refused(err) {
			return pipeline.Invalid(f.redacted(err))
		}
		if f.played {
			pause = f.retry
		}
		f.log.Warn("not playing; trying again", "in", pause, "err", f.redacted(err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, lastRetry)
	}
}

// refused says that the next try will end in the same way.
func (f *rtspFeed) refused(err error) bool {
	if status, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err); ok {
		return status.Code == base.StatusUnauthorized || status.Code == base.StatusForbidden
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	return errors.Is(err, errNoRTSPVideo) && f.epoch == 1
}

var errNoRTSPVideo = errors.New("the server offers no video that can be decoded")

// redacted is an error whose text does not repeat the password.
func (f *rtspFeed) redacted(err error) error {
	password, has := f.url.User.Password()
	if err == nil || !has || password == "" {
		return err
	}
	return errors.New(strings.NewReplacer(password, "xxxxx", url.QueryEscape(password), "xxxxx").Replace(err.Error()))
}

// play plays over one connection until that ends.
func (f *rtspFeed) play(ctx context.Context) error {
	u := (*base.URL)(f.url)
	client := &gortsplib.Client{
		Scheme: u.Scheme, Host: u.Host, Protocol: f.transport, TLSConfig: f.trust,
		ReadTimeout: rtspPatience, WriteTimeout: rtspPatience, UDPReadBufferSize: udpBuffer,
		OnPacketsLost: func(uint64) {}, // counted by the jitter buffer
		OnDecodeError: func(err error) {
			f.noRTP.Add(1)
			f.log.Debug("packet not understood", "err", f.redacted(err))
		},
	}
	if err := client.Start(); err != nil {
		return err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, client.Close)
	defer stop()
	session, _, err := client.Describe(u)
	if err != nil {
		return err
	}
	media, forma, stream, err := rtspVideo(session)
	if err != nil {
		return err
	}
	if _, err := client.Setup(session.BaseURL, media, 0, 0); err != nil {
		return err
	}
	s := &rtspStream{rtpStream: stream, client: client, media: media}
	client.OnPacketRTP(media, forma, func(p *rtp.Packet) { f.take(ctx, s, p) })
	f.stream.Store(s)
	if _, err := client.Play(nil); err != nil {
		return err
	}
	f.log.Info("playing", "codec", stream.codec)
	return client.Wait()
}

// rtspVideo finds what to play.
func rtspVideo(session *description.Session) (*description.Media, format.Format, rtpStream, error) {
	for _, m := range session.Medias {
		for _, f := range m.Formats {
			s := rtpStream{payloadType: int(f.PayloadType())}
			switch f := f.(type) {
			case *format.H264:
				s.codec, s.parameterSets = decode.H264, annexB(f.SPS, f.PPS)
			case *format.H265:
				s.codec, s.parameterSets = decode.H265, annexB(f.VPS, f.SPS, f.PPS)
			case *format.VP8:
				s.codec = decode.VP8
			case *format.VP9:
				s.codec = decode.VP9
			case *format.AV1:
				s.codec = decode.AV1
			default:
				continue
			}
			return m, f, s, nil
		}
	}
	return nil, nil, rtpStream{}, errNoRTSPVideo
}

// annexB puts start codes in front of NAL units.
func annexB(nals ...[]byte) []byte {
	var out []byte
	for _, nal := range nals {
		if len(nal) > 0 {
			out = append(append(out, 0, 0, 0, 1), nal...)
		}
	}
	return out
}

// take queues a packet, whose payload the library may use again.
func (f *rtspFeed) take(ctx context.Context, s *rtspStream, p *rtp.Packet) {
	now := time.Now()
	f.played = true
	s.ssrc.Store(p.SSRC)
	if wall, ok := s.client.PacketNTP(s.media, p); ok {
		s.report.Store(&rtpReport{p.SSRC, p.Timestamp, wall})
	}
	select {
	case f.packets <- sdk.Packet{Packet: p.Clone(), Arrival: now, Codec: string(s.codec), Epoch: f.epoch}:
	case <-ctx.Done():
	}
}

// ReadRTP implements feed. It waits through reconnects.
func (f *rtspFeed) ReadRTP(ctx context.Context) (sdk.Packet, error) {
	select {
	case p := <-f.packets:
		return p, nil
	case <-f.over:
		return sdk.Packet{}, f.err
	case <-ctx.Done():
		return sdk.Packet{}, ctx.Err()
	}
}

// RequestKeyframe implements feed. Servers that pass video on from a browser
// hear it; cameras send keyframes unasked.
func (f *rtspFeed) RequestKeyframe() error {
	s := f.stream.Load()
	if s == nil || s.ssrc.Load() == 0 {
		return errors.New("no packet has come yet")
	}
	return s.client.WritePacketRTCP(s.media, &rtcp.PictureLossIndication{MediaSSRC: s.ssrc.Load()})
}

// RTT implements feed: it is not known.
func (f *rtspFeed) RTT() time.Duration { return 0 }

// SenderTime implements feed.
func (f *rtspFeed) SenderTime(timestamp uint32) (time.Time, bool) {
	s := f.stream.Load()
	if s == nil {
		return time.Time{}, false
	}
	r := s.report.Load()
	if r == nil || r.ssrc != s.ssrc.Load() {
		return time.Time{}, false
	}
	return r.at(timestamp, s.codec), true
}

// Refused implements pickyFeed.
func (f *rtspFeed) Refused() map[string]uint64 { return map[string]uint64{"no_rtp": f.noRTP.Load()} }

// ParameterSets implements describedFeed.
func (f *rtspFeed) ParameterSets() []byte {
	if s := f.stream.Load(); s != nil {
		return s.parameterSets
	}
	return nil
}

// Close implements io.Closer.
func (f *rtspFeed) Close() error {
	f.begin.Do(func() { close(f.over) })
	f.cancel()
	<-f.over
	return nil
}
