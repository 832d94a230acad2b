package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// reach goes the first hops, from the name to a first answer over HTTP, on the
// way that the session will go: through the same proxy, with the same trust.
type reach struct {
	target *url.URL
	local  bool // its certificate is not verified, as sdk has it
	dialer net.Dialer

	mu        sync.Mutex // guards what follows
	addresses []string
	remote    string
	begun     time.Time
	done      map[string]time.Duration // by hop, since begun
	dnsErr    error
	tlsErr    error
	tlsBegun  bool
	tlsState  tls.ConnectionState
	answered  time.Time // by the server's clock
}

// names of the first hops.
const (
	hopDNS = "dns"
	hopTCP = "tcp"
	hopTLS = "tls"
)

func newReach(base string, local bool, resolver *net.Resolver) (*reach, error) {
	target, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	return &reach{target: target, local: local, dialer: net.Dialer{Resolver: resolver}, done: map[string]time.Duration{}}, nil
}

// hops asks the server for anything and returns what came of the three hops.
func (r *reach) hops(ctx context.Context) []Result {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: r.target})
	if err != nil {
		return []Result{{Name: hopDNS, Status: Fail, Detail: "proxy: " + err.Error(), Advice: "mend HTTPS_PROXY or HTTP_PROXY", Err: err}}
	}
	err = r.ask(ctx)
	through := r.target
	if proxy != nil {
		through = proxy
	}
	var out []Result
	for _, hop := range []func(*url.URL, error) Result{r.dns, r.tcp, r.tls} {
		result := hop(through, err)
		if proxy != nil && result.Status == OK && result.Name != hopTLS {
			result.Detail += " (the proxy)"
		}
		if out = append(out, result); result.Status == Fail {
			return out
		}
	}
	if wrong, off := skew(r.answered, time.Now()); off && !r.answered.IsZero() {
		out = append(out, wrong)
	}
	return out
}

func (r *reach) ask(ctx context.Context) error {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: r.dialer.DialContext, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	if r.local {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r.begun = time.Now()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, r.trace()), http.MethodHead, r.target.JoinPath("/").String(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	r.answered, _ = http.ParseTime(resp.Header.Get("Date"))
	return resp.Body.Close()
}

func (r *reach) trace() *httptrace.ClientTrace {
	locked := func(f func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		DNSDone: func(info httptrace.DNSDoneInfo) {
			locked(func() {
				r.dnsErr, r.done[hopDNS] = info.Err, time.Since(r.begun)
				for _, a := range info.Addrs {
					r.addresses = append(r.addresses, a.String())
				}
			})
		},
		ConnectDone: func(_, addr string, err error) {
			locked(func() {
				if err == nil && r.remote == "" {
					r.remote, r.done[hopTCP] = addr, time.Since(r.begun)
				}
			})
		},
		TLSHandshakeStart: func() { locked(func() { r.tlsBegun = true }) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			locked(func() { r.tlsState, r.tlsErr, r.done[hopTLS] = state, err, time.Since(r.begun) })
		},
	}
}

func (r *reach) dns(through *url.URL, _ error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	host := through.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return ok(hopDNS, host+" is an address")
	}
	if r.dnsErr != nil {
		return Result{
			Name: hopDNS, Status: Fail, Detail: host + ": " + dnsReason(r.dnsErr), Err: r.dnsErr,
			Advice: "mend the name, or the name servers of this machine (/etc/resolv.conf)", Took: r.done[hopDNS],
		}
	}
	slices.Sort(r.addresses)
	return Result{Name: hopDNS, Status: OK, Detail: host + " is " + strings.Join(slices.Compact(r.addresses), ", "), Took: r.done[hopDNS]}
}

func dnsReason(err error) string {
	var e *net.DNSError
	switch {
	case !errors.As(err, &e):
		return err.Error()
	case e.IsNotFound:
		return "no such host"
	case e.IsTimeout:
		return "no name server answers"
	}
	return e.Err
}

func (r *reach) tcp(through *url.URL, err error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.remote != "" {
		return Result{Name: hopTCP, Status: OK, Detail: "connected to " + r.remote, Took: r.done[hopTCP] - r.done[hopDNS]}
	}
	return Result{
		Name: hopTCP, Status: Fail, Detail: through.Host + ": " + reason(err), Err: err,
		Advice: "is the server running, and at this address? If a firewall is between, HTTPS_PROXY may lead around it",
	}
}

func (r *reach) tls(_ *url.URL, err error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.target.Scheme == "http" && err == nil:
		return ok(hopTLS, "not used: the address begins with http:")
	case r.target.Scheme == "http":
		return Result{Name: hopTCP, Status: Fail, Detail: "no answer over HTTP: " + reason(err), Advice: "is this the port of a runtime, and not of something else?", Err: err}
	case r.tlsErr != nil || err != nil && !r.tlsBegun:
		return Result{
			Name: hopTLS, Status: Fail, Detail: reason(err), Err: err,
			Advice: "a clock that is wrong, a proxy that breaks TLS open, or certificates that are missing (ca-certificates) do this", Took: r.done[hopTLS],
		}
	case err != nil:
		return Result{Name: hopTLS, Status: Fail, Detail: "no answer over HTTP: " + reason(err), Advice: "is this the coordinator's address?", Err: err}
	}
	took := r.done[hopTLS] - r.done[hopTCP]
	if r.local {
		return Result{Name: hopTLS, Status: OK, Detail: tls.VersionName(r.tlsState.Version) + ", certificate of a local runtime not verified", Took: took}
	}
	end := r.tlsState.PeerCertificates[0].NotAfter
	return Result{Name: hopTLS, Status: OK, Detail: fmt.Sprintf("%s, certificate valid until %s", tls.VersionName(r.tlsState.Version), end.Format(time.DateOnly)), Took: took}
}

// reason is the innermost part of a network error: what the parts around it say
// is said already.
func reason(err error) string {
	if err == nil {
		return "no reason known"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	text := err.Error()
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return strings.TrimPrefix(text, "connect: ")
}
