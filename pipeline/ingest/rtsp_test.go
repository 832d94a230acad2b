package ingest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtcp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

const (
	cameraUser     = "viewer"
	cameraPassword = "open sesame"
)

// camera is a server of RTSP that wants a password and shows a clip in a loop,
// with a keyframe every half second and parameter sets in its description alone.
type camera struct {
	t      *testing.T
	server *gortsplib.Server
	media  *description.Media
	addr   string
	udp    *net.UDPAddr
	tls    *tls.Config // nil: without
	group  string      // of addresses that it sends to where a viewer wants that; "": none
	clock  time.Time   // of its first picture, as its reports say; zero: it sends none

	mu     sync.Mutex // guards what follows
	stream *gortsplib.ServerStream
	asked  int // for keyframes
	stop   chan struct{}
	wg     sync.WaitGroup
}

func newCamera(t *testing.T, codec string) *camera {
	t.Helper()
	return newCameraAs(t, codec, func(*camera) {})
}

// newCameraAs is newCamera with something else about it.
func newCameraAs(t *testing.T, codec string, as func(*camera)) *camera {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := &camera{t: t, addr: l.Addr().String(), udp: freeUDP(t)}
	forma := map[string]format.Format{
		"h264": &format.H264{PayloadTyp: 96, PacketizationMode: 1}, "vp8": &format.VP8{PayloadTyp: 96}, "opus": &format.Opus{PayloadTyp: 96},
	}[codec]
	c.media = &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{forma}}
	as(c)
	c.start(codec)
	t.Cleanup(c.close)
	return c
}

// start has the camera answer and send.
func (c *camera) start(codec string) {
	c.t.Helper()
	c.server = &gortsplib.Server{
		Handler: c, RTSPAddress: c.addr,
		UDPRTPAddress: c.udp.String(), UDPRTCPAddress: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.udp.Port+1)),
		TLSConfig: c.tls,
	}
	if c.tls != nil { // which goes with packets in the connection
		c.server.UDPRTPAddress, c.server.UDPRTCPAddress = "", ""
	}
	if c.group != "" {
		c.server.MulticastIPRange, c.server.MulticastRTPPort, c.server.MulticastRTCPPort = c.group, c.udp.Port, c.udp.Port+1
		c.server.UDPRTPAddress, c.server.UDPRTCPAddress = "", ""
	}
	if err := c.server.Start(); err != nil {
		c.t.Fatal(err)
	}
	stream := &gortsplib.ServerStream{Server: c.server, Desc: &description.Session{Medias: []*description.Media{c.media}}}
	if err := stream.Initialize(); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.stream, c.stop = stream, make(chan struct{})
	c.mu.Unlock()
	if codec != "opus" {
		c.wg.Go(func() { c.send(codec, stream, c.stop) })
	}
}

func (c *camera) send(codec string, stream *gortsplib.ServerStream, stop chan struct{}) {
	s := newSender(c.t, codec)
	due := time.NewTicker(frameTime)
	defer due.Stop()
	for i := 0; ; i++ {
		if i%15 == 0 {
			s.keyframe()
		}
		packets := s.picture(time.Time{})
		for _, p := range packets {
			p.PayloadType = 96
			_ = stream.WritePacketRTP(c.media, p.Packet) // readers come and go
		}
		if last := packets[len(packets)-1]; i%15 == 1 && !c.clock.IsZero() {
			at := c.clock.Add(time.Duration(i) * frameTime).Unix()
			_ = stream.WritePacketRTCP(c.media, &rtcp.SenderReport{
				SSRC: last.SSRC, NTPTime: uint64(2208988800+at) << 32, RTPTime: last.Timestamp,
			})
		}
		select {
		case <-stop:
			return
		case <-due.C:
		}
	}
}

// close has the camera go away.
func (c *camera) close() {
	c.mu.Lock()
	stream, stop := c.stream, c.stop
	c.stream = nil
	c.mu.Unlock()
	if stream == nil {
		return
	}
	close(stop)
	c.wg.Wait()
	stream.Close()
	c.server.Close()
}

func (c *camera) admit(conn *gortsplib.ServerConn, r *base.Request) (*base.Response, *gortsplib.ServerStream, error) {
	if !conn.VerifyCredentials(r, cameraUser, cameraPassword) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *camera) OnDescribe(r *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return c.admit(r.Conn, r.Request)
}

func (c *camera) OnSetup(r *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return c.admit(r.Conn, r.Request)
}

