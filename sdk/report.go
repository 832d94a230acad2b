package sdk

import (
	"runtime"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// reportInterval is how often the server is told the client's statistics. It
// takes one report a second at most.
const reportInterval = 5 * time.Second

// report tells the server how the connection does.
func (c *conn) report(now time.Time) {
	_ = c.write("client_stats", &wire.ControlClientMessage{
		Kind:    wire.MessageKind_MESSAGE_KIND_NOTIFICATION,
		Payload: &wire.ControlClientMessage_ClientStats{ClientStats: c.clientStats(c.stats(now))},
	})
}

func (c *conn) clientStats(s Stats) *wire.ClientStats {
	at := s.At.UnixMilli()
	out := &wire.ClientStats{ConnectionStat: &wire.ClientConnectionStat{
		Timestamp: at, Metrics: metrics{}.integer("available_outgoing_bitrate_bps", s.AvailableOutgoingBitrate),
		Environment: &wire.ClientEnvironment{SdkType: thisClient.Type, SdkVersion: thisClient.Version, Os: runtime.GOOS, Arch: runtime.GOARCH},
	}}
	if took := c.session.connectTook.Swap(0); took > 0 {
		out.ConnectionStat.Metrics["time_to_connect_ms"] = milliseconds(time.Duration(took))
	}
	for _, t := range c.session.tracks {
		record := &wire.ClientTrackStat{Timestamp: at, TrackName: t.info.Name, Kind: wireKind(t.info.Kind), Paused: t.Paused()}
		if t.info.Direction == ReceiveOnly {
			record.Direction = wire.TrackDirection_TRACK_DIRECTION_RECVONLY
			received(record, s.Inbound)
		} else {
			record.Direction = wire.TrackDirection_TRACK_DIRECTION_SENDONLY
			sent(record, s.Outbound)
		}
		out.TrackStats = append(out.TrackStats, record)
	}
	return out
}

// received fills in the record of a track with its newest stream.
func received(record *wire.ClientTrackStat, streams []InboundStats) {
	for _, i := range streams {
		if i.Track != record.GetTrackName() {
			continue
		}
		setCodec(record, i.Codec)
		m := metrics{
			"packets_received": float64(i.PacketsReceived), "packets_lost": float64(i.PacketsLost),
			"nack_count": float64(i.NACKs), "keyframe_requests": float64(i.KeyframeRequests),
		}.duration("jitter_ms", i.Jitter).number("frames_per_second", i.FramesPerSecond).number("bitrate_bps", i.Bitrate)
		if d := i.Decoding; d != nil {
			m["frames_decoded"], m["frames_dropped"] = float64(d.Frames), float64(d.Dropped)
			m["frame_width"], m["frame_height"] = float64(d.Width), float64(d.Height)
			record.CodecImplementation, record.HardwareCodec = d.Implementation, &d.Hardware
		}
		record.Metrics = m
	}
}

func sent(record *wire.ClientTrackStat, streams []OutboundStats) {
	for _, o := range streams {
		if o.Track != record.GetTrackName() {
			continue
		}
		setCodec(record, o.Codec)
		record.Metrics = metrics{
			"packets_sent": float64(o.PacketsSent), "retransmitted_packets_sent": float64(o.PacketsRetransmitted),
		}.duration("round_trip_time_ms", o.RTT).number("frames_per_second", o.FramesPerSecond).number("bitrate_bps", o.Bitrate)
	}
}

func setCodec(record *wire.ClientTrackStat, name string) {
	if name == "opus" {
		record.Codec = &wire.ClientTrackStat_AudioCodec{AudioCodec: wire.AudioCodec_AUDIO_CODEC_OPUS}
		return
	}
	if codec, ok := wireCodecs[name]; ok {
		record.Codec = &wire.ClientTrackStat_VideoCodec{VideoCodec: codec}
	}
}

var wireCodecs = map[string]wire.VideoCodec{
	"vp8": wire.VideoCodec_VIDEO_CODEC_VP8, "vp9": wire.VideoCodec_VIDEO_CODEC_VP9, "av1": wire.VideoCodec_VIDEO_CODEC_AV1,
	"h264": wire.VideoCodec_VIDEO_CODEC_H264, "h265": wire.VideoCodec_VIDEO_CODEC_H265,
}

// metrics are figures by name; what was not measured is left out.
type metrics map[string]float64

func (m metrics) number(name string, v *float64) metrics {
	if v != nil {
		m[name] = *v
	}
	return m
}

func (m metrics) integer(name string, v *int) metrics {
	if v != nil {
		m[name] = float64(*v)
	}
	return m
}

func (m metrics) duration(name string, v *time.Duration) metrics {
	if v != nil {
		m[name] = milliseconds(*v)
	}
	return m
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
