package sessiontest

import (
	"log/slog"
	"time"
)

// Config says what to serve, where and how. Only Model is needed.
type Config struct {
	Addr  string // to listen on; "127.0.0.1:0" if empty
	Model Model
	// Memory is a network to serve on in place of the machine's own.
	Memory *Memory

	// Codecs are the video codecs that the server negotiates, in its order.
	// Default: vp9, vp8, h264, av1, h265. Outputs may have their own order.
	Codecs []string
	// NoLoopback leaves loopback candidates out of the answers, as the real
	// runtime does: it then cannot be reached on a machine that has no other
	// interface.
	NoLoopback bool
	// ICEServers are told to clients and used by the server. Default: none,
	// that is host candidates only and no waiting for STUN.
	ICEServers []ICEServer
	// PlainChannels refuses data-channel chunking, NoFrameMetadata the
	// metadata trailer: both as an older runtime does.
	PlainChannels, NoFrameMetadata bool

	// APIKey is the key that POST /tokens takes; any, if empty.
	APIKey string
	// Loading is how long the model is not there yet.
	Loading time.Duration
	// MaxSessions is how many sessions the cloud gives at a time. Default: 5.
	MaxSessions int
	// Provisioning is how long a session of the cloud has no capabilities yet.
	Provisioning time.Duration
	// SessionLimit ends every session after that time; 0 for no limit. A
	// token may set a tighter one.
	SessionLimit time.Duration

	// Recording lets clients fetch clips. Stepped sessions are not recorded.
	Recording Recording
	// StepResults keeps what steps put out.
	StepResults StepResults

	// Black returns a keyframe of a black picture in a codec, in the size of the
	// model's own, for [Black]; nil stands for one of 160×120. It may be called at
	// any time, by several goroutines.
	Black func(codec string) []byte

	// OrphanTimeout ends a session that has no client. Default: 60 s, 30 s in
	// the cloud; negative: never.
	OrphanTimeout time.Duration
	// PingTimeout closes a connection from which nothing came on either data
	// channel. Default: 20 s; negative: never.
	PingTimeout time.Duration
	// NegotiationTimeout closes a connection that does not come up. Default: 30 s.
	NegotiationTimeout time.Duration
	// UploadTimeout is how long a command waits for the bytes of its files.
	// Default: 10 s.
	UploadTimeout time.Duration

	Logger *slog.Logger // nothing is logged if nil
}

// ICEServer is a STUN or TURN server.
type ICEServer struct {
	URLs               []string
	Username, Password string
}

func (c Config) complete() (Config, error) {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if len(c.Codecs) == 0 {
		c.Codecs = videoCodecs()
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 5
	}
	c.PingTimeout = orDefault(c.PingTimeout, 20*time.Second)
	c.NegotiationTimeout = orDefault(c.NegotiationTimeout, 30*time.Second)
	c.UploadTimeout = orDefault(c.UploadTimeout, 10*time.Second)
	c.Recording = c.Recording.complete()
	c.StepResults.Keep = orDefault(c.StepResults.Keep, 300*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	c.Model, err = c.Model.complete(c.Codecs)
	return c, err
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// orphanTimeout is how long a session lives without a client; negative: for ever.
func (c Config) orphanTimeout(cloud bool) time.Duration {
	if cloud {
		return orDefault(c.OrphanTimeout, 30*time.Second)
	}
	return orDefault(c.OrphanTimeout, 60*time.Second)
}