func (c *camera) OnPlay(r *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	r.Session.OnPacketRTCPAny(func(_ *description.Media, p rtcp.Packet) {
		if _, ok := p.(*rtcp.PictureLossIndication); ok {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.asked++
		}
	})
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// view returns a source that looks at the camera, and its log.
func (c *camera) view(transport, user, password string) (pipeline.Source, *pipetest.Log) {
	c.t.Helper()
	cfg := defaultRTSP()
	cfg.RTSP, cfg.User, cfg.Password, cfg.Transport = "rtsp://"+c.addr+"/stream", user, password, transport
	return c.viewAs(cfg)
}

func (c *camera) viewAs(cfg RTSPConfig) (pipeline.Source, *pipetest.Log) {
	c.t.Helper()
	log := &pipetest.Log{}
	if err := cfg.Validate(); err != nil {
		c.t.Fatal(err)
	}
	s, err := NewRTSP(environment("", log), cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	closing(c.t, s)
	return s, log
}

func TestRTSP(t *testing.T) {
	for _, transport := range []string{"tcp", "udp"} {
		for _, codec := range []string{"vp8", "h264"} {
			t.Run(transport+"/"+codec, func(t *testing.T) {
				s, log := newCamera(t, codec).view(transport, cameraUser, cameraPassword)
				first := metaOf(t, s)
				if !first.Keyframe || first.Stream != "cam" || first.Arrival.IsZero() {
					t.Errorf("the first frame is %+v", first)
				}
				for range 5 {
					f := metaOf(t, s)
					if f.Seq != first.Seq+1 || f.PTS <= first.PTS {
						t.Errorf("%+v after %+v", f, first)
					}
					first = f
				}
				if strings.Contains(log.String(), cameraPassword) || strings.Contains(log.String(), cameraUser) {
					t.Errorf("the log tells who looks:\n%s", log)
				}
			})
		}
	}
}

// A camera sends to a group, whose address it says, on the interface on which it is
// asked.
func TestRTSPMulticast(t *testing.T) {
	host, found := multicastHost(t)
	if !found {
		t.Skip("no interface of this machine has an IPv4 address and multicast")
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c := newCameraAs(t, "h264", func(c *camera) { c.addr, c.group = l.Addr().String(), "239.255.77.0/24" })
	s, log := c.view("multicast", cameraUser, cameraPassword)
	first, second := metaOf(t, s), metaOf(t, s)
	if !first.Keyframe || second.Seq != first.Seq+1 || second.PTS <= first.PTS {
		t.Errorf("%+v after %+v\n%s", second, first, log)
	}
}

// multicastHost returns an address of this machine.
func multicastHost(t *testing.T) (host string, found bool) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagRunning == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				return n.IP.String(), true
			}
		}
	}
	return "", false
}

// A camera's reports say when a picture was taken, those of one connection for the
// pictures of that one.
func TestRTSPSenderReports(t *testing.T) {
	c := newCameraAs(t, "vp8", func(c *camera) { c.clock = time.Unix(1_000_000, 0) })
	s, _ := c.view("tcp", cameraUser, cameraPassword)
	s.(*liveSource).open = quickly(t, s)
	dated := func(from int64) {
		t.Helper()
		for {
			f := metaOf(t, s)
			if f.SenderTime.IsZero() {
				continue
			}
			if at := f.SenderTime.Unix(); at < from || from+3600 < at {
				t.Fatalf("%v, the camera's clock began at %v: %+v", f.SenderTime, time.Unix(from, 0), f)
			}
			return
		}
	}
	dated(1_000_000)
	c.close()
	c.clock = time.Unix(2_000_000, 0)
	c.start("vp8")
	for metaOf(t, s).Discontinuity == "" {
	}
	dated(2_000_000)
}

// certificate returns one that 127.0.0.1 signs for itself, and the path of a file
// with it.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "camera.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// Over TLS a camera is who its certificate says, or is not played.
func TestRTSPS(t *testing.T) {
	own, ca := certificate(t)
	_, other := certificate(t)
	c := newCameraAs(t, "h264", func(c *camera) {
		c.tls = &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
	})
	cfg := defaultRTSP()
	cfg.RTSP, cfg.User, cfg.Password, cfg.CA = "rtsps://"+c.addr+"/stream", cameraUser, cameraPassword, ca
	s, _ := c.viewAs(cfg)
	if f := metaOf(t, s); !f.Keyframe || f.Width == 0 {
		t.Errorf("the first frame is %+v", f)
	}
	for _, unknown := range []string{"", other} {
		cfg.CA = unknown
		s, _ := c.viewAs(cfg)
		if _, err := s.Read(t.Context()); !errors.Is(err, pipeline.ErrInvalid) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("trusting %q: %v", unknown, err)
		}
	}
}

