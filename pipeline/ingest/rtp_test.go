package ingest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
	"github.com/reactorpipe/reactorpipe/sdk"
)

func environment(dir string, log *pipetest.Log) pipeline.Env {
	return pipeline.Env{Name: "cam", Dir: dir, Clock: pipeline.SystemClock{}, Log: slog.New(slog.NewTextHandler(log, nil))}
}

func closing(t *testing.T, s pipeline.Source) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// metaOf reads a frame, which is released.
func metaOf(t *testing.T, s pipeline.Source) pipeline.Meta {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f, err := s.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	meta := f.Meta
	if err := f.Release(); err != nil {
		t.Error(err)
	}
	return meta
}

// freeUDP returns an address whose port, and the next, nobody listens on.
func freeUDP(t *testing.T) *net.UDPAddr {
	t.Helper()
	for range 1000 {
		// Not one of those that systems hand out, for such a one may be taken at any moment.
		addr := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 10_000 + 2*rand.IntN(10_000)}
		c, err := net.ListenUDP("udp", addr)
		if err != nil {
			continue
		}
		c.Close()
		behind, err := net.ListenUDP("udp", &net.UDPAddr{IP: addr.IP, Port: addr.Port + 1})
		if err != nil {
			continue
		}
		behind.Close()
		return addr
	}
	t.Fatal("no two free ports in a row")
	return nil
}

// udpWire sends what a sender makes to an address, until the test has seen it.
type udpWire struct {
	t *testing.T
	*sender
	conn *net.UDPConn
}

func newUDPWire(t *testing.T, codec string, to *net.UDPAddr) *udpWire {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &udpWire{t, newSender(t, codec), conn}
}

func (w *udpWire) send() {
	w.t.Helper()
	for _, p := range w.picture(time.Time{}) {
		w.write(p)
	}
}

func (w *udpWire) write(p sdk.Packet) {
	w.t.Helper()
	raw, err := p.Marshal()
	if err != nil {
		w.t.Fatal(err)
	}
	_, _ = w.conn.Write(raw) // nobody may listen yet
}

