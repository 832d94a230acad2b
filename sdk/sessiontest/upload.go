package sessiontest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// errUnresolved says that the bytes of a file did not come in time.
var errUnresolved = errors.New("unresolved upload")

// upload is a reserved place for a file; here is closed when the bytes are there.
type upload struct {
	Upload
	size int64
	busy bool
	here chan struct{}
}

// newUploadID is 32 hex digits.
func newUploadID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// reserve files an upload, unless its id is taken.
func (x *session) reserve(u *upload) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.uploads[u.ID] != nil {
		return false
	}
	x.uploads[u.ID] = u
	return true
}

func (x *session) upload(id string) *upload {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.uploads[id]
}

// references are the ids of all files that a value refers to, at any depth.
func references(v any) []string {
	var ids []string
	switch v := v.(type) {
	case map[string]any:
		if id, ok := v["upload_id"].(string); ok {
			return []string{id}
		}
		for _, e := range v {
			ids = append(ids, references(e)...)
		}
	case []any:
		for _, e := range v {
			ids = append(ids, references(e)...)
		}
	}
	return ids
}

func (x *session) uploadsHere(ids []string) bool {
	for _, id := range ids {
		u := x.upload(id)
		if u == nil {
			return false
		}
		select {
		case <-u.here:
		default:
			return false
		}
	}
	return true
}

// awaitUploads waits for the bytes of all these files, as long as a command
// may. An id that nobody reserved is waited for all the same.
func (x *session) awaitUploads(ctx context.Context, ids []string) error {
	return x.awaitUploadsFor(ctx, ids, x.srv.cfg.UploadTimeout)
}

func (x *session) awaitUploadsFor(ctx context.Context, ids []string, longest time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !x.uploadsHere(ids) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errUnresolved
		}
	}
	return nil
}

// resolve puts the files in the places of the references to them.
func (x *session) resolve(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if id, ok := v["upload_id"].(string); ok {
			if u := x.upload(id); u != nil {
				return &u.Upload
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = x.resolve(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = x.resolve(e)
		}
		return out
	}
	return v
}

// resolveAll resolves each of a command's arguments.
func (x *session) resolveAll(args map[string]any) map[string]any {
	out := make(map[string]any, len(args))
	for name, v := range args {
		out[name] = x.resolve(v)
	}
	return out
}

// fileUploaded tells the model of a file, when it is here.
func (c *connection) fileUploaded(f *wire.FileUploaded) {
	x := c.session
	tell := x.srv.model.Uploaded
	if tell == nil {
		return
	}
	c.spawn(func() {
		if x.awaitUploads(c.ctx, []string{f.GetUploadId()}) != nil {
			return
		}
		x.post(func() { tell(&x.upload(f.GetUploadId()).Upload) })
	})
}
