package sdk

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Where sessions come from when [Config.BaseURL] is empty.
const (
	CloudURL = "https://api.reactor.inc"
	LocalURL = "http://localhost:8080"
)

// Config says which session to open and how. The environment is never read, but
// for the proxy variables of net/http.
type Config struct {
	// Model is the model's name, "owner/name". A local runtime has one model
	// and needs no name.
	Model string
	// APIKey is exchanged for a token. Token is used as it is, and wins.
	APIKey string
	Token  string
	// BaseURL of the coordinator or local runtime; [CloudURL] or [LocalURL] if empty.
	BaseURL string
	// Local says that BaseURL is a local runtime. It gets no credentials, and its
	// TLS certificate is not verified.
	Local bool

	// SessionID adopts a running session instead of creating one. It is then
	// never ended by Close. ConnectionID, with it, takes a connection that
	// somebody registered for this client.
	SessionID    string
	ConnectionID uint32
	// MaxSessionDuration bounds the sessions that a token minted here creates;
	// whole seconds, 0 for no bound.
	MaxSessionDuration time.Duration

	// Codecs are the video codecs to offer for receiving; the server chooses,
	// so offer only what is wanted. One of vp8, vp9, h264, h265, av1 each.
	// Default: vp8, vp9, h264.
	Codecs []string
	// ICEServers replace those that the server names. For a local runtime they
	// replace the server's own as well.
	ICEServers []ICEServer
	// NoAutoResume leaves received tracks paused until [Track.Resume].
	NoAutoResume bool
	// ReceiveBuffer is the size of the sockets' receive buffers in bytes.
	// Default: 4 MiB, for bursts of keyframes.
	ReceiveBuffer int
	// ReconnectWindow is how long a lost connection is tried again. Default:
	// what the server keeps a session without client, 60 s for a local runtime
	// and 30 s otherwise. Negative: never.
	ReconnectWindow time.Duration

	// Trace, if set, is called after each step of connecting, by reconnects too,
	// from any goroutine. It must not block.
	Trace func(Step)
	// Generation is how the session generates: [Streamed], the default, or
	// [Stepped]. StepTimeout is how long the result of a step may take. Default:
	// 300 s.
	Generation  string
	StepTimeout time.Duration

	// CheckCommands reads the model's schema when connecting, and checks every
	// command against it before it is sent. One that does not fit matches
	// [ErrRefused], with everything that is wrong in the words of [Schema.Check].
	// A model that gives no schema goes unchecked.
	CheckCommands bool

	// Bitrate bounds what all published tracks send together.
	Bitrate BitrateBounds

	// Logger gets changes of state and trouble. Default: nothing is logged.
	Logger *slog.Logger

	hooks     hooks
	recording string // the id of the recording of a session that is started here
}

// String says what is opened where, without the secrets.
func (c Config) String() string {
	return fmt.Sprintf("session config (model %q, session %q, at %s)", c.Model, c.SessionID, redactURL(c.BaseURL))
}

// GoString is String: a dump shows no secret either.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// ICEServer is a STUN or TURN server: "stun:host", "turn:host?transport=udp",
// "turn:host?transport=tcp" or "turns:host". One that is reached over TCP or TLS
// is reached through the proxy of the environment, too.
type ICEServer struct {
	URLs     []string
	Username string
	Password string `json:"-"`
}

// String names the server without its password.
func (s ICEServer) String() string { return strings.Join(s.URLs, " ") }

// GoString is String: a dump shows no secret either.
func (s ICEServer) GoString() string { return s.String() }

// videoCodecs are the codecs that can be offered, in the order of the default.
var videoCodecs = []string{"vp8", "vp9", "h264", "h265", "av1"}

// defaultCodecs leave out what few decode (AV1, which cannot carry frame
// metadata either) and what few send (H.265).
var defaultCodecs = videoCodecs[:3]

// defaultReceiveBuffer holds the bursts of several 1080p keyframes.
const defaultReceiveBuffer = 4 << 20

// The client-less windows of the two kinds of server.
const (
	localWindow = 60 * time.Second
	cloudWindow = 30 * time.Second
)

// complete checks the configuration and fills in the defaults.
func (c Config) complete() (Config, error) {
	if c.BaseURL == "" || c.Local && strings.TrimRight(c.BaseURL, "/") == CloudURL {
		c.BaseURL = CloudURL
		if c.Local {
			c.BaseURL = LocalURL
		}
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if len(c.Codecs) == 0 {
		c.Codecs = defaultCodecs
	}
	if c.ReceiveBuffer <= 0 {
		c.ReceiveBuffer = defaultReceiveBuffer
	}
	if c.ReconnectWindow == 0 {
		c.ReconnectWindow = cloudWindow
		if c.Local {
			c.ReconnectWindow = localWindow
		}
	}
	if c.Generation == "" {
		c.Generation = Streamed
	}
	if c.Local && c.SessionID == "" && c.Generation == Stepped {
		c.recording = newRecording()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.validate()
}

func (c Config) validate() error {
	var errs []error
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("base URL: must be http(s)://host[:port], got %q", redactURL(c.BaseURL)))
	}
	if err == nil && (c.APIKey != "" || c.Token != "") && !c.Local && u.Scheme == "http" && !local(u.Hostname()) {
		errs = append(errs, fmt.Errorf("base URL: must be https to carry an API key or token, got %q", redactURL(c.BaseURL)))
	}
	if c.Model == "" && !c.Local && c.SessionID == "" {
		errs = append(errs, errors.New("model: must be set"))
	}
	for i, codec := range c.Codecs {
		if !slices.Contains(videoCodecs, codec) {
			errs = append(errs, fmt.Errorf("codecs[%d]: must be one of %s, got %q", i, strings.Join(videoCodecs, ", "), codec))
		}
	}
	if c.SessionID != "" && !sessionID.MatchString(c.SessionID) {
		errs = append(errs, fmt.Errorf("session id: %.40q is none", c.SessionID))
	}
	if c.ConnectionID != 0 && c.SessionID == "" {
		errs = append(errs, errors.New("connection id: needs a session id"))
	}
	if c.Generation != Streamed && c.Generation != Stepped {
		errs = append(errs, fmt.Errorf("generation: must be %s or %s, got %q", Streamed, Stepped, c.Generation))
	}
	if c.StepTimeout < 0 || c.StepTimeout > 0 && c.Generation != Stepped {
		errs = append(errs, fmt.Errorf("step timeout: must be positive, and for stepped generation only, got %s", c.StepTimeout))
	}
	if e, ok := errors.AsType[*Error](c.Bitrate.check("")); ok {
		errs = append(errs, errors.New(e.Message))
	}
	if c.MaxSessionDuration < 0 {
		errs = append(errs, fmt.Errorf("max session duration: must not be negative, got %s", c.MaxSessionDuration))
	}
	return errors.Join(errs...)
}

// local says that a host is on this machine or network, where secrets may travel
// in clear: an address of such a range, or a name without a domain.
func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return !strings.Contains(strings.TrimSuffix(host, "."), ".")
	}
	return private(addr)
}

// private says that an address is of this machine or network.
func private(a netip.Addr) bool { return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() }

// redactURL removes what may be secret from a URL: user, query and fragment.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// nearby says that the server's own addresses are reachable as they are, so
// that no STUN server is needed: a runtime on this machine or this network.
func (c Config) nearby() bool {
	host := c.host()
	addr, err := netip.ParseAddr(host)
	return c.Local && (host == "localhost" || err == nil && private(addr))
}

// loopback says that the server is on this machine.
func (c Config) loopback() bool {
	host := c.host()
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (c Config) host() string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}
