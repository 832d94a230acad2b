// Package session is a model session's life in a pipeline, on top of package
// sdk: it is opened with patience and within a budget, checks commands against
// the model's live schema, runs the commands of its moments, keeps the ledger,
// is followed by another session where the file says so, and is ended or left.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/effect"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Config is what a session is made with.
type Config struct {
	// Spec is what the file says of it.
	Spec config.Session
	// Codecs are the video codecs to offer for receiving, in order.
	Codecs []string
	Log    *slog.Logger
	Clock  pipeline.Clock
	// OnCommand, if set, is called with each record that goes into the ledger, and
	// the time, before what sent it goes on.
	OnCommand func(r pipeline.CommandRecord, now time.Time)
}

// Session implements pipeline.Session, over all the server's sessions that it
// has one after the other. Nothing but its name works before Open.
type Session struct {
	cfg      Config
	ledger   *ledger
	messages pipeline.MessageTopic
	budget   *budget // nil: without bound
	bucket   *bucket // nil: without bound
	circles  *circles
	effects  *effect.Watch // nil: nobody looks
	setters  *setters
	files    *files
	refusals refusals
	work     sync.WaitGroup // goroutines of lives and tracks; Close waits

	mu       sync.Mutex // guards what follows
	live     *life      // nil unless there is one to use
	last     *life      // the last one that there was
	renewing bool
	over     bool          // no life comes any more
	changed  chan struct{} // closed and made anew when any of the above changes
	writers  map[*writer]struct{}
	renewals uint64
}

var (
	_ pipeline.Session = (*Session)(nil)
	_ pipeline.Ledger  = (*Session)(nil)
	_ pipeline.Noter   = (*Session)(nil)

	_ pipeline.EffectMeter = (*Session)(nil)
)

// New returns a session that Open connects. It does nothing by itself.
func New(cfg Config) *Session {
	spec := cfg.Spec
	return &Session{
		cfg: cfg, ledger: newLedger(cfg), budget: newBudget(spec.Budget, cfg.Clock, cfg.Log),
		bucket: newBucket(spec.Commands), circles: newCircles(spec.Commands.Cycle, cfg.Log),
		effects: effect.New(spec.Commands.Effect.Within.Std()),
		setters: newSetters(spec.Renew), files: newFiles(spec.Renew != nil),
		changed: make(chan struct{}), writers: make(map[*writer]struct{}),
	}
}

// Open connects and learns the model's schema. A server that is not there, or
// that has no room, is tried again for the time the file allows. The error
// wraps sdk.ErrUnauthorized for a refused key, ErrBudget where no more sessions
// may be made, and pipeline.ErrInvalid for a model or session that does not
// exist, or that sends in none of the codecs.
func (s *Session) Open(ctx context.Context) error {
	if err := s.ledger.open(s.cfg.Clock.Now()); err != nil {
		return err
	}
	l, err := s.connect(ctx)
	if err != nil {
		return err
	}
	s.install(l)
	s.cfg.Log.Info("session ready", "session_id", l.ID(), "model", s.model())
	return nil
}

func (s *Session) model() string {
	switch {
	case s.cfg.Spec.Model != "":
		return s.cfg.Spec.Model
	case s.cfg.Spec.URL != "":
		return s.cfg.Spec.URL
	}
	return "the cloud"
}

// made says that the session is ours: commands of its moments are for no other.
func (s *Session) made() bool { return s.cfg.Spec.Adopt == nil }

// Close runs what the file says about leaving: the stop commands, then the
// session ends if we made it, unless on_exit is leave. The server is told even if
// ctx is over. Nobody may be in Keep.
func (s *Session) Close(ctx context.Context) error {
	l := s.take(false)
	s.finish()
	var err error
	if l != nil {
		err = s.part(ctx, l, s.cfg.Spec.OnExit == "leave")
	}
	s.work.Wait()
	s.effects.Close()
	return errors.Join(err, s.ledger.close())
}

// part says goodbye to a life.
func (s *Session) part(ctx context.Context, l *life, leave bool) error {
	s.stop(ctx, l)
	defer l.close()
	if leave {
		return l.Leave(ctx)
	}
	return l.Session.Close()
}

func (s *Session) ready() (*life, error) {
	if l := s.present(); l != nil {
		return l, nil
	}
	return nil, pipeline.ErrNotReady
}

// Live returns the present connection to the server for those who need more
// than a pipeline.Session. Who follows it over renewals uses Hold.
func (s *Session) Live() (*sdk.Session, error) {
	l, err := s.ready()
	if err != nil {
		return nil, err
	}
	return l.Session, nil
}

// StatusRenewing is that of a session whose server's session is over, while the
// next one is made.
const StatusRenewing sdk.Status = "renewing"

// Status returns what the connection does now.
func (s *Session) Status() sdk.Status {
	s.mu.Lock()
	l, renewing := s.live, s.renewing
	s.mu.Unlock()
	switch {
	case renewing:
		return StatusRenewing
	case l == nil:
		return sdk.StatusDisconnected
	}
	return l.Status()
}

// Renewals returns how often another session has taken the place of the one
// before.
func (s *Session) Renewals() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewals
}

// Schema returns the model's OpenAPI document.
func (s *Session) Schema(ctx context.Context) (json.RawMessage, error) {
	l, err := s.ready()
	if err != nil {
		return nil, err
	}
	return l.Session.Schema(ctx)
}

// Messages yields what the model says from the call on, over renewals, until ctx
// ends or the last session does. Before Open and after Close there are none.
func (s *Session) Messages(ctx context.Context) iter.Seq[pipeline.Message] {
	if s.latest() == nil {
		return func(func(pipeline.Message) bool) {}
	}
	return s.messages.Subscribe(ctx)
}

// Upload sends a file.
func (s *Session) Upload(ctx context.Context, file pipeline.File) (pipeline.FileRef, error) {
	l, err := s.ready()
	if err != nil {
		return pipeline.FileRef{}, err
	}
	file, keep := s.files.recording(file)
	ref, err := l.upload(ctx, file)
	if err == nil {
		keep(ref)
	}
	return ref, err
}

// upload sends a file in this life, for whose length the reference holds.
func (l *life) upload(ctx context.Context, file pipeline.File) (pipeline.FileRef, error) {
	ref, err := l.Session.Upload(ctx, file.Content, sdk.UploadInfo{Name: file.Name, MIMEType: file.MIMEType, Size: file.Size})
	if err != nil {
		return pipeline.FileRef{}, translate(err)
	}
	return pipeline.FileRef{UploadID: ref.UploadID, Name: ref.Name, MIMEType: ref.MIMEType, Size: ref.Size}, nil
}
