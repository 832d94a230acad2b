package session

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"sync"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// fileKey tells one file from another by name and content.
type fileKey [sha256.Size]byte

// uploads are the files that a life has, so that none is sent to it twice.
type uploads struct {
	mu   sync.Mutex // guards refs
	refs map[fileKey]pipeline.FileRef
}

// mostUploads bounds what is remembered: pictures cut out of frames are never
// the same again.
const mostUploads = 64

func (u *uploads) of(key fileKey) (pipeline.FileRef, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	ref, ok := u.refs[key]
	return ref, ok
}

func (u *uploads) note(key fileKey, ref pipeline.FileRef) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refs == nil || len(u.refs) >= mostUploads {
		u.refs = make(map[fileKey]pipeline.FileRef)
	}
	u.refs[key] = ref
}

// uploaded returns args with a reference in the place of each file that is to be
// uploaded, after it was.
func (l *life) uploaded(ctx context.Context, args map[string]any) (map[string]any, error) {
	if !toUpload(args) {
		return args, nil
	}
	return replace(args, func(v any) (any, error) {
		u, ok := v.(pipeline.Upload)
		if !ok {
			return v, nil
		}
		return l.uploadOnce(ctx, u)
	})
}

// toUpload says that something in args is to be uploaded.
func toUpload(args map[string]any) bool {
	found := false
	walk("", args, func(_ string, v any) {
		_, is := v.(pipeline.Upload)
		found = found || is
	})
	return found
}

func (l *life) uploadOnce(ctx context.Context, u pipeline.Upload) (pipeline.FileRef, error) {
	content, err := u.Read()
	if err != nil {
		return pipeline.FileRef{}, err
	}
	name := cmp.Or(u.Name, filepath.Base(u.Path))
	key := fileKey(sha256.Sum256(append([]byte(name+"\x00"), content...)))
	if ref, ok := l.uploads.of(key); ok {
		return ref, nil
	}
	ref, err := l.upload(ctx, pipeline.File{
		Name: name, MIMEType: cmp.Or(u.MIMEType, mimeType(name, content)),
		Size: int64(len(content)), Content: bytes.NewReader(content),
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return ref, fmt.Errorf("upload of %s is not done: %w", name, context.Cause(ctx))
	case err != nil:
		return ref, fmt.Errorf("upload of %s: %w", name, err)
	}
	l.uploads.note(key, ref)
	return ref, nil
}

func mimeType(name string, content []byte) string {
	return cmp.Or(mime.TypeByExtension(filepath.Ext(name)), http.DetectContentType(content))
}

// files keeps what was uploaded by hand, so that it can be uploaded to the next
// session, whose commands do not know the references of this one.
type files struct {
	wanted bool

	mu   sync.Mutex // guards what follows
	kept map[string]keptFile
	ids  []string // of those kept, the oldest first
	size int
}

type keptFile struct {
	name, mimeType string
	content        []byte
}

// mostKept bounds what is kept, in bytes; the oldest give way.
const mostKept = 64 << 20

func newFiles(wanted bool) *files {
	return &files{wanted: wanted, kept: make(map[string]keptFile)}
}

// recording returns file so that what is read of it is remembered. keep takes it
// in, once it was uploaded.
func (f *files) recording(file pipeline.File) (recorded pipeline.File, keep func(pipeline.FileRef)) {
	if !f.wanted || file.Size > mostKept {
		return file, func(pipeline.FileRef) {}
	}
	content := &bounded{most: mostKept}
	file.Content = io.TeeReader(file.Content, content)
	return file, func(ref pipeline.FileRef) {
		if !content.over {
			f.note(ref, content.Bytes())
		}
	}
}

// bounded remembers what is written to it, up to a bound.
type bounded struct {
	bytes.Buffer
	most int
	over bool
}

// Write implements io.Writer; it never fails.
func (b *bounded) Write(p []byte) (int, error) {
	if b.over = b.over || b.Len()+len(p) > b.most; b.over {
		b.Reset()
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

func (f *files) note(ref pipeline.FileRef, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept[ref.UploadID] = keptFile{ref.Name, ref.MIMEType, content}
	f.ids = append(f.ids, ref.UploadID)
	for f.size += len(content); f.size > mostKept; f.ids = f.ids[1:] {
		f.size -= len(f.kept[f.ids[0]].content)
		delete(f.kept, f.ids[0])
	}
}

// errForgotten is for a file that is not kept any more.
var errForgotten = errors.New("its file was uploaded to the session before and is not kept any more")

// again returns args with the files themselves in the place of references to the
// session before.
func (f *files) again(args map[string]any) (map[string]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := make(map[string]any, len(args))
	for name, v := range args {
		v, err := f.anew(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		m[name] = v
	}
	return m, nil
}

// anew is again for one value. mu is held.
func (f *files) anew(v any) (any, error) {
	switch v := v.(type) {
	case pipeline.FileRef:
		return f.file(v.UploadID)
	case map[string]any:
		if id, ok := v["upload_id"].(string); ok {
			return f.file(id)
		}
		m := make(map[string]any, len(v))
		for key, e := range v {
			e, err := f.anew(e)
			if err != nil {
				return nil, err
			}
			m[key] = e
		}
		return m, nil
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			e, err := f.anew(e)
			if err != nil {
				return nil, err
			}
			l[i] = e
		}
		return l, nil
	}
	return v, nil
}

func (f *files) file(id string) (any, error) {
	k, ok := f.kept[id]
	if !ok {
		return nil, errForgotten
	}
	return pipeline.Upload{Name: k.name, MIMEType: k.mimeType, Content: k.content}, nil
}
