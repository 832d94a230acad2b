package sdk

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// relays is a TURN server on all three transports, on loopback.
type relays struct {
	udp, tcp, tls string
	roots         *x509.CertPool
	allocations   atomic.Int32
}

const turnPassword = "turn.very.secret"

func startRelays(t *testing.T) *relays {
	t.Helper()
	return startRelaysAt(t, "127.0.0.1", newCertificate(t, "127.0.0.1"))
}

// startRelaysAt starts the server on an address of this machine.
func startRelaysAt(t *testing.T, host string, cert certificate) *relays {
	t.Helper()
	var lc net.ListenConfig
	packets, err := lc.ListenPacket(t.Context(), "udp4", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := lc.Listen(t.Context(), "tcp4", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := lc.Listen(t.Context(), "tcp4", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{cert.Certificate}})
	r := &relays{
		udp: packets.LocalAddr().String(), tcp: plain.Addr().String(), tls: secure.Addr().String(), roots: x509.NewCertPool(),
	}
	r.roots.AddCert(cert.Leaf)
	generator := &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(host), Address: host}
	srv, err := turn.NewServer(turn.ServerConfig{
		Realm:         "test",
		LoggerFactory: pionLogs{discard()},
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey("user", "test", turnPassword), a.Username == "user"
		},
		EventHandler: turn.EventHandler{
			OnAllocationCreated: func(net.Addr, net.Addr, string, string, string, net.Addr, int) { r.allocations.Add(1) },
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: packets, RelayAddressGenerator: generator}},
		ListenerConfigs: []turn.ListenerConfig{
			{Listener: plain, RelayAddressGenerator: generator},
			{Listener: secure, RelayAddressGenerator: generator},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	return r
}

func (r *relays) server(u string) []ICEServer {
	return []ICEServer{{URLs: []string{u}, Username: "user", Password: turnPassword}}
}

// narrow is a network on which UDP arrives only from one address, or from none.
type narrow struct {
	transport.Net
	from string
}

func newNarrow(t *testing.T, from string) *narrow {
	t.Helper()
	std, err := stdnet.NewNet()
	if err != nil {
		t.Fatal(err)
	}
	return &narrow{Net: std, from: from}
}

func (n *narrow) ListenUDP(network string, addr *net.UDPAddr) (transport.UDPConn, error) {
	c, err := n.Net.ListenUDP(network, addr)
	return &narrowConn{UDPConn: c, from: n.from}, err
}

func (n *narrow) ListenPacket(network, addr string) (net.PacketConn, error) {
	c, err := n.Net.ListenPacket(network, addr)
	return &narrowPackets{PacketConn: c, from: n.from}, err
}

type narrowConn struct {
	transport.UDPConn
	from string
}

func (c *narrowConn) ReadFrom(p []byte) (int, net.Addr, error) { return readFrom(c.UDPConn, c.from, p) }

type narrowPackets struct {
	net.PacketConn
	from string
}

func (c *narrowPackets) ReadFrom(p []byte) (int, net.Addr, error) {
	return readFrom(c.PacketConn, c.from, p)
}

func readFrom(c net.PacketConn, from string, p []byte) (int, net.Addr, error) {
	for {
		n, addr, err := c.ReadFrom(p)
		if err != nil || addr.String() == from {
			return n, addr, err
		}
	}
}

// TestRelays reaches the server in every way that TURN has, where nothing else
// gets through.
func TestRelays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		url     func(*relays) string
		udp     bool
		proxied bool
	}{
		{"UDP", func(r *relays) string { return "turn:" + r.udp + "?transport=udp" }, true, false},
		{"TCP", func(r *relays) string { return "turn:" + r.tcp + "?transport=tcp" }, false, false},
		{"TLS", func(r *relays) string { return "turns:" + r.tls + "?transport=tcp" }, false, false},
		{"TCP through a proxy", func(r *relays) string { return "turn:" + r.tcp + "?transport=tcp" }, false, true},
		{"TLS through a proxy", func(r *relays) string { return "turns:" + r.tls }, false, true},
	}
	for _, tt := range tests {
		for _, told := range []string{"by the caller", "by the session"} {
			t.Run(tt.name+", named "+told, func(t *testing.T) {
				t.Parallel()
				r, via := startRelays(t), startProxy(t)
				server := sessiontest.Config{Model: lamp()}
				cfg := Config{Model: "acme/m", hooks: hooks{roots: r.roots, proxy: noProxy}}
				cfg.hooks.net = newNarrow(t, "")
				if tt.udp {
					cfg.hooks.net = newNarrow(t, r.udp)
				}
				if tt.proxied {
					cfg.hooks.proxy = http.ProxyURL(via.url)
				}
				if told == "by the caller" {
					cfg.ICEServers = r.server(tt.url(r))
				} else {
					server.ICEServers = []sessiontest.ICEServer{{URLs: []string{tt.url(r)}, Username: "user", Password: turnPassword}}
				}
				srv := sessiontest.NewConfig(t, server)
				cfg.BaseURL, cfg.Token = srv.URL(), srv.Token()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				s, err := Connect(ctx, cfg)
				if err != nil {
					t.Fatal(err)
				}
				flows(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if r.allocations.Load() == 0 {
					t.Error("the relay was not used")
				}
				if proxied := via.tunnels.Load() > 0; proxied != tt.proxied {
					t.Errorf("proxied: %v", proxied)
				}
			})
		}
	}
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // as net/http has it

// lamp is a model that shows something and obeys.
func lamp() sessiontest.Model {
	return sessiontest.Model{
		Name: "acme/m",
		Tracks: []sessiontest.Track{
			{Name: "main_video", Loop: sessiontest.TestClips()},
			{Name: "source", Direction: sessiontest.SendOnly},
		},
		Commands: []sessiontest.Command{{Name: "reset"}},
	}
}

// TestRelayDialErrors names what is wrong on the way to a TURN server.
func TestRelayDialErrors(t *testing.T) {
	r := startRelays(t)
	via := startProxy(t)
	closed := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	wrong := *via.url
	wrong.User = url.UserPassword("someone", "else")
	tests := []struct {
		name  string
		proxy *url.URL
		addr  string
		roots *x509.CertPool
		want  string
	}{
		{"no such server", nil, "127.0.0.1:1", r.roots, "connection refused"},
		{"no such proxy", closed, r.tcp, r.roots, "proxy: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"the proxy wants a password", &wrong, r.tcp, r.roots, "proxy: CONNECT refused: 407 Proxy Authentication Required"},
		{"the proxy cannot reach it", via.url, "127.0.0.1:1", r.roots, "proxy: CONNECT refused: 502 Bad Gateway"},
		{"a proxy of another kind", &url.URL{Scheme: "socks5", Host: "x:1"}, r.tcp, r.roots, `proxy: no TURN through a proxy of the kind "socks5"`},
		{"a stranger's certificate", nil, r.tls, x509.NewCertPool(), "certificate signed by unknown authority"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{hooks: hooks{roots: tt.roots, proxy: func(*http.Request) (*url.URL, error) { return tt.proxy, nil }}}
			dial := newRelayDial(t.Context(), cfg, toPion(fromConfig(r.server("turns:"+r.tls))))
			conn, err := dial("tcp4", tt.addr)
			if err == nil {
				_ = conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestTLSRelays(t *testing.T) {
	got := tlsRelays([]webrtc.ICEServer{{URLs: []string{"turns:a", "turns:b:7?transport=tcp", "turn:c:1", "turns:[::1]", "turns:[::2]:3"}}})
	for _, want := range []string{"a:5349", "b:7", "[::1]:5349", "[::2]:3"} {
		if !got[want] {
			t.Errorf("%s is missing in %v", want, got)
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

// proxy is an HTTP proxy with a password: CONNECT, and plain requests.
type proxy struct {
	url      *url.URL
	names    map[string]string // addresses by host and port, as only the proxy knows them
	tunnels  atomic.Int32
	requests atomic.Int32
	wg       sync.WaitGroup
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	return startProxyAt(t, "127.0.0.1", nil)
}

// startProxyAt starts a proxy on an address of this machine.
func startProxyAt(t *testing.T, host string, names map[string]string) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{names: names}
	p.url = &url.URL{Scheme: "http", Host: l.Addr().String(), User: url.UserPassword("proxy", "proxy.very.secret")}
	srv := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.wg.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() {
		_ = srv.Close()
		p.wg.Wait()
	})
	return p
}

// known is the address behind a name.
func (p *proxy) known(host string) string {
	if addr, ok := p.names[host]; ok {
		return addr
	}
	return host
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	if name, password, ok := q.BasicAuth(); !ok || name != "proxy" || password != "proxy.very.secret" {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		p.requests.Add(1)
		r.Header.Del("Proxy-Authorization")
		r.RequestURI = ""
		r.URL.Host = p.known(r.URL.Host)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.known(r.Host))
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	p.tunnels.Add(1)
	near, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	p.join(near, buffered.Reader, far)
}

func (p *proxy) join(near net.Conn, in *bufio.Reader, far net.Conn) {
	_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	p.wg.Go(func() { _, _ = io.Copy(far, in); _ = far.Close() })
	p.wg.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
}

// TestSignallingThroughProxy: HTTP goes through the proxy of the environment.
func TestSignallingThroughProxy(t *testing.T) {
	via := startProxy(t)
	srv := sessiontest.New(t, lamp())
	s, err := Connect(t.Context(), Config{
		BaseURL: srv.URL(), Local: true, hooks: hooks{proxy: http.ProxyURL(via.url)},
	})
	if err != nil {
		t.Fatal(err)
	}
	flows(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if via.requests.Load() < 3 {
		t.Errorf("%d requests through the proxy", via.requests.Load())
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:forcetypeassert // the proxy's own
}
