package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"
)

// Session is a model session as sources, stages and sinks see it. While it
// reconnects, what needs it fails at once with ErrNotReady. It is safe for
// concurrent use.
type Session interface {
	// Command uploads each [Upload] among args, sends a command and waits for
	// what comes of it. A refusal, be it a reply or a broadcast, is an error that
	// wraps *Refused; it may also be *Throttled or *Suppressed.
	Command(ctx context.Context, name string, args map[string]any) (Reply, error)
	// Check compares a command with the model's live schema. A value that is
	// Computed is checked by name only. The error wraps ErrInvalid.
	Check(name string, args map[string]any) error
	// Upload sends a file that commands can then refer to.
	Upload(ctx context.Context, file File) (FileRef, error)
	// Schema returns the model's OpenAPI document.
	Schema(ctx context.Context) (json.RawMessage, error)
	// Messages yields what the model says from the call on, until ctx ends or
	// the session does. A reader that is too slow loses the oldest.
	Messages(ctx context.Context) iter.Seq[Message]
	// Publish begins to send a track into the model. ErrInvalid where the
	// model takes no such track.
	Publish(ctx context.Context, p Publish) (SampleWriter, error)
}

// Reply is the model's answer to a command; the zero value is a bare
// acknowledgement.
type Reply struct {
	Type string
	Data map[string]any
}

// Refused is the model's refusal of a command.
type Refused struct {
	Command string
	Code    string // "invalid_command", "command_error", or the model's own
	Reason  string
}

// Error returns command, reason and code.
func (r *Refused) Error() string {
	return "command " + r.Command + " refused (" + r.Code + "): " + r.Reason
}

// Throttled answers who sends commands faster than the session allows; nothing
// was sent. It matches [ErrNotReady].
type Throttled struct {
	// After is when there is room for another.
	After time.Duration
}

// Error says when.
func (t *Throttled) Error() string {
	return "too many commands, again in " + t.After.Round(time.Millisecond).String()
}

// Is says that err is [ErrNotReady].
func (t *Throttled) Is(err error) bool { return err == ErrNotReady }

// Suppressed answers who sends a command that is held back, for it is part of a
// circle: it caused another, which caused it.
type Suppressed struct {
	Command string
	Reason  string
}

// Error returns command and reason.
func (s *Suppressed) Error() string { return "command " + s.Command + " held back: " + s.Reason }

// Computed stands in a command's arguments for a value that is not known yet.
type Computed struct{}

// Upload stands in a command's arguments for a file: [Session].Command uploads it
// and sends a reference to it. Nobody changes it.
type Upload struct {
	// Name of the file; that of Path if empty.
	Name string
	// MIMEType is found out by name and content if empty.
	MIMEType string
	// Path of a file that is read when the command is sent. Without one Content
	// is what is uploaded.
	Path    string
	Content []byte
}

// MostUpload is the largest file that an [Upload] reads, in bytes.
const MostUpload = 256 << 20

// Read returns what is to be uploaded.
func (u Upload) Read() ([]byte, error) {
	if u.Path == "" {
		return u.Content, nil
	}
	f, err := os.Open(u.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, MostUpload+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) == 0:
		return nil, fmt.Errorf("%s: is empty", u.Path)
	case len(content) > MostUpload:
		return nil, fmt.Errorf("%s: is larger than %d MiB", u.Path, MostUpload>>20)
	}
	return content, nil
}

func (u Upload) name() string {
	if u.Name == "" && u.Path != "" {
		return filepath.Base(u.Path)
	}
	return u.Name
}

// MarshalJSON tells of a file that was not uploaded, for the ledger.
func (u Upload) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name string `json:"name,omitempty"`
		Path string `json:"path,omitempty"`
		Size int    `json:"size,omitempty"`
	}{u.name(), u.Path, len(u.Content)})
}

// File is something to upload.
type File struct {
	Name string
	// MIMEType is found out by name if empty.
	MIMEType string
	Size     int64 // in bytes
	Content  io.Reader
}

// FileRef refers to an uploaded file in a command's arguments.
type FileRef struct {
	UploadID string `json:"upload_id"`
	Name     string `json:"name"`
	MIMEType string `json:"mime_type"`
	Size     int64  `json:"size"`
}

// Publish asks to send a track.
type Publish struct {
	Track string
	// Codec to send ("vp8", "vp9", "h264"); "" leaves the choice to the answer.
	Codec string
	// OnKeyframe, if set, is called when the model needs a keyframe.
	OnKeyframe func()
	// OnBitrate, if set, is called with the rate in bit/s that the connection
	// can carry, when that changes.
	OnBitrate func(bps int)
}

// SampleWriter sends the access units of one published track.
type SampleWriter interface {
	// Codec returns what must be written.
	Codec() string
	// WriteSample sends one access unit, paced. ErrNotReady while the session
	// reconnects; the track goes on by itself after that, with a keyframe.
	WriteSample(s Sample) error
	// Close ends the publication.
	Close() error
}

// Sample is one access unit to be sent.
type Sample struct {
	Data []byte
	PTS  time.Duration
	// CaptureTime and UserData go into the frame metadata trailer where the
	// model understands it.
	CaptureTime time.Duration
	UserData    []byte
}

// Use is what a node wants of its session, by name.
type Use struct {
	Receives  []string // tracks of video that the model sends
	Publishes []string // tracks of video that the model takes
	Commands  []string
	Messages  []string
	// ReceivesAudio and PublishesAudio are those of audio.
	ReceivesAudio, PublishesAudio []string
}

// UseDeclarer is a configuration that says what its node wants of the session.
// A simulator then offers that.
type UseDeclarer interface {
	SessionUse() Use
}
