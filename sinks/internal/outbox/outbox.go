package outbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// Config is where messages wait, and how many.
type Config struct {
	// Path of a folder of the sink's own, relative to the working directory;
	// "" is buffer/ and the sink's name. What waits in it is sent by the next
	// run, too.
	Path string `yaml:"path"`
	// Size that the messages may take. Beyond it the oldest are thrown away,
	// and counted.
	Size config.Size `yaml:"size"`
}

// Default is room for hours of events.
func Default() Config { return Config{Size: 256 << 20} }

// smallest is the least room that is worth a buffer.
const smallest = 1 << 20

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if c.Size < smallest {
		return fmt.Errorf("size: must be 1MiB at least, got %s", c.Size)
	}
	return nil
}

// Message is one of those that wait.
type Message struct {
	// ID is the message's own, over restarts: one that is sent twice has it
	// twice.
	ID string
	// Key is what Put was given: a subject, for instance.
	Key  string
	Body []byte
}

// Deliver sends messages, the oldest first, and says how many of them the other
// side has taken for certain. Those after them are sent again after a while,
// unless the error is a [Refused]; a [Later] says after which.
type Deliver func(ctx context.Context, batch []Message) (taken int, err error)

// Refused says that the other side will not take the next Count messages,
// however often they are sent.
type Refused struct {
	Count int
	Err   error
}

func (r *Refused) Error() string { return r.Err.Error() }

func (r *Refused) Unwrap() error { return r.Err }

// Later says when there is sense in trying again.
type Later struct {
	After time.Duration
	Err   error
}

func (l *Later) Error() string { return l.Err.Error() }

func (l *Later) Unwrap() error { return l.Err }

const (
	// firstPause and longestPause are those between tries that fail. Each is
	// twice the one before, give or take half of it.
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	// mostPatience bounds what the other side may ask us to wait.
	mostPatience = 10 * time.Minute
	// closeGrace is how long Close goes on sending what waits.
	closeGrace = 2 * time.Second
	// syncEvery is how often what waits is forced onto the disk.
	syncEvery = 5 * time.Second
	// lockEvery is how often a folder is tried that another outbox has still.
	lockEvery = 100 * time.Millisecond
	// warnEvery bounds the log.
	warnEvery = 10 * time.Second
)

// Outbox sends messages from a goroutine of its own. It is safe for concurrent
// use.
type Outbox struct {
	env     pipeline.Env
	cfg     Config
	batch   int
	deliver Deliver
	counts  counts

	wake   chan struct{} // holds a token once there may be something to send
	opened chan struct{} // closed when the spool is
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed when the goroutine has ended
	cancel context.CancelFunc
	once   sync.Once

	// The goroutine's own.
	failures int
	synced   time.Time
	failing  pipeline.Turns
	refusals pipeline.Turns

	mu        sync.Mutex // guards what follows
	spool     *spool
	broken    error // why there is no spool
	overflows pipeline.Turns
	lost      uint64 // since that was said
	disk      bool   // it takes nothing
}

// counts are the outbox's metrics.
type counts struct {
	delivered, refused, lost, retries func(float64)
	messages, bytes                   func(float64)
}

// maxBatchBytes bounds what is sent at once, in bytes.
const maxBatchBytes = 1 << 20

