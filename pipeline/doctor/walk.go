package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/ingest"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Config says which way to walk.
type Config struct {
	// Peer is the model, as [config.Peer] returns it.
	Peer config.Session

	// Of tests.
	resolver *net.Resolver
	patience map[string]time.Duration // by hop
}

// The hops after the first answer over HTTP. Those of the same name as a step of
// sdk are that step.
const (
	hopKey   = "key"
	hopFrame = "first frame"
	hopEnd   = "end"
)

// hops are all of them in order, but the end, which comes whatever failed.
var hops = [...]string{
	hopDNS, hopTCP, hopTLS, hopKey,
	string(sdk.StepSession), string(sdk.StepSignalling), string(sdk.StepICE), string(sdk.StepDTLS), string(sdk.StepChannels),
	hopFrame,
}

const (
	// hopPatience is how long a hop may take.
	hopPatience = 10 * time.Second
	// sessionPatience is for a model that is still to be started somewhere.
	sessionPatience = 160 * time.Second
	// sessionLimit bounds what a session costs whose doctor was killed.
	sessionLimit = 5 * time.Minute
)

// Walk goes to a model as a pipeline does, up to its first picture, and yields
// what came of each hop. It opens a session, which costs as any does, and ends
// it. After the hop that fails the others are skipped.
func Walk(ctx context.Context, cfg Config) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		w := &walker{cfg: cfg, yield: yield}
		w.walk(ctx)
	}
}

// walker is one walk.
type walker struct {
	cfg   Config
	yield func(Result) bool
	gone  bool // nobody listens any more
}

// patience is how long a hop may take.
func (w *walker) patience(hop string) time.Duration {
	if p, ok := w.cfg.patience[hop]; ok {
		return p
	}
	if hop == string(sdk.StepSession) && !w.cfg.Peer.Local {
		return sessionPatience
	}
	return hopPatience
}

// tell passes a result on, after a failure those of the hops behind it too, and
// says whether to go on.
func (w *walker) tell(r Result) bool {
	w.pass(r)
	if r.Status != Fail {
		return !w.gone
	}
	for _, hop := range hops[slices.Index(hops[:], r.Name)+1:] {
		w.pass(Result{Name: hop, Status: Skipped})
	}
	return false
}

func (w *walker) pass(r Result) {
	w.gone = w.gone || !w.yield(r)
}

func (w *walker) walk(ctx context.Context) {
	base := w.cfg.Peer.URL
	if base == "" {
		base = sdk.CloudURL
	}
	r, err := newReach(base, w.cfg.Peer.Local, w.cfg.resolver)
	if err != nil {
		w.tell(Result{Name: hopDNS, Status: Fail, Detail: err.Error(), Err: pipeline.Invalid(err)})
		return
	}
	limited, cancel := context.WithTimeout(ctx, w.patience(hopDNS))
	first := r.hops(limited)
	cancel()
	for _, result := range first {
		if !w.tell(result) {
			return
		}
	}
	token, result := w.key(ctx)
	if !w.tell(result) {
		return
	}
	if s := w.connect(ctx, token); s != nil {
		w.look(ctx, s)
		w.end(s)
	}
}

// key gets the token that the session is opened with.
func (w *walker) key(ctx context.Context) (token string, r Result) {
	peer := w.cfg.Peer
	switch {
	case peer.Local:
		return "", ok(hopKey, "a local runtime takes none")
	case peer.Token != "":
		return peer.Token, ok(hopKey, "REACTOR_JWT is used as it is")
	case peer.APIKey == "":
		return "", Result{
			Name: hopKey, Status: Fail, Detail: "REACTOR_API_KEY is not set, nor is REACTOR_JWT",
			Advice: "export REACTOR_API_KEY=rk_…", Err: pipeline.Invalid(errors.New("no key")),
		}
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.patience(hopKey))
	defer cancel()
	t, err := sdk.MintToken(ctx, sdk.TokenConfig{
		APIKey: peer.APIKey, BaseURL: peer.URL, Models: []string{peer.Model}, MaxSessionDuration: sessionLimit,
	})
	if err != nil {
		return "", Result{Name: hopKey, Status: Fail, Detail: err.Error(), Advice: adviceAPI(err), Err: err, Took: time.Since(begun)}
	}
	return t.JWT, Result{Name: hopKey, Status: OK, Detail: "exchanged for a token of " + peer.Model, Took: time.Since(begun)}
}

