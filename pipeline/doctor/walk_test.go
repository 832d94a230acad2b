package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const model = "reactor/x2"

// serve is a model with a picture.
func serve(t *testing.T, change ...func(*sessiontest.Config)) *sessiontest.Server {
	t.Helper()
	cfg := sessiontest.Config{APIKey: "rk_good", Model: sessiontest.Model{
		Name: model, Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
	}}
	for _, c := range change {
		c(&cfg)
	}
	return sessiontest.NewConfig(t, cfg)
}

// cloud names the model of a server as one of the cloud.
func cloud(url string) config.Session {
	return config.Session{Model: model, URL: url, APIKey: "rk_good"}
}

// soon is how long a hop may take that is not to be done.
const soon = 300 * time.Millisecond

// walk returns the walk as text, a hop a line, and what failed. A hop without a
// patience of its own has more than a busy machine needs.
func walk(t *testing.T, cfg Config, strip ...string) (string, error) {
	t.Helper()
	own := cfg.patience
	cfg.patience = make(map[string]time.Duration)
	for _, hop := range hops {
		cfg.patience[hop] = time.Minute
	}
	maps.Copy(cfg.patience, own)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var text strings.Builder
	var failed error
	for r := range Walk(ctx, cfg) {
		fmt.Fprintf(&text, "%s %s", r.Status, r.Name)
		if r.Detail != "" {
			text.WriteString(": " + r.Detail)
		}
		if r.Advice != "" {
			text.WriteString(" → " + r.Advice)
		}
		text.WriteString("\n")
		failed = errors.Join(failed, r.Err)
	}
	out := text.String()
	if u, err := url.Parse(cfg.Peer.URL); err == nil {
		out = strings.ReplaceAll(out, u.Host, "HOST")
	}
	for _, s := range strip {
		out = strings.ReplaceAll(out, s, "")
	}
	return regexp.MustCompile(`until \d{4}-\d\d-\d\d`).ReplaceAllString(out, "until DATE"), failed
}

// The beginnings of walks that get so far.
const (
	toKey     = "ok dns: 127.0.0.1 is an address\nok tcp: connected to HOST\nok tls: not used: the address begins with http:\n"
	toSession = toKey + "ok key: exchanged for a token of reactor/x2\n"
	toLocal   = toKey + "ok key: a local runtime takes none\n"
)

// The ends of walks that get no further.
const (
	afterDNS        = "skipped tcp\n" + afterTCP
	afterTCP        = "skipped tls\n" + afterTLS
	afterTLS        = "skipped key\n" + afterKey
	afterKey        = "skipped session\n" + afterSession
	afterSession    = "skipped signalling\n" + afterSignalling
	afterSignalling = "skipped ice\n" + afterICE
	afterICE        = "skipped dtls\n" + afterDTLS
	afterDTLS       = "skipped channels\n" + "skipped first frame\n"
)

const allTheWay = "ok session: the model is there\nok signalling: offer and answer exchanged\nok ice: a path for media was found\nok dtls: encrypted\nok channels: both data channels are open\n"

func TestWalk(t *testing.T) {
	ended := make(chan string, 1)
	srv := serve(t, func(c *sessiontest.Config) {
		c.OrphanTimeout = -1 // nobody ends a session but the walk
		c.Model.Ended = func(session, _ string) { ended <- session }
	})
	tests := []struct {
		name, want string
		peer       config.Session
	}{
		{"to the cloud", toSession, cloud(srv.URL())},
		{"to a local runtime", toLocal, config.Session{URL: srv.URL(), Local: true}},
		{"with a token", toKey + "ok key: REACTOR_JWT is used as it is\n", config.Session{Model: model, URL: srv.URL(), Token: srv.Token()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := walk(t, Config{Peer: tt.peer})
			want := tt.want + allTheWay + "ok first frame: main_video, 160×120\nok end: the session was ended\n"
			if diff := cmp.Diff(got, want); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Fatal("the session goes on")
			}
		})
	}
}

