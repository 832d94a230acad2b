package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Exec asks another program about each frame.
type Exec struct {
	env      pipeline.Env
	cfg      Config
	programs *supervisor
	commands *commands
	watcher  *watcher // nil unless files are watched
	reset    pipeline.Reason
	once     sync.Once
}

var (
	_ pipeline.Stage       = (*Exec)(nil)
	_ pipeline.Resetter    = (*Exec)(nil)
	_ pipeline.UseDeclarer = (*Config)(nil)
	_ io.Closer            = (*Exec)(nil)
)

// New starts the program, and goroutines that look after it, which Close ends.
// It does not wait for the program to be ready: the first frame does.
func New(env pipeline.Env, cfg Config) (pipeline.Stage, error) {
	if len(cfg.Commands) > 0 && env.Session == nil {
		return nil, errors.New("commands: there is no session to send them to")
	}
	helper, err := newHelper()
	if err != nil {
		return nil, err
	}
	x, err := prepare(env, cfg, helper)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(helper))
	}
	x.programs.begin()
	return x, nil
}

// prepare opens what the program needs.
func prepare(env pipeline.Env, cfg Config, helper string) (*Exec, error) {
	start, err := newLaunch(env, cfg, helper)
	if err != nil {
		return nil, pipeline.Invalid(err)
	}
	s := &supervisor{
		env: env, cfg: cfg, launch: start, log: newOutput(env), saved: make(chan struct{}, 1),
		restarts: env.Metrics.Counter("restarts_total", "Programs that ended by themselves or were killed."),
		nonsense: &bounded{log: env.Log, clock: env.Clock, count: env.Metrics.Counter("refused_lines_total", "Lines of the program that made no sense.")},
	}
	x := &Exec{env: env, cfg: cfg, programs: s}
	if cfg.Watch {
		if x.watcher, err = watch(start.files(), env.Clock, s.saved); err != nil {
			return nil, err
		}
	}
	if cfg.Order != pixelsNone {
		if s.memory, err = newMemory(cfg.Order); err != nil {
			return nil, errors.Join(err, x.unwatch())
		}
	}
	x.commands = newCommands(env, cfg.Commands)
	s.ordered = x.commands.put
	return x, nil
}

// Reset tells the program with the next frame.
func (x *Exec) Reset(why pipeline.Reason) { x.reset = why }

// Process lets the program work on f.
func (x *Exec) Process(ctx context.Context, f *pipeline.Frame) error {
	if x.cfg.Order != pixelsNone && f.Image() == nil {
		return pipeline.ErrNoPixels
	}
	p, err := x.programs.program(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // and the program is not to blame
	}
	q, err := x.question(f)
	if err != nil {
		return err
	}
	a, err := p.ask(ctx, q, x.cfg.Timeout.Std())
	if err != nil {
		return fmt.Errorf("the program is gone: %w", err)
	}
	x.reset = ""
	return x.apply(a, q, f)
}

// question puts f where the program sees it.
func (x *Exec) question(f *pipeline.Frame) (*question, error) {
	now := x.env.Clock.Now()
	if err := x.commands.because(f, now); err != nil {
		return nil, err
	}
	frame, err := f.LocalJSON(now)
	if err != nil {
		return nil, err
	}
	q := &question{Type: "frame", Seq: f.Seq, Reset: x.reset, Frame: frame}
	if x.programs.memory != nil {
		q.Picture, err = x.programs.memory.put(f)
	}
	return q, err
}

// apply does to f what the program says.
func (x *Exec) apply(a *answer, q *question, f *pipeline.Frame) error {
	if a.Error != "" {
		return errors.New("the program: " + firstLine(a.Error))
	}
	if err := a.check(&x.cfg); err != nil {
		return fmt.Errorf("the program: %w", err)
	}
	if a.Drop {
		return pipeline.ErrDrop
	}
	if a.Pixels {
		if err := x.programs.memory.take(f, q.Picture); err != nil {
			return err
		}
	}
	a.annotate(f)
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line[:min(len(line), maxLogged)]
}

// Close asks the program to end, kills it if it does not within two seconds, and
// lets its commands come to their end. It is safe twice.
func (x *Exec) Close() error {
	var err error
	x.once.Do(func() {
		err = x.unwatch()
		x.programs.close()
		x.commands.close()
		if x.programs.memory != nil {
			err = errors.Join(err, x.programs.memory.close())
		}
		err = errors.Join(err, os.RemoveAll(x.programs.launch.helper))
	})
	return err
}

func (x *Exec) unwatch() error {
	if x.watcher == nil {
		return nil
	}
	return x.watcher.close()
}
