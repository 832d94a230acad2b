package sdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// TestBehindWalls: a client in a network namespace whose packets are dropped by
// the kernel gets through all the same.
func TestBehindWalls(t *testing.T) {
	if !apart(t) {
		return
	}
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
			got := send(t, errand{BaseURL: base, Token: f.model.Token(), ICE: tt.turn(f)}, []string{"ip", "netns", "exec", n.name}, env)
			if got != tt.want {
				t.Errorf("media came by %q, want %q", got, tt.want)
			}
			if n.dropped(t) == 0 {
				t.Error("the wall stopped nothing")
			}
		})
	}
}

// TestBehindNAT: a client gets through that the server does not see as it sees
// itself, however late its STUN server tells it.
func TestBehindNAT(t *testing.T) {
	if !apart(t) {
		return
	}
	tests := []struct {
		name   string
		walled bool // only answers come in to the server: it has to know whom to ask
		stun   bool
	}{
		{"no STUN server", false, false},
		{"a slow STUN server", false, true},
		{"a slow STUN server, and a server behind a wall", true, true},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNamespace(t, 4+i)
			inside := n.behindNAT(t)
			srv := sessiontest.NewConfig(t, sessiontest.Config{Model: lamp(), Addr: n.outside + ":0"})
			stun, asked := startSlowSTUN(t, n.outside)
			if _, port, err := net.SplitHostPort(stun); tt.walled && err == nil {
				n.nft(t, "add set inet wall spoken { type inet_service ; flags dynamic ; }",
					"add chain inet wall from { type filter hook prerouting priority 0 ; }",
					"add chain inet wall through { type filter hook forward priority 0 ; }",
					"add rule inet wall from iifname far meta l4proto udp add @spoken { udp sport }",
					"add rule inet wall through oifname far udp dport "+port+" accept",
					"add rule inet wall through oifname far udp dport @spoken accept",
					"add rule inet wall through oifname far meta l4proto udp counter drop",
				)
			}
			e := errand{BaseURL: srv.URL(), Token: srv.Token()}
			if tt.stun {
				e.ICE = "stun:" + stun
			}
			path := send(t, e, []string{"ip", "netns", "exec", inside}, nil)
			if tt.stun && asked.Load() == 0 {
				t.Error("nobody asked the STUN server")
			}
			t.Logf("media came by %s", path)
			if tt.walled { // none where the server was the first to ask
				t.Logf("the wall stopped %d packets", n.dropped(t))
			}
		})
	}
}

// slowness is how late the STUN server answers.
const slowness = 300 * time.Millisecond

// startSlowSTUN answers requests for a client's address (RFC 8489 section 6.3.1).
func startSlowSTUN(t *testing.T, host string) (addr string, asked *atomic.Int32) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	asked = &atomic.Int32{}
	go func() {
		for {
			request := make([]byte, receiveMTU)
			n, from, err := conn.ReadFromUDPAddrPort(request)
			if err != nil {
				return
			}
			if n < 20 || request[0] != 0 || request[1] != 1 {
				continue
			}
			asked.Add(1)
			answer := append([]byte{1, 1, 0, 12}, request[4:20]...)
			answer = append(answer, 0, 0x20, 0, 8, 0, 1) // XOR-MAPPED-ADDRESS, IPv4
			answer = binary.BigEndian.AppendUint16(answer, from.Port()^0x2112)
			for i, b := range from.Addr().As4() {
				answer = append(answer, b^request[4+i])
			}
			time.AfterFunc(slowness, func() { _, _ = conn.WriteToUDPAddrPort(answer, from) })
		}
	}()
	return conn.LocalAddr().String(), asked
}

// apartVariable tells a process that its network is its own.
const apartVariable = "REACTORPIPE_TEST_APART"

// apart runs the test once more, in a process with a network of its own, and says
// whether this is that process: each cable is an address of this machine for as long
// as it is there, and any other test's peers would take it for a way.
func apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apartVariable) != "" {
		run(t, "ip", "link", "set", "lo", "up")
		return true
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), apartVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skip("no network of its own: that takes root")
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name()+"/")):
		t.Fatalf("nothing was tested:\n%s", out)
	}
	return false
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
	subnet := fmt.Sprintf("10.200.%d.", i)
	n := &namespace{name: fmt.Sprintf("reactorpipe-%d-%d", os.Getpid(), i), outside: subnet + "1"}
	cable := fmt.Sprintf("cable%d", i)
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
		"-n " + n.name + " addr add " + subnet + "2/30 dev far",
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

// behindNAT is a namespace behind another, which gives its own address to what it
// lets through. The test is skipped where that is not allowed.
func (n *namespace) behindNAT(t *testing.T) (inside string) {
	t.Helper()
	inside = n.name + "-nat"
	const forward = "/proc/sys/net/ipv4/ip_forward"
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", n.name, "sh", "-c", "echo 1 > "+forward).CombinedOutput(); err != nil {
		t.Skipf("no network behind a NAT: packets are not forwarded here: %s", out)
	}
	run(t, "ip", "netns", "add", inside)
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "delete", inside).CombinedOutput(); err != nil { //nolint:noctx // the test's is over
			t.Errorf("%v: %s", err, out)
		}
	})
	for _, line := range []string{
		"-n " + n.name + " link add near type veth peer name far netns " + inside,
		"-n " + n.name + " addr add 192.168.77.1/30 dev near",
		"-n " + n.name + " link set near up",
		"-n " + inside + " addr add 192.168.77.2/30 dev far",
		"-n " + inside + " link set far up",
		"-n " + inside + " link set lo up",
		"-n " + inside + " route add default via 192.168.77.1",
	} {
		run(t, "ip", strings.Fields(line)...)
	}
	n.nft(t, "add chain inet wall nat { type nat hook postrouting priority 100 ; }", "add rule inet wall nat oifname far masquerade")
	return inside
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
