package rehearsal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/graph"
)

// play is one run of a test's pipeline.
type play struct {
	*Test
	outside *outdoors
	zero    time.Time
	limit   time.Duration // when pictures end at the latest; 0: by themselves
	end     time.Duration // when they end at the soonest: all that is scripted is over
	models  []*model
	lasts   func(source string) (pipeline.Message, bool)
	faults  faults

	mu     sync.Mutex // guards what follows
	writes map[string][]write
}

// write is a frame that reached a sink.
type write struct {
	seq  uint64
	pts  time.Duration
	json json.RawMessage
	that map[int]verdict // by index of the expected frame
}

// verdict is what became of an expression.
type verdict struct {
	holds  bool
	absent bool
	err    error
}

// observed is all that came of a run.
type observed struct {
	err      error
	lasted   time.Duration // on the virtual clock
	stats    graph.Stats
	writes   map[string][]write
	commands []pipeline.CommandRecord
	zero     time.Time
	faults   map[string]string // what a node said first
}

// perform runs the pipeline of the test. It is called where time is virtual.
func (t *Test) perform(outside *outdoors) observed {
	p := &play{Test: t, outside: outside, zero: time.Now(), writes: make(map[string][]write), limit: t.file.Duration.Std()}
	p.end = p.limit
	for _, e := range p.events() {
		p.end = max(p.end, e.at+time.Millisecond)
	}
	for _, s := range t.spec.Sessions {
		p.models = append(p.models, newModel(t, s))
	}
	g, err := graph.Build(graph.Config{
		Spec: p.adapted(), Log: slog.New(&p.faults), Session: p.session, OnWrite: p.look, Still: t.still,
	})
	if err != nil {
		return observed{err: err, zero: p.zero}
	}
	err = p.run(g)
	o := observed{
		err: errors.Join(err, g.Close()), lasted: p.now(), stats: g.Stats(),
		writes: p.writes, commands: p.commands(), zero: p.zero, faults: p.faults.first(),
	}
	return o
}

// now is the time since the begin of the test.
func (p *play) now() time.Duration { return time.Since(p.zero) }

func (p *play) run(g *graph.Graph) error {
	ctx, cancel := context.WithCancel(context.Background())
	var script sync.WaitGroup
	defer script.Wait()
	defer cancel()
	for _, m := range p.models {
		if err := g.SessionReady(ctx, m.spec.Name); err != nil {
			return err
		}
	}
	script.Go(func() { p.follow(ctx, g) })
	for _, m := range p.models {
		if err := m.start(ctx); err != nil {
			return err
		}
	}
	err := g.Run(ctx)
	for _, m := range p.models {
		m.end()
	}
	return err
}

// event is something that is scripted.
type event struct {
	at time.Duration
	do func(context.Context, *graph.Graph)
}