// Each hop up to the session is broken once; the walk names it.
func TestWalkToABrokenServer(t *testing.T) {
	fault := func(r sessiontest.Route, f sessiontest.Fault) func(*testing.T) config.Session {
		return func(t *testing.T) config.Session {
			srv := serve(t)
			srv.Fail(r, f)
			return cloud(srv.URL())
		}
	}
	tests := []struct {
		name string
		peer func(*testing.T) config.Session
		want string
		is   error
	}{
		{
			"refused connection",
			func(t *testing.T) config.Session { return cloud("http://" + closedPort(t)) },
			"ok dns: 127.0.0.1 is an address\nfail tcp: HOST: connection refused → is the server running, and at this address? If a firewall is between, HTTPS_PROXY may lead around it\n" + afterTCP, nil,
		},
		{
			"certificate of nobody",
			func(t *testing.T) config.Session {
				srv := httptest.NewUnstartedServer(http.NotFoundHandler())
				srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
				srv.StartTLS()
				t.Cleanup(srv.Close)
				return cloud(srv.URL)
			},
			"ok dns: 127.0.0.1 is an address\nok tcp: connected to HOST\nfail tls: tls: failed to verify certificate: x509: certificate signed by unknown authority → a clock that is wrong, a proxy that breaks TLS open, or certificates that are missing (ca-certificates) do this\n" + afterTLS, nil,
		},
		{
			"no key",
			func(t *testing.T) config.Session { p := cloud(serve(t).URL()); p.APIKey = ""; return p },
			toKey + "fail key: REACTOR_API_KEY is not set, nor is REACTOR_JWT → export REACTOR_API_KEY=rk_…\n" + afterKey, pipeline.ErrInvalid,
		},
		{
			"wrong key",
			func(t *testing.T) config.Session { p := cloud(serve(t).URL()); p.APIKey = "rk_bad"; return p },
			toKey + "fail key: token: [UNAUTHORIZED] unexpected HTTP status 401 from token exchange: Invalid API key → the key or token is not, or no longer, good here, or not for this model: make another, check REACTOR_API_URL\n" + afterKey, sdk.ErrUnauthorized,
		},
		{
			"unknown model",
			func(t *testing.T) config.Session { p := cloud(serve(t).URL()); p.Model = "reactor/x3"; return p },
			toKey + "ok key: exchanged for a token of reactor/x3\nfail session: connect: [NOT_FOUND] unexpected HTTP status 404 from create session: Model not found → there is no such model here: its name is owner/name\n" + afterSession, pipeline.ErrInvalid,
		},
		{
			"no room", fault(sessiontest.RouteCreate, sessiontest.Fault{Status: http.StatusTooManyRequests}),
			toSession + "fail session: connect: [RATE_LIMITED] unexpected HTTP status 429 from create session: Too Many Requests → too many sessions, or too many in a short time: end some, or wait\n" + afterSession, sdk.ErrRateLimited,
		},
		{
			"coordinator in trouble", fault(sessiontest.RouteCreate, sessiontest.Fault{Status: http.StatusBadGateway}),
			toSession + "fail session: connect: [SERVER_ERROR] unexpected HTTP status 502 from create session: Bad Gateway → the server is in trouble, not you: try again later\n" + afterSession, nil,
		},
		{
			"no common codec",
			func(t *testing.T) config.Session {
				return cloud(serve(t, func(c *sessiontest.Config) {
					c.Model.Tracks = []sessiontest.Track{{Name: "main_video", Codecs: []string{"av1"}}}
				}).URL())
			},
			toSession + "ok session: the model is there\nfail signalling: connect: [NO_COMMON_CODEC] the server rejected track main_video: it knows none of the codecs offered (vp8, vp9, h264) → the model sends none of vp8, vp9 and h264: set the source's codecs\n" + afterSignalling, pipeline.ErrInvalid,
		},
		{
			"offer refused", fault(sessiontest.RouteOffer, sessiontest.Fault{Status: http.StatusUnprocessableEntity}),
			toSession + "ok session: the model is there\nfail signalling: connect: [BAD_REQUEST] unexpected HTTP status 422 from sdp offer: Unprocessable Entity → the server or something before it does not speak the session protocol: is the address right?\n" + afterSignalling, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := walk(t, Config{Peer: tt.peer(t)})
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got error %v, want %v", err, tt.is)
			}
		})
	}
}