func TestRTSPTrust(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "nothing.pem")
	if err := os.WriteFile(nothing, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{nothing, "ca: " + nothing + ": there is no certificate in it"},
		{"/nowhere.pem", "ca: open /nowhere.pem: no such file or directory"},
	} {
		cfg := defaultRTSP()
		cfg.RTSP, cfg.CA = "rtsps://cam.local/1", tt.path
		if _, err := NewRTSP(environment("", &pipetest.Log{}), cfg); !errors.Is(err, pipeline.ErrInvalid) || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

// A camera that goes away and comes back is seen again.
func TestRTSPReconnects(t *testing.T) {
	c := newCamera(t, "vp8")
	s, log := c.view("tcp", cameraUser, cameraPassword)
	s.(*liveSource).open = quickly(t, s)
	before := metaOf(t, s)
	c.close()
	c.start("vp8")
	for {
		f := metaOf(t, s)
		if f.Discontinuity == "" {
			continue
		}
		if f.Discontinuity != pipeline.Reconnect || f.PTS <= before.PTS {
			t.Errorf("%+v after %+v", f, before)
		}
		break
	}
	if n := s.(pipeline.CountingSource).Counts().Reconnects; n != 1 {
		t.Errorf("%d reconnects counted", n)
	}
	if !strings.Contains(log.String(), "not playing; trying again") {
		t.Errorf("the log:\n%s", log)
	}
}

// quickly has a source try again at once.
func quickly(t *testing.T, s pipeline.Source) func() (feed, error) {
	t.Helper()
	open := s.(*liveSource).open
	return func() (feed, error) {
		f, err := open()
		if err == nil {
			f.(*rtspFeed).retry = 10 * time.Millisecond
		}
		return f, err
	}
}

// One that is not there yet is waited for.
func TestRTSPWaitsForTheCamera(t *testing.T) {
	c := newCamera(t, "vp8")
	c.close()
	s, log := c.view("tcp", cameraUser, cameraPassword)
	s.(*liveSource).open = quickly(t, s)
	frames := reading(t, s)
	for !strings.Contains(log.String(), "connection refused") {
		<-time.After(5 * time.Millisecond)
	}
	c.start("vp8")
	select {
	case <-frames:
	case <-time.After(patience):
		t.Errorf("no frame comes:\n%s", log)
	}
}

func TestRTSPEnds(t *testing.T) {
	tests := []struct{ name, codec, password, want string }{
		{"a wrong password", "vp8", "guess who", `bad status code: 401 (Unauthorized)`},
		{"no video", "opus", cameraPassword, "the server offers no video that can be decoded"},
	}
	for _, tt := range tests {
		c := newCamera(t, tt.codec)
		s, log := c.view("tcp", cameraUser, tt.password)
		_, err := s.Read(t.Context())
		if !errors.Is(err, pipeline.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), c.addr) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if strings.Contains(log.String()+err.Error(), tt.password) {
			t.Errorf("%s: the password is in\n%s%v", tt.name, log, err)
		}
	}
}

func TestRTSPAsksForKeyframes(t *testing.T) {
	c := newCamera(t, "vp8")
	s, _ := c.view("tcp", cameraUser, cameraPassword)
	metaOf(t, s)
	if err := s.(*liveSource).playing.Load().feed.RequestKeyframe(); err != nil {
		t.Fatal(err)
	}
	for heard := false; !heard; {
		metaOf(t, s)
		c.mu.Lock()
		heard = c.asked > 0
		c.mu.Unlock()
	}
}

func TestRTSPConfig(t *testing.T) {
	const address = "rtsp: must be a URL such as rtsp://camera.local:554/stream"
	tests := []struct {
		change func(*RTSPConfig)
		want   string
	}{
		{func(*RTSPConfig) {}, ""},
		{func(c *RTSPConfig) { c.RTSP = "rtsps://viewer:secret@cam/1" }, ""},
		{func(c *RTSPConfig) { c.RTSP = "http://cam" }, address},
		{func(c *RTSPConfig) { c.RTSP = "rtsp://viewer:sec%ret@cam/1" }, address},
		{func(c *RTSPConfig) { c.Password = "secret" }, "password: must go with a user"},
		{func(c *RTSPConfig) { c.CA = "cam.pem" }, "ca: must go with an rtsps URL"},
		{func(c *RTSPConfig) { c.Transport = "sctp" }, `transport: must be tcp, udp, multicast or auto, got "sctp"`},
	}
	for _, tt := range tests {
		cfg := defaultRTSP()
		cfg.RTSP = "rtsp://cam.local/1"
		tt.change(&cfg)
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
