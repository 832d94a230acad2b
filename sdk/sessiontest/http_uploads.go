package sessiontest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// maxUpload bounds a file, so that a test cannot fill the memory by mistake.
const maxUpload = 1 << 30

func (s *Server) reserveUpload(w http.ResponseWriter, r *http.Request, x *session) {
	var body struct {
		Name     *string `json:"name"`
		Size     *int64  `json:"size"`
		MIMEType *string `json:"mime_type"`
		ID       string  `json:"upload_id"`
	}
	if !decode(w, r, &body) {
		return
	}
	var faults []violation
	if body.Name == nil {
		faults = append(faults, missing("name"))
	}
	if body.Size == nil {
		faults = append(faults, missing("size"))
	}
	if body.MIMEType == nil {
		faults = append(faults, missing("mime_type"))
	}
	switch {
	case len(faults) > 0:
		violate(w, faults...)
		return
	case *body.Name == "":
		refuse(w, http.StatusBadRequest, "name is required")
		return
	case *body.MIMEType == "":
		refuse(w, http.StatusBadRequest, "mime_type is required")
		return
	case *body.Size <= 0:
		refuse(w, http.StatusBadRequest, "size must be > 0")
		return
	}
	if body.ID == "" {
		body.ID = newUploadID()
	}
	u := &upload{Upload: Upload{ID: body.ID, Name: *body.Name, MIMEType: *body.MIMEType}, size: *body.Size, here: make(chan struct{})}
	if !x.reserve(u) {
		refuse(w, http.StatusConflict, "Upload id already reserved")
		return
	}
	answer(w, http.StatusCreated, object{
		"presigned_id":  u.ID,
		"presigned_url": fmt.Sprintf("http://%s/uploads/%s", r.Host, u.ID),
		"path":          fmt.Sprintf("sessions/%s/uploads/%s/%s", x.id, u.ID, u.Name),
	})
}

// putUpload takes the bytes of a file. Nobody's credentials are needed.
func (s *Server) putUpload(w http.ResponseWriter, r *http.Request) {
	x, u := s.findUpload(r.PathValue("upload"))
	if u == nil {
		refuse(w, http.StatusNotFound, "Upload not found")
		return
	}
	x.mu.Lock()
	taken := u.busy
	u.busy = true
	x.mu.Unlock()
	if taken {
		refuse(w, http.StatusConflict, "Upload already completed")
		return
	}
	if detail := u.read(r.Body); detail != "" {
		x.mu.Lock()
		u.busy = false
		x.mu.Unlock()
		refuse(w, http.StatusBadRequest, detail)
		return
	}
	close(u.here)
	w.WriteHeader(http.StatusOK)
}

// read takes exactly the announced number of bytes, or says what came instead.
func (u *upload) read(r io.Reader) string {
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, min(u.size, maxUpload)+1))
	switch {
	case n > u.size:
		return fmt.Sprintf("expected %d bytes, got more", u.size)
	case err != nil || n < u.size:
		return fmt.Sprintf("expected %d bytes, got %d", u.size, n)
	}
	u.Data = b.Bytes()
	return ""
}

func (s *Server) findUpload(id string) (*session, *upload) {
	for _, x := range s.live() {
		if u := x.upload(id); u != nil {
			return x, u
		}
	}
	return nil, nil
}
