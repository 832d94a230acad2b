package sdk

import (
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

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

// TestBehindWalls: a client in a network namespace whose packets are dropped by
// the kernel gets through all the same.
func TestBehindWalls(t *testing.T) {
	t.Parallel()
	const dropUDP = "add rule inet wall in meta l4proto udp counter drop"
	tests := []struct {
		name string
		wall func(*farSide) []string // rules of nft
		turn func(*farSide) string
		far  bool     // by the names that the proxy knows
		env  []string // where @HOST and @PROXY stand for the far side's
		want string
	}{
		{"no UDP, TURN over TCP", rules(dropUDP), func(f *farSide) string { return "turn:" + f.relays.tcp + "?transport=tcp" }, false, nil, "relay tcp"},
		{"no UDP, TURN over TLS", rules(dropUDP), func(f *farSide) string { return "turns:" + f.relays.tls + "?transport=tcp" }, false, nil, "relay tls"},
		{"no UDP, a proxy that is not for this host", rules(dropUDP), func(f *farSide) string { return "turn:" + f.relays.tcp + "?transport=tcp" }, false, []string{"HTTP_PROXY=http://@HOST:1", "HTTPS_PROXY=http://@HOST:1", "NO_PROXY=@HOST"}, "relay tcp"},
		{"nothing but the proxy", func(f *farSide) []string {
			return []string{
				dropUDP, "add rule inet wall out oifname lo accept",
				"add rule inet wall out tcp dport " + f.proxy.url.Port() + " accept", "add rule inet wall out counter drop",
			}
		}, func(*farSide) string { return "turns:" + farRelay + "?transport=tcp" }, true, []string{"HTTPS_PROXY=@PROXY"}, "relay tls"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNamespace(t, i)
			f := newFarSide(t, n.outside, tt.far)
			n.nft(t, tt.wall(f)...)
			base := f.model.URL()
			if tt.far {
				base = "https://" + strings.TrimSuffix(farModel, ":443")
			}
			env := []string{"SSL_CERT_FILE=" + f.cert.file}
			for _, v := range tt.env {
				env = append(env, strings.NewReplacer("@HOST", n.outside, "@PROXY", f.proxy.url.String()).Replace(v))
			}
			got := send(t, errand{BaseURL: base, Token: f.model.Token(), TURN: tt.turn(f)}, []string{"ip", "netns", "exec", n.name}, env)
			if got != tt.want {
				t.Errorf("media came by %q, want %q", got, tt.want)
			}
			if n.dropped(t) == 0 {
				t.Error("the wall stopped nothing")
			}
		})
	}
}

func rules(r ...string) func(*farSide) []string { return func(*farSide) []string { return r } }

// namespace is a network namespace with one cable to this one.
type namespace struct {
	name    string
	outside string // the address of this end
}

// newNamespace lays the cable. The test is skipped where that is not allowed.
func newNamespace(t *testing.T, i int) *namespace {
	t.Helper()
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no network behind a wall: %v", err)
		}
	}
	pid := os.Getpid()
	net := fmt.Sprintf("10.%d.%d.", 200+pid>>6%50, pid%64*4+i)
	n := &namespace{name: fmt.Sprintf("reactorpipe-%d-%d", pid, i), outside: net + "1"}
	cable := fmt.Sprintf("rp%d%c", pid%10_000_000, 'a'+i)
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "add", n.name).CombinedOutput(); err != nil {
		t.Skipf("no network behind a wall: no namespaces here, which take root: %s", out)
	}
	t.Cleanup(func() {
		// The cable goes with the namespace.
		if out, err := exec.Command("ip", "netns", "delete", n.name).CombinedOutput(); err != nil { //nolint:noctx // the test's is over
			t.Errorf("%v: %s", err, out)
		}
	})
	for _, line := range []string{
		"link add " + cable + " type veth peer name far netns " + n.name,
		"addr add " + n.outside + "/30 dev " + cable,
		"link set " + cable + " up",
		"-n " + n.name + " addr add " + net + "2/30 dev far",
		"-n " + n.name + " link set far up",
		"-n " + n.name + " link set lo up",
	} {
		run(t, "ip", strings.Fields(line)...)
	}
	n.nft(t,
		"add table inet wall", "add chain inet wall in { type filter hook input priority 0 ; }",
		"add chain inet wall out { type filter hook output priority 0 ; }",
	)
	return n
}

// nft builds the wall.
func (n *namespace) nft(t *testing.T, rules ...string) {
	t.Helper()
	for _, r := range rules {
		run(t, "ip", append([]string{"netns", "exec", n.name, "nft"}, strings.Fields(r)...)...)
	}
}

// dropped counts the packets that the wall stopped.
func (n *namespace) dropped(t *testing.T) int {
	t.Helper()
	total := 0
	words := strings.Fields(run(t, "ip", "netns", "exec", n.name, "nft", "list", "ruleset"))
	for i := range len(words) - 1 {
		if words[i] == "packets" {
			p, _ := strconv.Atoi(words[i+1])
			total += p
		}
	}
	return total
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
