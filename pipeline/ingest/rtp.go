package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// NewRTP returns a source for plain RTP. It listens from the first Read on. A
// description that cannot be used is ErrInvalid.
func NewRTP(env pipeline.Env, cfg RTPConfig) (pipeline.Source, error) {
	stream, err := describedRTP(env, cfg)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	if err := cfg.check([]string{string(stream.codec)}); err != nil {
		return nil, err
	}
	addr, err := parseUDP(cfg.RTP)
	if err != nil {
		return nil, pipeline.Invalid(fmt.Errorf("rtp: %w", err))
	}
	return newLiveSource(env.Name, env.Log, liveConfig{
		kind: "rtp", from: cfg.RTP, Receiving: cfg.Receiving,
	}, func() (feed, error) { return listenRTP(addr, cfg.Interface, stream, env.Log) }), nil
}

// rtpStream is what a receiver knows of a stream beforehand.
type rtpStream struct {
	codec         decode.Codec
	payloadType   int    // anyPayload for any
	parameterSets []byte // of H.264 and H.265, in Annex B form
}

const anyPayload = -1

func describedRTP(env pipeline.Env, cfg RTPConfig) (rtpStream, error) {
	s := rtpStream{payloadType: anyPayload}
	var err error
	if cfg.SDP != "" {
		s, err = readSDP(env.ReadPath(cfg.SDP))
	} else {
		s.codec, err = decode.ParseCodec(cfg.Codec)
	}
	if cfg.PayloadType != nil {
		s.payloadType = *cfg.PayloadType
	}
	return s, err
}

const (
	// rtpQueue is how many packets wait for whoever reads them.
	rtpQueue = 4096
	// rtpMTU holds any packet of an Ethernet path, jumbo frames included.
	rtpMTU = 9216
	// rtpSlab holds many packets: one allocation for all of them.
	rtpSlab = 64 << 10
	// silence is after what time without a packet it is said that none comes.
	silence = 5 * time.Second
)

// rtpFeed takes packets from a socket.
type rtpFeed struct {
	stream  rtpStream
	log     *slog.Logger
	sockets []*net.UDPConn // that of RTP, and that of RTCP where the next port was free
	packets chan sdk.Packet
	done    chan struct{}
	wg      sync.WaitGroup
	report  atomic.Pointer[rtpReport]
	ssrc    atomic.Uint32 // of the last packet read

	noRTP, otherType atomic.Uint64 // refused

	quiet bool // touched by ReadRTP
}

// rtpReport ties an RTP timestamp of a sender to its wall clock.
type rtpReport struct {
	ssrc      uint32
	timestamp uint32
	wall      time.Time
}

// at is the sender's wall time of a timestamp.
func (r *rtpReport) at(timestamp uint32, codec decode.Codec) time.Time {
	return r.wall.Add(ticks(int64(int32(timestamp-r.timestamp)), codec.ClockRate())) //nolint:gosec // the distance, over the wrap
}

func listenRTP(addr netip.AddrPort, iface string, stream rtpStream, log *slog.Logger) (*rtpFeed, error) {
	conn, err := listenUDP(addr, iface, log)
	if err != nil {
		return nil, fmt.Errorf("rtp: %w", err)
	}
	f := &rtpFeed{
		stream: stream, log: log, sockets: []*net.UDPConn{conn},
		packets: make(chan sdk.Packet, rtpQueue), done: make(chan struct{}),
	}
	f.wg.Go(func() { f.read(conn) })
	if addr.Port() == 0 {
		return f, nil
	}
	if control, err := listenUDP(netip.AddrPortFrom(addr.Addr(), addr.Port()+1), iface, log); err == nil {
		f.sockets = append(f.sockets, control)
		f.wg.Go(func() { f.read(control) })
	}
	return f, nil
}

// Resume implements feed: packets come or do not.
func (f *rtpFeed) Resume(context.Context) error { return nil }