func TestWalkWithoutNameServers(t *testing.T) {
	peer := cloud("https://model.invalid")
	got, _ := walk(t, Config{Peer: peer, resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no network")
	}}})
	if !strings.HasPrefix(got, "fail dns: HOST: ") || !strings.HasSuffix(got, " → mend the name, or the name servers of this machine (/etc/resolv.conf)\n"+afterDNS) {
		t.Errorf("got %s", got)
	}
}

// Behind a proxy that spoils the answer, the hops of the media fail one by one.
func TestWalkOverABrokenPath(t *testing.T) {
	tests := []struct {
		name, old, instead, want string
	}{
		{
			"ice", `a=ice-pwd:[^\\]*`, "a=ice-pwd:nobodyknowsthispassword00",
			"fail ice: not done within 300ms → UDP gets through in neither direction: open it in the firewall, or set session.ice_servers to a TURN server, over TCP or TLS if need be\n" + afterICE,
		},
		{
			"dtls", `a=fingerprint:sha-256 ..:..`, "a=fingerprint:sha-256 00:00",
			"ok ice: a path for media was found\nfail dtls: ANY → something between the two sides changes or drops packets: a middlebox, or an MTU below 1200\n" + afterDTLS,
		},
		{
			"channels", `m=application 9`, "m=application 0",
			"ok ice: a path for media was found\nok dtls: encrypted\nfail channels: not done within 300ms → the media path works, SCTP over it does not: the server may be overrun, or packets above some size are dropped\n" + "skipped first frame\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := spoiled(t, serve(t).URL(), regexp.MustCompile(tt.old), tt.instead)
			got, err := walk(t, Config{Peer: config.Session{URL: url, Local: true}, patience: map[string]time.Duration{tt.name: soon}})
			got = regexp.MustCompile(`fail dtls: .* →`).ReplaceAllString(got, "fail dtls: ANY →")
			want := toLocal + "ok session: the model is there\nok signalling: offer and answer exchanged\n" + tt.want
			if diff := cmp.Diff(got, want); diff != "" || err == nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// A model that sends nothing yet is no failure.
func TestWalkToASilentModel(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	srv.Show(sessiontest.Stopped)
	got, err := walk(t, Config{Peer: cloud(srv.URL()), patience: map[string]time.Duration{hopFrame: soon}})
	want := toSession + allTheWay + "warn first frame: main_video: no picture within 300ms; the connection stands → many models send none before they are told to start: see `reactorpipe model show` and session.start\nok end: the session was ended\n"
	if diff := cmp.Diff(got, want); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// A session that ends before its first picture fails at that hop.
func TestWalkToASessionThatEnds(t *testing.T) {
	t.Parallel()
	connected := make(chan struct{})
	srv := serve(t, func(c *sessiontest.Config) {
		c.Model.Connected = func(string, uint32) { close(connected) }
	})
	srv.Show(sessiontest.Stopped)
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-connected
		srv.EndSessions("no more credit")
	}()
	got, err := walk(t, Config{Peer: cloud(srv.URL())})
	<-done
	want := toSession + allTheWay +
		"fail first frame: main_video: [SESSION_TERMINAL] the server ended the session: no more credit → everything up to here works: what the model did is in its own log\n" +
		"ok end: the session was ended\n"
	if diff := cmp.Diff(got, want); diff != "" || !errors.Is(err, sdk.ErrSessionEnded) {
		t.Errorf("%v\n%s", err, diff)
	}
}

// spoiled is a server before another that changes its answers to offers.
func spoiled(t *testing.T, target string, old *regexp.Regexp, instead string) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasSuffix(r.Request.URL.Path, "sdp_params") {
			r.Body = io.NopCloser(bytes.NewReader(body))
			return err
		}
		body = old.ReplaceAll(body, []byte(instead))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		return nil
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	return srv.URL
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