// reading reads frames in the background, so that the source listens.
func reading(t *testing.T, s pipeline.Source) <-chan pipeline.Meta {
	t.Helper()
	frames := make(chan pipeline.Meta, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			f, err := s.Read(ctx)
			if err != nil {
				return
			}
			frames <- f.Meta
			if err := f.Release(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return frames
}

func TestRTP(t *testing.T) {
	for _, codec := range []string{"vp8", "vp9", "h264"} {
		t.Run(codec, func(t *testing.T) {
			addr, log := freeUDP(t), &pipetest.Log{}
			cfg := defaultRTP()
			cfg.RTP, cfg.Codec = addr.String(), codec
			s, err := NewRTP(environment("", log), cfg)
			if err != nil {
				t.Fatal(err)
			}
			closing(t, s)
			frames := reading(t, s)
			w := newUDPWire(t, codec, addr)

			first := w.until(frames, func() { w.keyframe(); w.send() })
			if first.Stream != "cam" || !first.Keyframe || first.Arrival.IsZero() {
				t.Errorf("the first frame is %+v", first)
			}
			w.send()
			if second := <-frames; second.Seq <= first.Seq || second.PTS <= first.PTS || second.Discontinuity != "" {
				t.Errorf("the second is %+v after %+v", second, first)
			}
			w.restart(99)
			for other := first; other.Discontinuity != pipeline.Reconnect; { // behind what was on its way
				other = w.until(frames, func() { w.keyframe(); w.send() })
				if other.Discontinuity != "" && other.Discontinuity != pipeline.Reconnect {
					t.Errorf("of another sender: %+v", other)
				}
			}
			if !s.Live() {
				t.Error("a sender waits for nobody")
			}
			if !strings.Contains(log.String(), "codec="+codec) {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// until sends until a frame comes: the source may not listen yet.
func (w *udpWire) until(frames <-chan pipeline.Meta, send func()) pipeline.Meta {
	w.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	giveUp := time.After(time.Minute)
	for {
		send()
		select {
		case f := <-frames:
			return f
		case <-again.C:
		case <-giveUp:
			w.t.Fatal("no frame comes")
		}
	}
}

// A multicast group is joined on the interface that is named.
func TestRTPMulticast(t *testing.T) {
	group := &net.UDPAddr{IP: net.IPv4(239, 255, 77, 1), Port: freeUDP(t).Port}
	cfg := defaultRTP()
	cfg.RTP, cfg.Codec, cfg.Interface = group.String(), "vp8", "lo"
	s, err := NewRTP(environment("", &pipetest.Log{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	over := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error { // the loopback, too
		var err error
		failed := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInet4Addr(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, [4]byte{127, 0, 0, 1})
		})
		return errors.Join(failed, err)
	}}
	conn, err := over.DialContext(t.Context(), "udp", group.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &udpWire{t, newSender(t, "vp8"), conn.(*net.UDPConn)}
	frames := reading(t, s)
	if f := w.until(frames, func() { w.keyframe(); w.send() }); !f.Keyframe {
		t.Errorf("the first frame is %+v", f)
	}

	cfg.Interface = "lacking0"
	s, err = NewRTP(environment("", &pipetest.Log{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	const want = `rtp: interface "lacking0": route ip+net: no such network interface`
	if _, err := s.Read(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// Packets of another payload type are somebody else's.
func TestRTPPayloadType(t *testing.T) {
	addr := freeUDP(t)
	cfg := defaultRTP()
	cfg.RTP, cfg.Codec, cfg.PayloadType = addr.String(), "vp8", new(97)
	s, err := NewRTP(environment("", &pipetest.Log{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	frames := reading(t, s)
	w, stranger := newUDPWire(t, "vp8", addr), newUDPWire(t, "h264", addr)
	stranger.ssrc = 1234
	got := w.until(frames, func() {
		stranger.send()
		w.keyframe()
		for _, p := range w.picture(time.Time{}) {
			p.PayloadType = 97
			w.write(p)
		}
	})
	if got.Discontinuity != "" {
		t.Errorf("the stranger was heard: %+v", got)
	}
	counts := s.(pipeline.CountingSource)
	for counts.Counts().Dropped["other_payload_type"] == 0 || counts.Counts().Dropped["no_rtp"] < 2 {
		stranger.send()
		_, _ = stranger.conn.Write([]byte("hello?"))
		_, _ = stranger.conn.Write(append([]byte{0x40, 97}, make([]byte, 20)...)) // of version 1
		<-time.After(5 * time.Millisecond)
	}
}

// Sender reports tell the sender's wall time, on the port of RTP or the next.
func TestRTPSenderReports(t *testing.T) {
	for _, offset := range []int{0, 1} {
		addr := freeUDP(t)
		cfg := defaultRTP()
		cfg.RTP, cfg.Codec = addr.String(), "vp8"
		s, err := NewRTP(environment("", &pipetest.Log{}), cfg)
		if err != nil {
			t.Fatal(err)
		}
		closing(t, s)
		frames := reading(t, s)
		w := newUDPWire(t, "vp8", addr)
		control := newUDPWire(t, "vp8", &net.UDPAddr{IP: addr.IP, Port: addr.Port + offset})
		const second = 1 << 32 // of NTP time
		report, err := (&rtcp.SenderReport{SSRC: w.ssrc, NTPTime: (2208988800 + 1_000_000) * second, RTPTime: w.timestamp}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		origin := w.timestamp
		giveUp := time.Now().Add(patience)
		sent := make(map[time.Time]bool) // several, where reading begins late
		for {
			_, _ = control.conn.Write(report)
			f := w.until(frames, func() {
				w.keyframe()
				sent[time.Unix(1_000_000, 0).UTC().Add(ticks(int64(int32(w.timestamp-origin)), 90000))] = true
				w.send()
			})
			if sent[f.SenderTime.UTC()] {
				break
			}
			if time.Now().After(giveUp) {
				t.Fatalf("port +%d: the sender's time is %v", offset, f.SenderTime)
			}
		}
	}
}

// A report is of one sender alone: neither a stranger's, nor that of the sender
// before, says when a picture was taken.
func TestRTPReportsOfOneSender(t *testing.T) {
	f := &rtpFeed{stream: rtpStream{codec: decode.VP8}, packets: make(chan sdk.Packet, 1)}
	hear := func(ssrc uint32) {
		t.Helper()
		f.packets <- sdk.Packet{Packet: &rtp.Packet{Header: rtp.Header{SSRC: ssrc}}}
		if _, err := f.ReadRTP(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	report := func(ssrc uint32, second uint64) {
		t.Helper()
		b, err := (&rtcp.SenderReport{SSRC: ssrc, NTPTime: (2208988800 + second) << 32, RTPTime: 90_000}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		f.reported(b)
	}
	want := func(when string, second int64) {
		t.Helper()
		at, known := f.SenderTime(90_000)
		if known != (second > 0) || known && at.Unix() != second {
			t.Errorf("%s: got %v, %t, want second %d", when, at, known, second)
		}
	}
	report(7, 1000)
	want("before a packet", 0)
	hear(7)
	want("a report before the first packet", 1000)
	report(8, 5000)
	want("a stranger's report", 1000)
	report(7, 1001)
	want("the next report", 1001)
	hear(8)
	want("another sender", 0)
	report(8, 5001)
	want("its report", 5001)
}

// ffmpeg's own sender is understood by the description that it writes, though
// parameter sets are nowhere else.
func TestRTPFromFFmpeg(t *testing.T) {
	addr, dir := freeUDP(t), t.TempDir()
	sdp := filepath.Join(dir, "cam.sdp")
	args := []string{
		"-loglevel", "error", "-re", "-stream_loop", "-1", "-i", street, "-an", "-c:v", "copy",
		"-f", "rtp", "-sdp_file", sdp, "rtp://" + addr.String(),
	}
	ffmpeg := exec.CommandContext(t.Context(), "ffmpeg", args...)
	if err := ffmpeg.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ffmpeg.Wait() })
	for i := 0; ; i++ {
		if b, err := os.ReadFile(sdp); err == nil && bytes.Contains(b, []byte("sprop")) {
			break
		}
		if i > 1000 {
			t.Fatal("ffmpeg wrote no description")
		}
		<-time.After(20 * time.Millisecond)
	}
	cfg := defaultRTP()
	cfg.RTP, cfg.SDP = addr.String(), "cam.sdp"
	s, err := NewRTP(environment(dir, &pipetest.Log{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	for range 3 {
		if f := metaOf(t, s); f.Width != 768 || f.Height != 576 {
			t.Errorf("got %+v", f)
		}
	}
}

func TestRTPSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &pipetest.Log{}
		f := &rtpFeed{packets: make(chan sdk.Packet, 1), log: slog.New(slog.NewTextHandler(log, nil))}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := f.ReadRTP(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		f.packets <- sdk.Packet{Packet: &rtp.Packet{}}
		if _, err := f.ReadRTP(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "no packets come"); n != 1 || !strings.Contains(log.String(), "packets come again") {
			t.Errorf("said %d times:\n%s", n, log)
		}
	})
}

func TestRTPPortTaken(t *testing.T) {
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := defaultRTP()
	cfg.RTP, cfg.Codec = taken.LocalAddr().String(), "vp8"
	s, err := NewRTP(environment("", &pipetest.Log{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, s)
	if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") || errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestRTPConfig(t *testing.T) {
	tests := []struct {
		name   string
		change func(*RTPConfig)
		want   string
	}{
		{"any address", func(*RTPConfig) {}, ""},
		{"IPv6", func(c *RTPConfig) { c.RTP = "[::1]:5004" }, ""},
		{"a group", func(c *RTPConfig) { c.RTP = "239.1.1.1:5004" }, ""},
		{"a description", func(c *RTPConfig) { c.Codec, c.SDP = "", "cam.sdp" }, ""},
		{"no port", func(c *RTPConfig) { c.RTP = "127.0.0.1" }, `rtp: must be a UDP address such as :5004, 127.0.0.1:5004 or 239.1.1.1:5004, got "127.0.0.1"`},
		{"a name", func(c *RTPConfig) { c.RTP = "cam:5004" }, `rtp: must be a UDP address such as :5004, 127.0.0.1:5004 or 239.1.1.1:5004, got "cam:5004"`},
		{"nothing", func(c *RTPConfig) { c.Codec = "" }, "codec: must be given, or sdp"},
		{"both", func(c *RTPConfig) { c.SDP = "cam.sdp" }, "codec: must not be given beside sdp, which says it"},
		{"a codec", func(c *RTPConfig) { c.Codec = "opus" }, `codec: must be vp8, vp9, h264, h265 or av1, got "opus"`},
		{"a type", func(c *RTPConfig) { c.PayloadType = new(128) }, "payload_type: must be 0 to 127, got 128"},
		{"on_loss", func(c *RTPConfig) { c.OnLoss = "hide" }, `on_loss: must be freeze or show, got "hide"`},
	}
	for _, tt := range tests {
		cfg := defaultRTP()
		cfg.RTP, cfg.Codec = ":5004", "h264"
		tt.change(&cfg)
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSDP(t *testing.T) {
	text := strings.ReplaceAll(`v=0
o=- 0 0 IN IP4 127.0.0.1
s=No Name
c=IN IP4 127.0.0.1
t=0 0
m=audio 5002 RTP/AVP 97
a=rtpmap:97 opus/48000/2
m=video 5004 RTP/AVP 95 96
a=rtpmap:95 JPEG/90000
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHw==,aMuMsg==; profile-level-id=42C01F
`, "\n", "\r\n")
	got, err := parseSDP([]byte("SDP:\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	sets := []byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0, 0, 0, 1, 0x68, 0xcb, 0x8c, 0xb2}
	if got.codec != decode.H264 || got.payloadType != 96 || !bytes.Equal(got.parameterSets, sets) {
		t.Errorf("got %+v", got)
	}
	if _, err := parseSDP([]byte(strings.ReplaceAll(text, "H264", "MPV"))); err == nil {
		t.Error("a description without a codec that we know")
	}
	cfg := defaultRTP()
	cfg.RTP, cfg.SDP = ":5004", "nonsense.sdp"
	if _, err := NewRTP(environment(t.TempDir(), &pipetest.Log{}), cfg); !errors.Is(err, pipeline.ErrInvalid) {
		t.Errorf("no such description: %v, want ErrInvalid", err)
	}
}

func FuzzSDP(f *testing.F) {
	f.Add([]byte("v=0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets=Z0LAHw==\r\n"))
	f.Add([]byte("SDP:\nv=0\nm=video 0 RTP/AVP 300\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseSDP(text)
		if err == nil && !s.codec.Video() {
			t.Fatalf("got %+v", s)
		}
	})
}