// Open opens the folder, or says why it cannot be written, and starts a
// goroutine that sends what waits there and what is Put, batch messages at a
// time, until Close. If another outbox has the folder it waits for its end.
func Open(env pipeline.Env, cfg Config, batch int, deliver Deliver) (*Outbox, error) {
	if cfg.Path == "" {
		cfg.Path = filepath.Join("buffer", env.Name)
	}
	s, err := openSpool(cfg.Path, int64(cfg.Size))
	if err != nil && !errors.Is(err, errBusy) {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := env.Metrics
	o := &Outbox{
		env: env, cfg: cfg, batch: batch, deliver: deliver, cancel: cancel, synced: env.Clock.Now(),
		counts: counts{
			delivered: m.Counter("delivered_total", "Messages that the other side took."),
			refused:   m.Counter("refused_total", "Messages that the other side refused for good."),
			lost:      m.Counter("overflowed_total", "Messages thrown away because there was no room to keep them."),
			retries:   m.Counter("retries_total", "Tries to send that failed and were, or will be, repeated."),
			messages:  m.Gauge("buffer_messages", "Messages that wait."),
			bytes:     m.Gauge("buffer_bytes", "What the buffer takes on the disk."),
		},
		wake: make(chan struct{}, 1), opened: make(chan struct{}), done: make(chan struct{}), ended: make(chan struct{}),
	}
	if err == nil {
		o.begin(s)
	}
	go o.run(ctx, err == nil)
	return o, nil
}

// begin takes a spool into use.
func (o *Outbox) begin(s *spool) {
	o.mu.Lock()
	o.spool = s
	n := s.waiting()
	o.mu.Unlock()
	close(o.opened)
	if s.damage > 0 {
		o.env.Log.Warn("the buffer was cut off by a crash", "path", o.cfg.Path, "bytes_lost", s.damage)
	}
	if n > 0 {
		o.env.Log.Info("messages of an earlier run wait", "path", o.cfg.Path, "messages", n)
		token(o.wake)
	}
}

// Put leaves a message to be sent. Only a folder that is not ours yet makes it
// wait. That messages are lost for want of room is counted and logged, and no
// error.
func (o *Outbox) Put(ctx context.Context, key string, body []byte) error {
	select {
	case <-o.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	record := append(binary.AppendUvarint(nil, uint64(len(key))), key...)
	record = append(record, body...)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken != nil {
		return o.broken
	}
	lost, err := o.spool.put(record)
	o.kept(lost, err)
	token(o.wake)
	return nil
}

// kept notes what came of keeping messages: how many others that cost, and why
// the disk takes none.
func (o *Outbox) kept(lost uint64, err error) {
	if was := o.disk; was != (err != nil) {
		o.disk = !was
		if was {
			o.env.Log.Info("buffering on the disk again")
		} else {
			o.env.Log.Warn("cannot buffer on the disk, keeping what there is memory for", "err", err)
		}
	}
	o.overflow(lost)
}

// overflow counts messages that are lost.
func (o *Outbox) overflow(lost uint64) {
	o.gauge()
	if lost == 0 {
		return
	}
	o.lost += lost
	o.counts.lost(float64(lost))
	if _, ok := o.overflows.Take(o.env.Clock.Now(), warnEvery); ok {
		o.env.Log.Warn("no room to keep all messages, some are thrown away", "messages_lost", o.lost)
		o.lost = 0
	}
}

func (o *Outbox) gauge() {
	o.counts.messages(float64(o.spool.waiting()))
	o.counts.bytes(float64(o.spool.bytes))
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (o *Outbox) run(ctx context.Context, open bool) {
	defer close(o.ended)
	if !open && !o.await() {
		return
	}
	for {
		select {
		case <-o.done:
			o.flush(ctx)
			return
		case <-o.wake:
			o.send(ctx)
		case <-o.env.Clock.After(syncEvery):
		}
		o.sync()
	}
}

// await waits for the folder.
func (o *Outbox) await() bool {
	var said pipeline.Turns
	for {
		s, err := openSpool(o.cfg.Path, int64(o.cfg.Size))
		switch {
		case err == nil:
			o.begin(s)
			return true
		case !errors.Is(err, errBusy):
			o.env.Log.Warn("messages are not buffered", "err", err)
			o.mu.Lock()
			o.broken = err
			o.mu.Unlock()
			close(o.opened)
			return false
		}
		if _, ok := said.Take(o.env.Clock.Now(), warnEvery); ok {
			o.env.Log.Info("waiting for the buffer, which is in use", "path", o.cfg.Path)
		}
		select {
		case <-o.done:
			return false
		case <-o.env.Clock.After(lockEvery):
		}
	}
}

// send sends what waits until nothing does, or Close is called.
func (o *Outbox) send(ctx context.Context) {
	for {
		more, err := o.one(ctx)
		if !more || err != nil && !o.pause(err) {
			return
		}
		select {
		case <-o.done:
			return
		default:
		}
		o.sync()
	}
}

// flush sends what waits for as long as that succeeds and there is time.
func (o *Outbox) flush(ctx context.Context) {
	for {
		more, err := o.one(ctx)
		if !more || err != nil {
			return
		}
	}
}

// one sends a batch. more is false when nothing waits.
func (o *Outbox) one(ctx context.Context) (more bool, err error) {
	o.mu.Lock()
	first, records, lost := o.spool.peek(o.batch, maxBatchBytes)
	o.overflow(lost)
	id := o.spool.id
	o.mu.Unlock()
	if len(records) == 0 {
		return false, nil
	}
	batch := make([]Message, len(records))
	for i, r := range records {
		batch[i] = message(fmt.Sprintf("%s-%d", id, first+uint64(i)), r)
	}
	taken, err := o.deliver(ctx, batch)
	o.counts.delivered(float64(taken))
	gone := taken
	if r, ok := errors.AsType[*Refused](err); ok {
		gone = min(taken+r.Count, len(batch))
		o.refused(gone-taken, batch[taken], r)
		err = nil
	}
	o.mu.Lock()
	if gone > 0 {
		o.spool.ack(first + uint64(gone)) //nolint:gosec // positive
	}
	o.gauge()
	waiting := o.spool.waiting()
	o.mu.Unlock()
	o.outcome(ctx, waiting, err)
	return true, err
}

func message(id string, record []byte) Message {
	n, size := binary.Uvarint(record)
	if size <= 0 || n > uint64(len(record)-size) {
		return Message{ID: id, Body: record} // nothing that Put made
	}
	end := size + int(n) //nolint:gosec // within the record
	return Message{ID: id, Key: string(record[size:end]), Body: record[end:]}
}

func (o *Outbox) refused(n int, first Message, why error) {
	o.counts.refused(float64(n))
	if unsaid, ok := o.refusals.Take(o.env.Clock.Now(), warnEvery); ok {
		o.env.Log.Warn("message refused for good", "id", first.ID, "messages", n, "err", why, "before_unsaid", unsaid)
	}
}

// outcome says when delivering stops, for how long it has, and when it goes on.
func (o *Outbox) outcome(ctx context.Context, waiting uint64, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil:
		o.failures++
		o.counts.retries(1)
		if _, ok := o.failing.Take(o.env.Clock.Now(), warnEvery); ok {
			o.env.Log.Warn("not delivered, messages wait", "messages", waiting, "tries", o.failures, "err", err)
		}
	case o.failures > 0:
		o.env.Log.Info("delivering again", "messages", waiting, "tries", o.failures)
		o.failures = 0
	}
}

// pause waits before the next try; false says that Close was called meanwhile.
func (o *Outbox) pause(err error) bool {
	d := longestPause
	if o.failures < 8 {
		d = min(d, firstPause<<max(o.failures-1, 0))
	}
	d = time.Duration((0.5 + rand.Float64()) * float64(d))
	if l, ok := errors.AsType[*Later](err); ok {
		d = max(d, min(l.After, mostPatience))
	}
	for end := o.env.Clock.Now().Add(d); ; {
		left := end.Sub(o.env.Clock.Now())
		if left <= 0 {
			return true
		}
		select {
		case <-o.done:
			return false
		case <-o.env.Clock.After(min(left, syncEvery)):
			o.sync()
		}
	}
}

// sync forces what waits onto the disk, so often at most, and tries again what
// the disk did not take.
func (o *Outbox) sync() {
	now := o.env.Clock.Now()
	if now.Sub(o.synced) < syncEvery {
		return
	}
	o.synced = now
	o.mu.Lock()
	lost, err := o.spool.flush()
	o.kept(lost, err)
	f := o.spool.takeDirty()
	o.mu.Unlock()
	if f == nil {
		return
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		o.env.Log.Warn("the buffer is not forced onto the disk", "err", err)
	}
}

// Close sends what waits, if the other side takes it and that does not take
// long, and ends the goroutine. What remains is for the next run. It is safe
// twice.
func (o *Outbox) Close() error {
	var err error
	o.once.Do(func() {
		close(o.done)
		select {
		case <-o.ended:
		case <-o.env.Clock.After(closeGrace):
		}
		o.cancel()
		<-o.ended
		err = o.finish()
	})
	return err
}

func (o *Outbox) finish() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spool == nil {
		return nil
	}
	lost, err := o.spool.flush()
	o.kept(lost, err)
	if n := o.spool.waiting(); n > 0 {
		o.env.Log.Info("messages wait for the next run", "path", o.cfg.Path, "messages", n)
	}
	if n := len(o.spool.memory); n > 0 {
		err = fmt.Errorf("%d messages could be neither sent nor kept", n)
	} else {
		err = nil
	}
	return errors.Join(err, o.spool.close())
}
