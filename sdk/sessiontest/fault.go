package sessiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Fault is what a route does instead of its duty, or before it.
type Fault struct {
	// Status to answer with; 0 does the duty, after Delay.
	Status int `json:"status,omitempty"`
	// RetryAfter, in seconds, is the header of that name if it is not empty.
	RetryAfter string `json:"retry_after,omitempty"`
	// Headers of the answer, Location for example.
	Headers map[string]string `json:"headers,omitempty"`
	// Body of the answer; {"detail": "<status text>"} if empty.
	Body string `json:"body,omitempty"`
	// Size makes the answer that many bytes long, by blanks behind Body.
	Size int64 `json:"size,omitempty"`
	// Hang never answers: until the client gives up.
	Hang bool `json:"hang,omitempty"`
	// Cut closes the connection in the middle of the answer.
	Cut bool `json:"cut,omitempty"`
	// Delay before anything happens.
	Delay time.Duration `json:"delay,omitempty"`
	// Times is how many requests it hits; 0: all to come.
	Times int `json:"times,omitempty"`
}

func (f Fault) validate() error {
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: must be 200 to 599, got %d", f.Status)
	case f.Delay < 0 || f.Size < 0 || f.Times < 0:
		return fmt.Errorf("delay, size, times: must not be negative, got %v, %d, %d", f.Delay, f.Size, f.Times)
	}
	return nil
}

// next takes the fault that hits a request.
func (t *trouble) next(r Route) (Fault, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return takeFault(t.now.HTTP, r, func(Fault) bool { return true }, func(f *Fault) *int { return &f.Times })
}

// takeFault takes the first fault of a queue that applies, once less.
func takeFault[K comparable, F any](queues map[K][]F, of K, applies func(F) bool, times func(*F) *int) (f F, ok bool) {
	i := slices.IndexFunc(queues[of], applies)
	if i < 0 {
		return f, false
	}
	f = queues[of][i]
	switch left := times(&queues[of][i]); *left {
	case 0:
	case 1:
		queues[of] = slices.Delete(queues[of], i, i+1)
	default:
		*left--
	}
	return f, true
}

// hit does what a fault does to a request and says whether that was all.
func (f Fault) hit(w http.ResponseWriter, r *http.Request) bool {
	select {
	case <-time.After(f.Delay):
	case <-r.Context().Done():
		return true
	}
	if f.Hang {
		<-r.Context().Done()
		return true
	}
	if f.Status == 0 && !f.Cut {
		return false
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	for name, value := range f.Headers {
		w.Header().Set(name, value)
	}
	f.answer(w)
	return true
}

func (f Fault) answer(w http.ResponseWriter) {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch {
	case f.Cut:
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(f.Body))
		panic(http.ErrAbortHandler) // the way to cut off an answer
	case f.Body != "" || f.Size > 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(f.Body))
		pad(w, f.Size-int64(len(f.Body)))
	case status == http.StatusAccepted:
		w.WriteHeader(status)
	default:
		refuse(w, status, http.StatusText(status))
	}
}

// pad writes blanks until the client has enough.
func pad(w http.ResponseWriter, n int64) {
	blanks := bytes.Repeat([]byte{' '}, 1<<16)
	for n > 0 {
		written, err := w.Write(blanks[:min(n, int64(len(blanks)))])
		if err != nil {
			return
		}
		n -= int64(written)
	}
}

// MarshalJSON writes the delay as people do.
func (f Fault) MarshalJSON() ([]byte, error) {
	type plain Fault
	return json.Marshal(struct {
		plain
		Delay duration `json:"delay,omitempty"`
	}{plain(f), duration(f.Delay)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Fault) UnmarshalJSON(b []byte) error {
	type plain Fault
	v := struct {
		*plain
		Delay duration `json:"delay"`
	}{plain: (*plain)(f)}
	err := strictly(b, &v)
	f.Delay = time.Duration(v.Delay)
	return err
}
