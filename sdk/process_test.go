package sdk

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// errand is what a client in a process of its own is to do: connect, receive, be
// obeyed and leave. Everything else it finds in its environment.
type errand struct {
	BaseURL, Token string
	ICE            string // the URL of the only ICE server, "" for none
}

// errandVariable carries the errand into the process.
const errandVariable = "REACTORPIPE_TEST_ERRAND"

// cameBy begins the line in which the client says on which path its media came.
const cameBy = "media came by: "

// TestErrand is that process.
func TestErrand(t *testing.T) {
	task, given := os.LookupEnv(errandVariable)
	if !given {
		return // an ordinary run of the tests
	}
	var e errand
	if err := json.Unmarshal([]byte(task), &e); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Model: "acme/m", BaseURL: e.BaseURL, Token: e.Token}
	if strings.HasPrefix(e.ICE, "stun:") {
		cfg.ICEServers = []ICEServer{{URLs: []string{e.ICE}}}
	} else if e.ICE != "" {
		cfg.ICEServers = []ICEServer{{URLs: []string{e.ICE}, Username: "user", Password: turnPassword}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := Connect(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	flows(t, s)
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%s%s %s", cameBy, stats.CandidateType, stats.RelayProtocol)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// send runs an errand and returns the path that the media came by. The process
// is started through the command wrap, if there is one, with no proxy but those
// of env.
func send(t *testing.T, e errand, wrap, env []string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	task, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	line := append(wrap, self, "-test.run=^TestErrand$", "-test.v")
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, env...), errandVariable+"="+string(task))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, path, found := bytes.Cut(out, []byte(cameBy))
	if !found {
		t.Fatalf("the client did nothing:\n%s", out)
	}
	path, _, _ = bytes.Cut(path, []byte("\n"))
	return string(path)
}

// farSide is what a client wants to reach: a model behind HTTP or TLS, relays,
// and a proxy that alone knows their names.
type farSide struct {
	model  *sessiontest.Server
	relays *relays
	proxy  *proxy
	cert   certificate
}

// newFarSide starts all of it on an address of this machine.
func newFarSide(t *testing.T, host string, secure bool) *farSide {
	t.Helper()
	f := &farSide{cert: newCertificate(t, host, "model.example.com", "relay.example.com")}
	f.model = sessiontest.NewConfig(t, sessiontest.Config{Model: lamp(), Addr: host + ":0"})
	f.relays = startRelaysAt(t, host, f.cert)
	front := strings.TrimPrefix(f.model.URL(), "http://")
	if secure {
		s := httptest.NewUnstartedServer(f.model)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{f.cert.Certificate}}
		s.StartTLS()
		t.Cleanup(s.Close)
		front = s.Listener.Addr().String()
	}
	f.proxy = startProxyAt(t, host, map[string]string{"model": front, farModel: front, farRelay: f.relays.tls})
	return f
}

// certificate is of a server that tests make.
type certificate struct {
	tls.Certificate
	file string // for SSL_CERT_FILE
}

// newCertificate signs itself for hosts: names and addresses.
func newCertificate(t *testing.T, hosts ...string) certificate {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			of.IPAddresses = append(of.IPAddresses, ip)
		} else {
			of.DNSNames = append(of.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return certificate{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: secret, Leaf: leaf}, file}
}

// The names under which a server and its relay are known to the proxy alone.
const (
	farModel = "model.example.com:443"
	farRelay = "relay.example.com:443"
)

// TestProxyOfTheEnvironment: the standard variables lead signalling and relayed
// media through a proxy. net/http reads them once, so each case is a process.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		url, turn string
		env       string // what names the proxy
		tunnels   bool
		requests  bool
	}{
		{"HTTP_PROXY", "http://model", "", "HTTP_PROXY", false, true},
		{"http_proxy", "http://model", "", "http_proxy", false, true},
		{"HTTPS_PROXY", "https://model.example.com", "", "HTTPS_PROXY", true, false},
		{"HTTPS_PROXY and a relay", "https://model.example.com", "turns:" + farRelay + "?transport=tcp", "HTTPS_PROXY", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			far := newFarSide(t, "127.0.0.1", strings.HasPrefix(tt.url, "https:"))
			path := send(t, errand{BaseURL: tt.url, Token: far.model.Token(), ICE: tt.turn}, nil,
				[]string{tt.env + "=" + far.proxy.url.String(), "SSL_CERT_FILE=" + far.cert.file})
			if tunnels := far.proxy.tunnels.Load() > 0; tunnels != tt.tunnels {
				t.Errorf("tunnels: %v", tunnels)
			}
			if requests := far.proxy.requests.Load() > 0; requests != tt.requests {
				t.Errorf("requests: %v", requests)
			}
			if used := far.relays.allocations.Load() > 0; used != (tt.turn != "") {
				t.Errorf("a relay was used: %v; media came by %s", used, path)
			}
		})
	}
}
