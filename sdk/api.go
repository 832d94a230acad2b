package sdk

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pion/transport/v5"
)

// Version is what this client calls itself towards servers.
const Version = "0.1.0"

// hooks let tests run on a network of their own.
type hooks struct {
	net   transport.Net
	dial  dialFunc
	proxy proxyFunc
	roots *x509.CertPool // of the TURN servers' certificates
	// settle is called before a peer connection is closed, done behind that.
	settle func() (done func())
}

func (h hooks) dialOf() dialFunc {
	if h.dial != nil {
		return h.dial
	}
	return (&net.Dialer{Timeout: 10 * time.Second}).DialContext
}

func (h hooks) proxyOf() proxyFunc {
	if h.proxy != nil {
		return h.proxy
	}
	return http.ProxyFromEnvironment
}

// Bounds of one HTTP exchange. An error's body is only quoted.
const (
	requestTimeout = 15 * time.Second
	maxQuoted      = 300
)

// api is the HTTP side of a session: the coordinator, or a local runtime.
type api struct {
	base   string
	local  bool
	http   *http.Client
	tokens *tokens
	log    *slog.Logger
}

func newAPI(cfg Config) *api {
	t := &http.Transport{
		Proxy:               cfg.hooks.proxyOf(),
		DialContext:         cfg.hooks.dialOf(),
		TLSHandshakeTimeout: 10 * time.Second,
		// Below the 5 s of common servers: a request on a connection that they
		// close just then would fail.
		IdleConnTimeout:     3 * time.Second,
		MaxIdleConnsPerHost: 4,
		ForceAttemptHTTP2:   true,
	}
	if cfg.Local {
		// A local runtime has no name that a certificate could hold, and gets
		// no credentials.
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	a := &api{base: cfg.BaseURL, local: cfg.Local, log: cfg.Logger}
	a.http = &http.Client{Transport: t, CheckRedirect: sameHost}
	a.tokens = newTokens(cfg, a)
	return a
}

// close lets go of the connections that are kept alive.
func (a *api) close() { a.http.CloseIdleConnections() }

// sameHost follows redirects within a host only: keys and tokens, which travel
// along, are for nobody else.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) >= 5 || next.URL.Host != first.Host || next.URL.Scheme != first.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// exchange is one request and what is made of its answer.
type exchange struct {
	op     string // the caller's operation, for errors
	hop    string // this step of it
	at     string // the address it goes to, for errors; default the base URL
	method string
	path   string
	body   any          // sent as JSON, unless nil
	leave  func() error // asked as the body is sent, which it may refuse; nil for none
	out    any          // decoded from JSON where the status is 200 or 201, unless nil
	// signalling adds the WebRTC version.
	signalling bool
	timeout    time.Duration // default requestTimeout
}

// do runs an exchange and returns the answer's status. Any but 2xx is an error.
func (a *api) do(ctx context.Context, x exchange) (int, error) {
	return a.withToken(ctx, x.op, func(token string) (int, error) { return a.authorized(ctx, x, token) })
}

// withToken tries a request, which returns its answer's status. Where the server
// refuses a token that was minted a while ago, a new one is minted, once.
func (a *api) withToken(ctx context.Context, op string, try func(token string) (int, error)) (int, error) {
	token, err := a.tokens.get(ctx, op)
	if err != nil {
		return 0, err
	}
	status, err := try(token)
	if status != http.StatusUnauthorized || !a.tokens.forget(token) {
		return status, err
	}
	if token, err = a.tokens.get(ctx, op); err != nil {
		return 0, err
	}
	return try(token)
}

// authorized runs an exchange with the headers of every call but the minting.
func (a *api) authorized(ctx context.Context, x exchange, token string) (int, error) {
	h := http.Header{}
	h.Set("Reactor-API-Version", "1")
	h.Set("Reactor-API-Accept-Version", "1")
	if x.signalling {
		h.Set("Reactor-WebRTC-Version", "1.0")
	}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return a.send(ctx, x, h)
}

func (a *api) send(ctx context.Context, x exchange, h http.Header) (int, error) {
	limit := x.timeout
	if limit == 0 {
		limit = requestTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errRequestTimeout)
	defer cancel()
	req, err := a.request(ctx, x, h)
	if err != nil {
		return 0, &Error{Code: CodeInternal, Component: componentAPI, Operation: x.op, Message: x.hop + ": " + err.Error()}
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, a.transportError(ctx, x, err)
	}
	defer drain(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return resp.StatusCode, a.statusError(x, resp)
	}
	if x.out == nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return resp.StatusCode, nil
	}
	body := &io.LimitedReader{R: resp.Body, N: maxBody}
	if err := json.NewDecoder(body).Decode(x.out); err != nil {
		if ctx.Err() != nil {
			return 0, a.transportError(ctx, x, err)
		}
		if body.N <= 0 {
			err = fmt.Errorf("larger than %d bytes", maxBody)
		}
		return resp.StatusCode, &Error{
			Code: CodeDecode, Component: componentAPI, Operation: x.op, Status: resp.StatusCode,
			Message: fmt.Sprintf("answer to %s: %v", x.hop, err),
		}
	}
	return resp.StatusCode, nil
}