func (p *play) events() []event {
	var events []event
	for _, m := range p.file.Messages {
		events = append(events, event{m.At.Std() + messageStep, func(context.Context, *graph.Graph) {
			p.model(m.Session).say(pipeline.Message{Type: m.Type, Data: m.Data})
		}})
	}
	for _, o := range p.file.Outages {
		events = append(events,
			event{o.At.Std(), func(context.Context, *graph.Graph) { p.model(o.Session).setDown(true) }},
			event{o.At.Std() + o.For.Std(), func(ctx context.Context, g *graph.Graph) {
				p.model(o.Session).setDown(false)
				if err := g.SessionReady(ctx, o.Session); err != nil && ctx.Err() == nil {
					p.faults.note(o.Session, err.Error())
				}
			}})
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}

// follow follows the script. Where nothing but messages comes in, its end is that
// of the test.
func (p *play) follow(ctx context.Context, g *graph.Graph) {
	for _, e := range p.events() {
		if !wait(ctx, e.at-p.now()) {
			return
		}
		e.do(ctx, g)
	}
	onlyMessages := !slices.ContainsFunc(p.spec.Sources, func(s config.Source) bool { return !s.Type.Messages })
	if onlyMessages && wait(ctx, p.end-p.now()) {
		for _, m := range p.models {
			m.end()
		}
	}
}

func (p *play) model(name string) *model {
	i := slices.IndexFunc(p.models, func(m *model) bool { return m.spec.Name == name })
	if i < 0 {
		return nil
	}
	return p.models[i]
}

// session is [graph.Config].Session.
func (p *play) session(name string) pipeline.Session {
	if m := p.model(name); m != nil {
		return m
	}
	return nil
}

// adapted returns the pipeline with what the test puts in the place of its nodes.
func (p *play) adapted() *config.Spec {
	spec := *p.spec
	spec.Sources = slices.Clone(spec.Sources)
	spec.Stages = slices.Clone(spec.Stages)
	spec.Sinks = slices.Clone(spec.Sinks)
	for i := range spec.Sources {
		p.adaptSource(i, &spec.Sources[i])
	}
	for i := range spec.Stages {
		p.adaptStage(&spec.Stages[i])
	}
	for i := range spec.Sinks {
		p.adaptSink(&spec.Sinks[i])
	}
	return &spec
}

func (p *play) adaptSource(i int, s *config.Source) {
	if s.Type.Messages {
		return
	}
	own := s.Type.Build
	given, isGiven := p.file.Sources[s.Name]
	source := pictures{
		name: s.Name, play: p, live: true, after: given.After.Std(), most: given.Frames, delay: pictureStep + time.Duration(i)*step,
	}
	for _, o := range p.file.Outages {
		if o.Session == s.Session {
			source.outages = append(source.outages, o)
		}
	}
	s.Type.Build = func(env pipeline.Env, cfg any) (pipeline.Source, error) {
		var err error
		src := source
		switch {
		case given.File != "":
			src.from, err = p.openClip(env, given.File)
		case isGiven:
			src.from = newPlainPictures(given)
		default:
			src.from, err = own(env, cfg)
		}
		if err != nil {
			return nil, err
		}
		src.live = isGiven || src.from.Live()
		return &src, nil
	}
}

func (p *play) adaptStage(s *config.Stage) {
	own := s.Type.Build
	given := p.file.Stages[s.Name]
	takes := given.Takes.Std()
	if s.Async {
		takes = max(takes, step/10) // what it sees is found on a later frame, not on one by chance
	}
	results := p.results[s.Name]
	s.Type.Build = func(env pipeline.Env, cfg any) (_ pipeline.Stage, err error) {
		adapted := &stage{results: results, takes: takes, fails: given.Fails}
		switch {
		case given.Outside:
			env.Session = nil
			adapted.real, err = p.outside.newOutsider(func() (pipeline.Stage, error) { return own(env, cfg) })
		case results == nil:
			adapted.real, err = own(env, cfg)
		}
		return adapted, err
	}
}

// adaptSink leaves what uses a session as it is: the model is the test's.
func (p *play) adaptSink(s *config.Sink) {
	own, session := s.Type.Build, s.Type.Session
	s.Type.Build = func(env pipeline.Env, cfg any) (pipeline.Sink, error) {
		p.lasts = env.LastMessage
		if session {
			return own(env, cfg)
		}
		return taken{}, nil
	}
}

// look is told of every frame that a sink has taken.
func (p *play) look(sink string, f *pipeline.Frame, at time.Time) {
	w := write{seq: f.Seq, pts: f.PTS, that: make(map[int]verdict)}
	w.json, _ = f.JSON(at) // one that has no JSON carries nothing that is expected
	for i, expected := range p.file.Expect.Frames {
		if expected.Sink == sink && p.that[i] != nil && expected.concerns(w) {
			w.that[i] = p.ask(p.that[i], f, at)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes[sink] = append(p.writes[sink], w)
}

func (p *play) ask(program *expr.Program, f *pipeline.Frame, at time.Time) verdict {
	value, present, err := program.Eval(expr.Input{Frame: f, LastMessage: p.lasts, Now: at})
	return verdict{holds: err == nil && present && expr.Truth(value), absent: err == nil && !present, err: err}
}

// commands returns what sinks decided on, in its order.
func (p *play) commands() []pipeline.CommandRecord {
	var all []pipeline.CommandRecord
	place := make(map[string]int)
	for i, s := range p.spec.Sinks {
		place[s.Name] = i
	}
	for _, m := range p.models {
		records, _ := m.Commands(0)
		for _, r := range records {
			if r.Cause.Node != startNode {
				all = append(all, r)
			}
		}
	}
	for i := range all {
		all[i].Time = p.decided(all[i])
	}
	slices.SortStableFunc(all, func(a, b pipeline.CommandRecord) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(place[a.Cause.Node], place[b.Cause.Node]))
	})
	return all
}

// decided returns when a command was decided on: at the time stamp of the frame, or
// as a message came. A session knows when it got it.
func (p *play) decided(r pipeline.CommandRecord) time.Time {
	var frame struct {
		PTS       float64   `json:"pts_ms"`
		Type      string    `json:"type"`
		EmittedAt time.Time `json:"emitted_at"`
	}
	switch {
	case json.Unmarshal(r.Cause.Frame, &frame) != nil:
		return r.Time
	case frame.Type != "":
		return frame.EmittedAt
	}
	return p.zero.Add(time.Duration(frame.PTS * float64(time.Millisecond)))
}

// faults is a log handler that keeps what each node complained of first.
type faults struct {
	mu    sync.Mutex // guards said
	said  map[string]string
	node  string // of With
	owner *faults
}

var _ slog.Handler = (*faults)(nil)

func (f *faults) top() *faults {
	if f.owner != nil {
		return f.owner
	}
	return f
}

// Enabled says that only complaints are of interest.
func (f *faults) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle keeps a complaint of a node.
func (f *faults) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" || a.Key == "reason" {
			text += ": " + a.Value.String()
		}
		return true
	})
	f.top().note(f.node, text)
	return nil
}

// WithAttrs remembers the node.
func (f *faults) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &faults{owner: f.top(), node: f.node}
	for _, a := range attrs {
		if a.Key == "node" {
			with.node = a.Value.String()
		}
	}
	return with
}

// WithGroup changes nothing: groups have no nodes.
func (f *faults) WithGroup(string) slog.Handler { return f }

func (f *faults) note(node, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == nil {
		f.said = make(map[string]string)
	}
	if _, known := f.said[node]; !known {
		f.said[node] = text
	}
}

func (f *faults) first() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said
}
