package sdk

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pion/webrtc/v4"
)

// relayDial opens the connections to TURN servers over TCP and TLS, through the
// proxy of the environment where there is one. pion's own way knows no proxy
// and does not stop dialling when the connection is given up.
type relayDial func(network, addr string) (net.Conn, error)

// Dial is what pion wants of a proxy.
func (d relayDial) Dial(network, addr string) (net.Conn, error) { return d(network, addr) }

// relayTimeout is what reaching a TURN server may take, proxy and TLS included.
const relayTimeout = 10 * time.Second

// newRelayDial returns the dialler for a connection's servers. It stops with life.
func newRelayDial(life context.Context, cfg Config, servers []webrtc.ICEServer) relayDial {
	secure := tlsRelays(servers)
	proxy, dial := cfg.hooks.proxyOf(), cfg.hooks.dialOf()
	return func(network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(life, relayTimeout)
		defer cancel()
		conn, err := dialThrough(ctx, proxy, dial, network, addr)
		if err != nil || !secure[addr] {
			return conn, err
		}
		host, _, _ := net.SplitHostPort(addr)
		return secured(ctx, conn, &tls.Config{ServerName: host, RootCAs: cfg.hooks.roots})
	}
}

// tlsRelays are the addresses of the servers that speak TLS: pion does not tell
// its dialler.
func tlsRelays(servers []webrtc.ICEServer) map[string]bool {
	secure := map[string]bool{}
	for _, s := range servers {
		for _, u := range s.URLs {
			rest, found := strings.CutPrefix(u, "turns:")
			if !found {
				continue
			}
			addr, _, _ := strings.Cut(rest, "?")
			if _, _, err := net.SplitHostPort(addr); err != nil {
				addr = net.JoinHostPort(strings.Trim(addr, "[]"), "5349") // RFC 7065 section 3.2
			}
			secure[addr] = true
		}
	}
	return secure
}

type (
	proxyFunc func(*http.Request) (*url.URL, error)
	dialFunc  func(ctx context.Context, network, addr string) (net.Conn, error)
)

// dialThrough connects to an address, through the proxy that the environment
// names for TLS connections, if it does.
func dialThrough(ctx context.Context, proxy proxyFunc, dial dialFunc, network, addr string) (net.Conn, error) {
	via, err := proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: addr}})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if via == nil {
		return dial(ctx, network, addr)
	}
	if via.Scheme != "http" && via.Scheme != "https" {
		return nil, fmt.Errorf("proxy: no TURN through a proxy of the kind %q", via.Scheme)
	}
	conn, err := dial(ctx, "tcp", proxyAddress(via))
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if via.Scheme == "https" {
		if conn, err = secured(ctx, conn, &tls.Config{ServerName: via.Hostname()}); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	if err := tunnel(ctx, conn, via, addr); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return conn, nil
}

func proxyAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// secured makes a TLS connection of another, or closes it.
func secured(ctx context.Context, conn net.Conn, cfg *tls.Config) (net.Conn, error) {
	t := tls.Client(conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return t, nil
}

// tunnel asks a proxy for a connection to an address (RFC 9110 section 9.3.6).
func tunnel(ctx context.Context, conn net.Conn, via *url.URL, addr string) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := via.User; u != nil {
		password, _ := u.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := r.Write(conn); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("CONNECT refused: %s", resp.Status)
	}
	if in.Buffered() > 0 {
		return errors.New("CONNECT: the proxy speaks before the server is asked")
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}
