package sdk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// UploadInfo describes a file to upload.
type UploadInfo struct {
	Name     string // default: "upload"
	MIMEType string // default: by the name's extension, or application/octet-stream
	// Size in bytes. 0 means unknown: the file is then read into memory first,
	// at most 256 MiB.
	Size int64
	// Progress, if set, is called as the bytes leave, from another goroutine, with
	// how many did, of how many.
	Progress func(sent, total int64)
}

// Bounds of an upload.
const (
	maxBuffered   = 256 << 20
	uploadTimeout = 10 * time.Minute
)

// Upload sends a file and returns the reference that commands take. It reads
// exactly Size bytes of r.
func (s *Session) Upload(ctx context.Context, r io.Reader, info UploadInfo) (FileRef, error) {
	const op = "upload"
	c, err := s.ready(op)
	if err != nil {
		return FileRef{}, err
	}
	r, info, err = info.complete(r)
	if err != nil {
		return FileRef{}, gpuErrorf(CodeInvalidState, op, "%v", err)
	}
	slot, err := s.api.reserve(ctx, s.id, info)
	if err != nil {
		return FileRef{}, err
	}
	if err := s.api.put(ctx, slot.URL, r, info); err != nil {
		return FileRef{}, err
	}
	ref := FileRef{UploadID: slot.ID, Name: info.Name, MIMEType: info.MIMEType, Size: info.Size}
	// The notice only wakes models that want to know; commands carry the reference.
	_ = c.write(op, &wire.ControlClientMessage{
		Kind: wire.MessageKind_MESSAGE_KIND_NOTIFICATION,
		Payload: &wire.ControlClientMessage_FileUploaded{FileUploaded: &wire.FileUploaded{
			UploadId: ref.UploadID, Name: ref.Name, MimeType: ref.MIMEType, Size: ref.Size,
		}},
	})
	return ref, nil
}

// uploadSlot is where an upload goes and how commands refer to it.
type uploadSlot struct {
	ID  string `json:"presigned_id"`
	URL string `json:"presigned_url"`
}

// reserve asks a session for room for a file.
func (a *api) reserve(ctx context.Context, session string, info UploadInfo) (uploadSlot, error) {
	body := struct {
		Name     string `json:"name"`
		Size     int64  `json:"size"`
		MIMEType string `json:"mime_type"`
	}{info.Name, info.Size, info.MIMEType}
	var slot uploadSlot
	_, err := a.do(ctx, exchange{
		op: "upload", hop: "create upload", method: http.MethodPost,
		path: "/sessions/" + url.PathEscape(session) + "/uploads", body: body, out: &slot,
	})
	if err == nil && slot.ID == "" {
		err = &Error{Code: CodeDecode, Component: componentAPI, Operation: "upload", Message: "create upload: the answer holds no upload id"}
	}
	return slot, err
}

// UploadFile uploads the file at a path, under its own name unless info has one.
func (s *Session) UploadFile(ctx context.Context, name string, info UploadInfo) (FileRef, error) {
	const op = "upload"
	f, err := os.Open(name)
	if err != nil {
		return FileRef{}, fmt.Errorf("%s: %w", op, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return FileRef{}, fmt.Errorf("%s: %w", op, err)
	}
	if st.Mode().IsRegular() {
		if info.Size = st.Size(); info.Size == 0 {
			return FileRef{}, gpuErrorf(CodeInvalidState, op, "the file is empty")
		}
	}
	info.Name = cmp.Or(info.Name, filepath.Base(name))
	return s.Upload(ctx, f, info)
}

// progress tells how much of an upload was read by the connection.
type progress struct {
	io.Reader
	info UploadInfo
	sent int64
}

// Read implements io.Reader.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.sent += int64(n)
		p.info.Progress(p.sent, p.info.Size)
	}
	return n, err
}

// complete fills in what is missing; for an unknown size it reads the file.
func (i UploadInfo) complete(r io.Reader) (io.Reader, UploadInfo, error) {
	i.Name = path.Base(i.Name)
	if i.Name == "." || i.Name == "/" {
		i.Name = "upload"
	}
	if i.MIMEType == "" {
		i.MIMEType = mime.TypeByExtension(path.Ext(i.Name))
	}
	if i.MIMEType == "" {
		i.MIMEType = "application/octet-stream"
	}
	if i.Size < 0 {
		return nil, i, fmt.Errorf("size: must not be negative, got %d", i.Size)
	}
	if i.Size > 0 {
		return io.LimitReader(r, i.Size), i, nil
	}
	b, err := io.ReadAll(io.LimitReader(r, maxBuffered+1))
	switch {
	case err != nil:
		return nil, i, fmt.Errorf("read file: %w", err)
	case len(b) == 0:
		return nil, i, errors.New("the file is empty")
	case len(b) > maxBuffered:
		return nil, i, fmt.Errorf("size: must be given for files over %d bytes", maxBuffered)
	}
	i.Size = int64(len(b))
	return bytes.NewReader(b), i, nil
}

// put sends the bytes where the server said. The address is signed: it gets no
// credentials, and stays out of errors.
func (a *api) put(ctx context.Context, to string, r io.Reader, info UploadInfo) error {
	ctx, cancel := context.WithTimeout(ctx, uploadTimeout)
	defer cancel()
	x := exchange{op: "upload", hop: "upload of the file"}
	target, err := a.uploadURL(to)
	if err != nil {
		return &Error{Code: CodeDecode, Component: componentAPI, Operation: x.op, Message: "create upload: the answer's address is not a URL"}
	}
	if info.Progress != nil {
		r = &progress{Reader: r, info: info}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, io.NopCloser(r))
	if err != nil {
		return &Error{Code: CodeDecode, Component: componentAPI, Operation: x.op, Message: "create upload: the answer's address is not a URL"}
	}
	x.at = origin(req.URL)
	req.ContentLength = info.Size
	req.Header.Set("Content-Type", info.MIMEType)
	resp, err := a.http.Do(req)
	if err != nil {
		return a.transportError(ctx, x, err)
	}
	defer drain(resp.Body)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return a.statusError(x, resp)
	}
	return nil
}

// uploadURL is where to send to. A local runtime writes the host by which it was
// asked, which a proxy may have changed: it is reached as we reach it.
func (a *api) uploadURL(to string) (string, error) {
	base, err := url.Parse(a.base)
	if err != nil {
		return "", err
	}
	if a.local {
		u, err := url.Parse(to)
		if err != nil {
			return "", err
		}
		u.Scheme, u.Host = base.Scheme, base.Host
		to = u.String()
	}
	u, err := webURL(to, base)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}
