package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
)

// model is a session with a model that follows a script.
type model struct {
	*pipeline.CommandLedger
	test *Test
	spec config.Session
	turn map[string]time.Duration // of the sinks

	messages pipeline.MessageTopic

	mu      sync.Mutex // guards what follows
	down    bool
	over    bool
	given   map[int]int // how often each reply was given
	uploads int
}

var (
	_ pipeline.Session = (*model)(nil)
	_ pipeline.Ledger  = (*model)(nil)
	_ pipeline.Noter   = (*model)(nil)
)

// mostCommands is how many commands a test keeps.
const mostCommands = 100_000

func newModel(t *Test, spec config.Session) *model {
	m := &model{
		CommandLedger: pipeline.NewLedger(mostCommands), test: t, spec: spec,
		turn: make(map[string]time.Duration), given: make(map[int]int),
	}
	for i, s := range t.spec.Sinks {
		m.turn[s.Name] = time.Duration(i) * turn
	}
	return m
}

func (m *model) ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down || m.over {
		return pipeline.ErrNotReady
	}
	return nil
}

// start sends the start commands of the session.
func (m *model) start(ctx context.Context) error {
	for _, c := range m.spec.Start {
		if err := m.startOne(ctx, c); err != nil {
			return fmt.Errorf("session %q: start: %w", m.spec.Name, err)
		}
	}
	return nil
}

func (m *model) startOne(ctx context.Context, c config.SessionCommand) error {
	data, _ := c.Data.Const()
	args, _ := data.(map[string]any)
	ctx, cancel := context.WithTimeout(ctx, m.spec.Wait)
	defer cancel()
	messages := m.Messages(ctx)
	if _, err := m.Command(pipeline.WithCause(ctx, pipeline.Cause{Node: startNode}), c.Command, args); err != nil {
		return err
	}
	if c.Wait == "" {
		return nil
	}
	for said := range messages {
		if said.Type == c.Wait {
			return nil
		}
	}
	return fmt.Errorf("the model did not say %q within %s", c.Wait, m.spec.Wait)
}

// startNode is what the ledger has for the node of a start command.
const startNode = "start"

// Command answers as the script says.
func (m *model) Command(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	begun := time.Now()
	record := pipeline.CommandRecord{Time: begun, Command: name, Args: args, Cause: pipeline.CauseOf(ctx)}
	reply, err := m.answer(ctx, name, args)
	if errors.Is(err, pipeline.ErrNotReady) {
		return reply, err
	}
	record.Settle(reply, err, time.Since(begun))
	if err != nil && ctx.Err() != nil {
		record.Reason = context.Cause(ctx).Error()
	}
	m.Note(record)
	return reply, err
}

func (m *model) answer(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	if !wait(ctx, m.turn[pipeline.CauseOf(ctx).Node]) { // of two at a time the order is that of the file
		return pipeline.Reply{}, ctx.Err()
	}
	if err := m.ready(); err != nil {
		return pipeline.Reply{}, err
	}
	if err := m.Check(name, args); err != nil {
		reason := strings.TrimPrefix(err.Error(), fmt.Sprintf("command %q: ", name)) // a refusal names its command
		return pipeline.Reply{}, &pipeline.Refused{Command: name, Code: "invalid_command", Reason: reason}
	}
	r := m.replyTo(name, args)
	if r.Lost {
		<-ctx.Done()
		return pipeline.Reply{}, ctx.Err()
	}
	if !wait(ctx, r.After.Std()) {
		return pipeline.Reply{}, ctx.Err()
	}
	if r.Says != "" {
		m.say(pipeline.Message{Type: r.Says})
	}
	if r.Refuse != "" {
		return pipeline.Reply{}, &pipeline.Refused{Command: name, Code: "command_error", Reason: r.Refuse}
	}
	return pipeline.Reply{Type: r.Type, Data: r.Reply}, nil
}

// replyTo returns the first reply of the script that fits.
func (m *model) replyTo(name string, args map[string]any) replyFile {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.test.file.Replies {
		if r.Session != m.spec.Name || r.Command != name || r.Times > 0 && m.given[i] == r.Times {
			continue
		}
		if _, fits := fit(anyMap(r.Data), plain(args), 0); r.Data == nil || fits {
			m.given[i]++
			return r
		}
	}
	return replyFile{}
}

func anyMap(m map[string]any) any { return m }

// Check compares a command with the schema, if the test has one.
func (m *model) Check(name string, args map[string]any) error {
	if m.test.schema == nil {
		return nil
	}
	return session.CheckCommand(m.test.schema, name, args)
}

// Upload takes the file and forgets it.
func (m *model) Upload(_ context.Context, file pipeline.File) (pipeline.FileRef, error) {
	if err := m.ready(); err != nil {
		return pipeline.FileRef{}, err
	}
	size, err := io.Copy(io.Discard, file.Content)
	if err != nil {
		return pipeline.FileRef{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uploads++
	return pipeline.FileRef{UploadID: fmt.Sprintf("upload-%d", m.uploads), Name: file.Name, MIMEType: file.MIMEType, Size: size}, nil
}

// Schema returns an empty document: Check knows the test's.
func (m *model) Schema(context.Context) (json.RawMessage, error) {
	return json.RawMessage("{}"), m.ready()
}

// Messages yields what say says from now on.
func (m *model) Messages(ctx context.Context) iter.Seq[pipeline.Message] {
	return m.messages.Subscribe(ctx)
}

// say has the model say something now.
func (m *model) say(said pipeline.Message) {
	said.At = time.Now()
	m.messages.Tell(said)
}

func (m *model) setDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// end ends the session.
func (m *model) end() {
	m.mu.Lock()
	m.over = true
	m.mu.Unlock()
	m.messages.Close()
}

// Publish takes any track and forgets what is sent.
func (m *model) Publish(_ context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	if err := m.ready(); err != nil {
		return nil, err
	}
	if p.Codec == "" {
		p.Codec = "vp8"
	}
	return &track{model: m, codec: p.Codec}, nil
}

// track is a published one.
type track struct {
	model *model
	codec string
}

func (t *track) Codec() string { return t.codec }

func (t *track) WriteSample(pipeline.Sample) error { return t.model.ready() }

func (t *track) Close() error { return nil }