// connect opens the session and tells its steps; nil if one failed.
func (w *walker) connect(ctx context.Context, token string) *sdk.Session {
	peer := w.cfg.Peer
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	steps := make(chan sdk.Step, 2*len(hops)) // more than one connecting tells
	sc := sdk.Config{
		Model: peer.Model, Token: token, BaseURL: peer.URL, Local: peer.Local, MaxSessionDuration: sessionLimit,
		NoAutoResume: true, ReconnectWindow: -1,
		Trace: func(s sdk.Step) {
			select {
			case steps <- s:
			default: // a reconnect, which nobody asks about
			}
		},
	}
	type outcome struct {
		session *sdk.Session
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		s, err := sdk.Connect(ctx, sc)
		done <- outcome{s, err}
	}()
	p := &progress{walker: w, begun: time.Now()}
	timer := time.NewTimer(p.patience(p.hop()))
	defer timer.Stop()
	for late := false; ; {
		select {
		case s := <-steps:
			p.took(s)
			timer.Reset(p.patience(p.hop()))
		case <-timer.C:
			late = true
			cancel()
		case o := <-done:
			for len(steps) > 0 {
				p.took(<-steps)
			}
			if o.err == nil {
				return o.session
			}
			p.failed(o.err, late)
			return nil
		}
	}
}

// progress tells the steps of connecting in their order, in whichever they come.
type progress struct {
	*walker
	begun time.Time
	ahead []sdk.Step // came before their turn
	next  int        // of connecting
}

var connecting = [...]sdk.Step{sdk.StepSession, sdk.StepSignalling, sdk.StepICE, sdk.StepDTLS, sdk.StepChannels}

// hop is the one that is under way, the last one if all are done.
func (p *progress) hop() string { return string(connecting[min(p.next, len(connecting)-1)]) }

func (p *progress) took(s sdk.Step) {
	p.ahead = append(p.ahead, s)
	for p.next < len(connecting) && slices.Contains(p.ahead, connecting[p.next]) {
		now := time.Now()
		p.tell(Result{Name: string(connecting[p.next]), Status: OK, Detail: achieved(connecting[p.next]), Took: now.Sub(p.begun)})
		p.begun = now
		p.next++
	}
}

func achieved(s sdk.Step) string {
	switch s {
	case sdk.StepSession:
		return "the model is there"
	case sdk.StepSignalling:
		return "offer and answer exchanged"
	case sdk.StepICE:
		return "a path for media was found"
	case sdk.StepDTLS:
		return "encrypted"
	case sdk.StepChannels:
		return "both data channels are open"
	}
	return ""
}

func (p *progress) failed(err error, late bool) {
	hop := p.hop()
	r := Result{Name: hop, Status: Fail, Detail: err.Error(), Advice: advice(sdk.Step(hop), err), Err: err, Took: time.Since(p.begun)}
	if late {
		r.Detail = fmt.Sprintf("not done within %s", p.patience(hop))
	}
	if errors.Is(err, sdk.ErrNotFound) || errors.Is(err, sdk.ErrNoCodec) {
		r.Err = pipeline.Invalid(err)
	}
	p.tell(r)
}

// look waits for a picture of the first track that the model sends.
func (w *walker) look(ctx context.Context, s *sdk.Session) {
	tracks := s.Capabilities().Tracks
	i := slices.IndexFunc(tracks, func(t sdk.TrackInfo) bool { return t.Kind == sdk.Video && t.Direction == sdk.ReceiveOnly })
	if i < 0 {
		w.tell(ok(hopFrame, "the model sends no video"))
		return
	}
	w.tell(w.picture(ctx, s, tracks[i].Name))
}

func (w *walker) picture(ctx context.Context, s *sdk.Session, track string) Result {
	begun := time.Now()
	fail := func(err error) Result {
		return Result{Name: hopFrame, Status: Fail, Detail: track + ": " + err.Error(), Err: err, Took: time.Since(begun)}
	}
	frames, err := ingest.Open(ctx, s, track)
	if err != nil {
		return fail(err)
	}
	defer frames.Close()
	limited, cancel := context.WithTimeout(ctx, w.patience(hopFrame))
	defer cancel()
	if frames.Next(limited) {
		f := frames.Frame()
		return Result{Name: hopFrame, Status: OK, Detail: fmt.Sprintf("%s, %d×%d", track, f.Width, f.Height), Took: time.Since(begun)}
	}
	if limited.Err() != nil && ctx.Err() == nil {
		return warn(hopFrame, fmt.Sprintf("%s: no picture within %s; the connection stands", track, w.patience(hopFrame)),
			"many models send none before they are told to start: see `reactorpipe model show` and session.start")
	}
	r := fail(cmp.Or(frames.Err(), s.Err(), errors.New("the picture ended before it began")))
	r.Advice = "everything up to here works: what the model did is in its own log"
	return r
}

// end gives the session back, whether anybody listens or not.
func (w *walker) end(s *sdk.Session) {
	r := ok(hopEnd, "the session was ended")
	if err := s.Close(); err != nil {
		r = warn(hopEnd, err.Error(), "the server ends the session by itself, within a minute as a rule")
	}
	w.pass(r)
}
