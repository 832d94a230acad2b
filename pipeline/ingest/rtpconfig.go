package ingest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/reactorpipe/reactorpipe/decode"
)

// RTPConfig is the source that takes plain RTP from the network, as ffmpeg's and
// GStreamer's senders send it. Silence is waited through; a sender that comes back,
// or another one in its place, goes on where the last one was. Nobody is asked for
// packets that are missing, nor for a keyframe: what a sender should do about loss,
// such as a keyframe every second, it has to do unasked. Pictures are all that is
// taken: sound beside them is left out.
type RTPConfig struct {
	// RTP is the UDP address that packets come in on: :5004 for that port of all
	// interfaces, an address and a port for one of them, or a multicast group and a
	// port. Sender reports are taken on the same port and on the next one.
	RTP string `yaml:"rtp"`
	// Codec of the packets, where there is no sdp.
	Codec string `yaml:"codec" oneof:"vp8,vp9,h264,h265,av1"`
	// SDP is the path of a session description (RFC 8866), relative to the
	// pipeline's file, whose first video says codec, payload type and parameter
	// sets. ffmpeg writes one with -sdp_file.
	SDP string `yaml:"sdp"`
	// PayloadType is the only one that is taken, 0 to 127; any without.
	PayloadType *int `yaml:"payload_type"`
	// Interface is the network interface on which to join a multicast group; the
	// system's choice without.
	Interface string `yaml:"interface"`

	Receiving `yaml:",inline"`
}

func defaultRTP() RTPConfig { return RTPConfig{Receiving: defaultReceiving()} }

// Validate reports every field that is wrong.
func (c *RTPConfig) Validate() error {
	var errs []error
	if _, err := parseUDP(c.RTP); err != nil {
		errs = append(errs, fmt.Errorf("rtp: %w", err))
	}
	switch {
	case c.Codec == "" && c.SDP == "":
		errs = append(errs, errors.New("codec: must be given, or sdp"))
	case c.Codec != "" && c.SDP != "":
		errs = append(errs, errors.New("codec: must not be given beside sdp, which says it"))
	case c.Codec != "":
		if codec, err := decode.ParseCodec(c.Codec); err != nil || !codec.Video() {
			errs = append(errs, fmt.Errorf("codec: must be vp8, vp9, h264, h265 or av1, got %q", c.Codec))
		}
	}
	if pt := c.PayloadType; pt != nil && (*pt < 0 || *pt > 127) {
		errs = append(errs, fmt.Errorf("payload_type: must be 0 to 127, got %d", *pt))
	}
	return errors.Join(append(errs, c.problems()...)...)
}

// parseUDP reads an address to listen on; without a host it is all of them.
func parseUDP(s string) (netip.AddrPort, error) {
	const want = "must be a UDP address such as :5004, 127.0.0.1:5004 or 239.1.1.1:5004"
	host, port, found := strings.Cut(s, ":")
	if i := strings.LastIndexByte(s, ':'); i > 0 {
		host, port = strings.Trim(s[:i], "[]"), s[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if !found || err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s, got %q", want, s)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)), nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s, got %q", want, s)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}