var errRequestTimeout = errors.New("no answer in time")

func (a *api) request(ctx context.Context, x exchange, h http.Header) (*http.Request, error) {
	var content []byte
	var body io.Reader
	if x.body != nil {
		var err error
		if content, err = json.Marshal(x.body); err != nil {
			return nil, err
		}
		body = bytes.NewReader(content)
		h.Set("Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(ctx, x.method, a.base+x.path, body)
	if err != nil {
		return nil, err
	}
	if x.leave != nil {
		askLeave(req, content, x.leave)
	}
	req.Header = h
	return req, nil
}

// drain reads what is left of an answer, within reason, so that its connection
// can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

// transportError is the error of a request without an answer. The URL, which
// may hold a signature, stays out of it.
func (a *api) transportError(ctx context.Context, x exchange, err error) error {
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errRequestTimeout) {
		return interrupted(ctx, componentAPI, x.op)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &Error{Code: CodeNetwork, Component: componentAPI, Operation: x.op, Recoverable: true, cause: err}
	if errors.Is(context.Cause(ctx), errRequestTimeout) {
		e.Code, err = CodeTimeout, errRequestTimeout
	}
	at := x.at
	if at == "" {
		at = a.base
	}
	e.Message = a.tokens.redact(fmt.Sprintf("%s at %s: %v", x.hop, redactURL(at), err))
	return e
}

// statusError is the error of an answer other than 2xx.
func (a *api) statusError(x exchange, resp *http.Response) error {
	text := a.quote(resp.Body)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		text = "redirect to another host not followed"
	}
	e := &Error{
		Code: statusCode(resp.StatusCode), Component: componentAPI, Operation: x.op, Status: resp.StatusCode,
		Message: fmt.Sprintf("unexpected HTTP status %d from %s: %s", resp.StatusCode, x.hop, text),
	}
	e.Recoverable, e.signalling = recoverable(e.Code), x.signalling
	if e.Code == CodeVersionMismatch {
		e.Status = 0
		return e
	}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return e
}

// quote returns the start of an error's body without secrets: the detail, where
// it is the runtime's {"detail": "..."}.
func (a *api) quote(body io.Reader) string {
	b, _ := io.ReadAll(io.LimitReader(body, 16<<10))
	var d struct {
		Detail any `json:"detail"`
	}
	text := strings.TrimSpace(string(b))
	if json.Unmarshal(b, &d) == nil && d.Detail != nil {
		text = fmt.Sprint(d.Detail)
	}
	if text == "" {
		return "no details"
	}
	text = a.tokens.redact(text) // before the cut, which might halve a secret
	if len(text) > maxQuoted {
		text = text[:maxQuoted] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

func statusCode(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return CodeUnauthorized
	case status == http.StatusNotFound:
		return CodeNotFound
	case status == http.StatusConflict:
		return CodeConflict
	case status == http.StatusUpgradeRequired, status == http.StatusNotImplemented:
		return CodeVersionMismatch
	case status == http.StatusTooManyRequests:
		return CodeRateLimited
	case status >= 400 && status < 500:
		return CodeBadRequest
	}
	return CodeServer
}

// retryAfter reads a Retry-After header of delta-seconds; a date counts as none.
func retryAfter(s string) time.Duration {
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > math.MaxInt32 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
