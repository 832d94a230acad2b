package sessiontest

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/vnet"
)

// Memory is a network in memory, for [Config.Memory]: two hosts, the server's
// and that of its clients. Nothing of it is a socket, so a whole session lives
// inside a bubble of testing/synctest, where a minute is over at once.
type Memory struct {
	client *vnet.Net
	server *vnet.Net
	router *vnet.Router
	inbox  chan net.Conn
	done   chan struct{}
	once   sync.Once

	closing chan struct{} // holds what one of the two does who closes a peer

	mu     sync.Mutex        // guards what follows
	conns  map[net.Conn]bool // of HTTP, both ends
	mended chan struct{}     // nil while the path is whole
	deaf   bool              // nothing of the data channels passes
	dark   bool              // no packet passes, HTTP does
	darkAt byte              // none does from the first on that begins with it
}

// The two hosts, and the URL's port.
const (
	memoryServer = "10.9.0.1"
	memoryClient = "10.9.0.2"
	memoryPort   = 80
)

var errNetworkClosed = errors.New("the network in memory is closed")

// building is held while hosts are made: pion numbers them in a variable of its own
// that nothing guards.
var building sync.Mutex //nolint:gochecknoglobals // it guards one of pion's

// NewMemory builds the network. Close it behind the server and all clients.
func NewMemory() (*Memory, error) {
	building.Lock()
	defer building.Unlock()
	m := &Memory{inbox: make(chan net.Conn), closing: make(chan struct{}, 1), done: make(chan struct{}), conns: map[net.Conn]bool{}}
	var err error
	if m.router, err = vnet.NewRouter(&vnet.RouterConfig{CIDR: "10.9.0.0/24", LoggerFactory: logging.NewDefaultLoggerFactory()}); err != nil {
		return nil, err
	}
	if m.server, err = m.host(memoryServer); err != nil {
		return nil, err
	}
	if m.client, err = m.host(memoryClient); err != nil {
		return nil, err
	}
	m.router.AddChunkFilter(m.passes)
	return m, m.router.Start()
}

func (m *Memory) host(ip string) (*vnet.Net, error) {
	n, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{ip}})
	if err != nil {
		return nil, err
	}
	return n, m.router.AddNet(n)
}

// Client is the network of the clients' peers.
func (m *Memory) Client() transport.Net { return m.client }

// DialContext opens a connection to the server's HTTP side, whatever the
// address. While the path is cut it waits.
func (m *Memory) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	for {
		mended := m.whole()
		if mended == nil {
			break
		}
		select {
		case <-mended:
		case <-m.done:
			return nil, errNetworkClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	near, far := net.Pipe()
	select {
	case m.inbox <- m.tracked(far):
		return m.tracked(near), nil
	case <-m.done:
		return nil, errNetworkClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// whole is nil while the path is there; else it is closed when it comes back.
func (m *Memory) whole() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mended
}

func (m *Memory) tracked(c net.Conn) net.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns[c] = true
	return &memoryConn{Conn: c, network: m}
}

// Cut takes the path away: packets are lost without a word, open HTTP
// connections break, and new ones wait.
func (m *Memory) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mended != nil {
		return
	}
	m.mended = make(chan struct{})
	for c := range m.conns {
		_ = c.Close()
	}
}

// CutChannels takes the data channels away and leaves ICE and media their path:
// the other side's process is ill, or a middle box is.
func (m *Memory) CutChannels() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = true
}

// CutPackets takes the peers' packets away and leaves HTTP its path: a firewall
// that lets nothing else through, or a process that answers and then is busy.
func (m *Memory) CutPackets() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dark = true
}

// CutPacketsAt is [Memory.CutPackets] from the first packet on that begins with a
// DTLS record of a type, so that connecting comes to rest at one point. The server
// opens the handshake with a [DTLSHandshake]; a [DTLSChangeCipherSpec] is the client's
// last word in it.
func (m *Memory) CutPacketsAt(record byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.darkAt = record
}

// The types of DTLS records (RFC 6347, 4.1; RFC 5246, 6.2.1): a packet's first byte,
// which tells DTLS from STUN and SRTP too (RFC 7983).
const (
	DTLSChangeCipherSpec = 20
	DTLSHandshake        = 22

	dtlsAlert = 21 // the end of the data channels
	dtlsData  = 23 // what they carry
)

// passes says whether a packet arrives.
func (m *Memory) passes(c vnet.Chunk) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	data := c.UserData()
	if len(data) > 0 && data[0] == m.darkAt && m.darkAt != 0 {
		m.dark, m.darkAt = true, 0
	}
	channel := len(data) > 0 && (data[0] == dtlsAlert || data[0] == dtlsData)
	return m.mended == nil && !m.dark && (!channel || !m.deaf)
}

// Mend gives all of the path back.
func (m *Memory) Mend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf, m.dark, m.darkAt = false, false, 0
	if m.mended != nil {
		close(m.mended)
		m.mended = nil
	}
}

// Settle waits, in virtual time, for its turn and until all has come to rest:
// pion closes an SCTP transport with a lock held over a timer, and in a bubble
// nothing may wait for that lock, or its time stands still for good. What the
// other side's closing sets off would wait for it. Both sides call it before
// they close a peer, and done behind that. A nil Memory has nothing to wait for.
func (m *Memory) Settle() (done func()) {
	if m == nil {
		return func() {}
	}
	m.closing <- struct{}{}
	time.Sleep(time.Millisecond) //nolint:forbidigo // of virtual time
	return func() { <-m.closing }
}

// Close takes the network down.
func (m *Memory) Close() error {
	var err error
	m.once.Do(func() {
		close(m.done)
		err = m.router.Stop()
	})
	return err
}

// listener is the network as the server listens on it.
type listener struct {
	inbox chan net.Conn
	once  sync.Once
	shut  chan struct{}
}

func (m *Memory) listen() *listener { return &listener{inbox: m.inbox, shut: make(chan struct{})} }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.inbox:
		return c, nil
	case <-l.shut:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.shut) })
	return nil
}

func (l *listener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(memoryServer), Port: memoryPort}
}

// memoryConn forgets itself when it is closed.
type memoryConn struct {
	net.Conn
	network *Memory
}

func (c *memoryConn) Close() error {
	c.network.mu.Lock()
	delete(c.network.conns, c.Conn)
	c.network.mu.Unlock()
	return c.Conn.Close()
}