// ReadRTP implements feed. A sender that is silent is waited for.
func (f *rtpFeed) ReadRTP(ctx context.Context) (sdk.Packet, error) {
	hush := time.NewTimer(silence)
	defer hush.Stop()
	for {
		select {
		case p := <-f.packets:
			f.ssrc.Store(p.SSRC)
			if f.quiet {
				f.quiet = false
				f.log.Info("packets come again")
			}
			return p, nil
		case <-ctx.Done():
			return sdk.Packet{}, ctx.Err()
		case <-hush.C:
			if !f.quiet {
				f.quiet = true
				f.log.Warn("no packets come; waiting for them", "for", silence)
			}
		}
	}
}

var errNotAsked = errors.New("a sender of plain RTP is not asked for keyframes")

// RequestKeyframe implements feed.
func (f *rtpFeed) RequestKeyframe() error { return errNotAsked }

// RTT implements feed: it is not known.
func (f *rtpFeed) RTT() time.Duration { return 0 }

// ParameterSets implements describedFeed.
func (f *rtpFeed) ParameterSets() []byte { return f.stream.parameterSets }

// SenderTime implements feed.
func (f *rtpFeed) SenderTime(timestamp uint32) (time.Time, bool) {
	r := f.report.Load()
	if r == nil || r.ssrc != f.ssrc.Load() {
		return time.Time{}, false
	}
	return r.at(timestamp, f.stream.codec), true
}

// Close implements io.Closer.
func (f *rtpFeed) Close() error {
	close(f.done)
	var errs []error
	for _, c := range f.sockets {
		errs = append(errs, c.Close())
	}
	f.wg.Wait()
	return errors.Join(errs...)
}

func (f *rtpFeed) read(conn *net.UDPConn) {
	var slab []byte
	for {
		if len(slab) < rtpMTU {
			slab = make([]byte, rtpSlab)
		}
		n, err := conn.Read(slab[:rtpMTU])
		now := time.Now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as an ICMP answer to nothing that we sent
		}
		if isRTCP(slab[:n]) {
			f.reported(slab[:n])
			continue
		}
		p := &rtp.Packet{}
		if p.Unmarshal(slab[:n:n]) != nil || p.Version != rtpVersion {
			f.noRTP.Add(1)
			continue
		}
		if f.stream.payloadType != anyPayload && int(p.PayloadType) != f.stream.payloadType {
			f.otherType.Add(1)
			continue
		}
		slab = slab[n:]
		select {
		case f.packets <- sdk.Packet{Packet: p, Arrival: now, Codec: string(f.stream.codec)}:
		case <-f.done:
			return
		}
	}
}

// rtpVersion is that of RFC 3550.
const rtpVersion = 2

// Refused implements pickyFeed.
func (f *rtpFeed) Refused() map[string]uint64 {
	return map[string]uint64{"no_rtp": f.noRTP.Load(), "other_payload_type": f.otherType.Load()}
}

// isRTCP tells the two apart where they share a port (RFC 5761 section 4).
func isRTCP(b []byte) bool { return len(b) > 1 && 192 <= b[1] && b[1] <= 223 }

// reported takes the sender reports of a packet. The one of the sender that is
// heard makes no room for anybody else's.
func (f *rtpFeed) reported(b []byte) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return
	}
	for _, p := range packets {
		r, ok := p.(*rtcp.SenderReport)
		if !ok || r.NTPTime == 0 {
			continue
		}
		if last := f.report.Load(); last == nil || last.ssrc != f.ssrc.Load() || r.SSRC == last.ssrc {
			f.report.Store(&rtpReport{r.SSRC, r.RTPTime, ntpTime(r.NTPTime)})
		}
	}
}

// ntpTime converts a 64-bit NTP timestamp (RFC 3550 section 4).
func ntpTime(ntp uint64) time.Time {
	const epoch = -2208988800                                                                     // of NTP's era 0, in Unix seconds
	return time.Unix(int64(ntp>>32)+epoch, int64((ntp&0xffffffff)*uint64(time.Second)>>32)).UTC() //nolint:gosec // halves of 64 bits
}
