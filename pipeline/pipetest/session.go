package pipetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Session is a pipeline.Session that remembers what is asked of it and answers
// by a script. The zero value is ready, acknowledges every command and takes
// every track.
type Session struct {
	// Reply, if set, answers commands. It may block, and may return an error
	// that wraps *pipeline.Refused.
	Reply func(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error)
	// Objection, if set, is what Check answers.
	Objection func(name string, args map[string]any) error
	// Document is what Schema returns.
	Document json.RawMessage
	// Codec of published tracks that leave the choice open; "vp8" where "".
	Codec string
	// NoTrack, if set, is what Publish answers.
	NoTrack error

	messages pipeline.MessageTopic

	mu       sync.Mutex // guards what follows
	down     bool
	commands []Command
	uploads  []Upload
	tracks   []*Track
}

var _ pipeline.Session = (*Session)(nil)

// Command is one that was sent.
type Command struct {
	Name  string
	Args  map[string]any
	Cause pipeline.Cause
}

// Upload is one that was made.
type Upload struct {
	pipeline.FileRef
	Content []byte
}

// SetReady says whether the session is up. While it is not, commands, uploads
// and samples fail with ErrNotReady.
func (s *Session) SetReady(up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = !up
}

func (s *Session) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return pipeline.ErrNotReady
	}
	return nil
}

// Command records the command and answers it.
func (s *Session) Command(ctx context.Context, name string, args map[string]any) (pipeline.Reply, error) {
	if err := s.ready(); err != nil {
		return pipeline.Reply{}, err
	}
	s.mu.Lock()
	s.commands = append(s.commands, Command{name, args, pipeline.CauseOf(ctx)})
	s.mu.Unlock()
	if s.Reply == nil {
		return pipeline.Reply{}, ctx.Err()
	}
	return s.Reply(ctx, name, args)
}

// Commands returns what was sent so far.
func (s *Session) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// Check answers as Objection does.
func (s *Session) Check(name string, args map[string]any) error {
	if s.Objection == nil {
		return nil
	}
	return s.Objection(name, args)
}

// Upload reads the file.
func (s *Session) Upload(_ context.Context, file pipeline.File) (pipeline.FileRef, error) {
	if err := s.ready(); err != nil {
		return pipeline.FileRef{}, err
	}
	content, err := io.ReadAll(file.Content)
	if err != nil {
		return pipeline.FileRef{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ref := pipeline.FileRef{
		UploadID: fmt.Sprintf("upload-%d", len(s.uploads)+1), Name: file.Name, MIMEType: file.MIMEType, Size: file.Size,
	}
	s.uploads = append(s.uploads, Upload{ref, content})
	return ref, nil
}

// Uploads returns what was uploaded so far.
func (s *Session) Uploads() []Upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.uploads)
}

// Schema returns Document.
func (s *Session) Schema(context.Context) (json.RawMessage, error) { return s.Document, s.ready() }

// Messages yields what Say says from now on.
func (s *Session) Messages(ctx context.Context) iter.Seq[pipeline.Message] {
	return s.messages.Subscribe(ctx)
}

// Say has the model say something. A reader that is too slow loses the oldest.
func (s *Session) Say(m pipeline.Message) { s.messages.Tell(m) }

// End ends the session: Messages ends, and everything else fails with
// ErrNotReady.
func (s *Session) End() {
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	s.messages.Close()
}

// Publish takes the track.
func (s *Session) Publish(_ context.Context, p pipeline.Publish) (pipeline.SampleWriter, error) {
	if err := s.ready(); err != nil {
		return nil, err
	}
	if s.NoTrack != nil {
		return nil, s.NoTrack
	}
	t := &Track{Publish: p, session: s}
	if t.Publish.Codec == "" {
		t.Publish.Codec = s.Codec
	}
	if t.Publish.Codec == "" {
		t.Publish.Codec = "vp8"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracks = append(s.tracks, t)
	return t, nil
}

// Tracks returns what was published so far, closed ones too.
func (s *Session) Tracks() []*Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tracks)
}

// Track is a published track, which remembers its samples.
type Track struct {
	// Publish is what was asked for, with the codec that was chosen.
	Publish pipeline.Publish
	session *Session

	mu      sync.Mutex // guards what follows
	samples []pipeline.Sample
	closed  bool
}

var _ pipeline.SampleWriter = (*Track)(nil)

// Codec returns the codec that was chosen.
func (t *Track) Codec() string { return t.Publish.Codec }

// WriteSample remembers a copy of the sample.
func (t *Track) WriteSample(sample pipeline.Sample) error {
	if err := t.session.ready(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errors.New("pipetest: sample written to a track that is closed")
	}
	sample.Data = slices.Clone(sample.Data)
	sample.UserData = slices.Clone(sample.UserData)
	t.samples = append(t.samples, sample)
	return nil
}

// Close ends the track.
func (t *Track) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	return nil
}

// Samples returns what was written so far.
func (t *Track) Samples() []pipeline.Sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.samples)
}

// Closed says whether the track was closed.
func (t *Track) Closed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}
