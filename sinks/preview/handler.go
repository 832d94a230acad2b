package preview

import (
	"context"
	_ "embed" // the page
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

//go:embed page.html
var page []byte

const (
	// sendWithin bounds how long one picture or event may take to a viewer
	// before its connection is given up.
	sendWithin = 5 * time.Second
	// snapshotWithin bounds the wait for a picture when none are coming.
	snapshotWithin = 3 * time.Second
	// reportEvery is how often the page hears of what changed.
	reportEvery = 200 * time.Millisecond
	// boundary parts the pictures of a stream.
	boundary = "reactorpipe-frame"
)

// pages answers the viewers.
type pages struct {
	status *status
	live   *live
	clock  pipeline.Clock
}

func handler(status *status, live *live, clock pipeline.Clock) http.Handler {
	p := &pages{status: status, live: live, clock: clock}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("GET /stream.mjpg", p.stream)
	mux.HandleFunc("GET /snapshot.jpg", p.snapshot)
	mux.HandleFunc("GET /state.json", p.state)
	mux.HandleFunc("GET /events", p.events)
	return bounded(secured(mux))
}

// maxRequests bounds what is answered at a time: a page open in a browser is
// two requests that do not end.
const maxRequests = 128

func bounded(next http.Handler) http.Handler {
	var busy atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer busy.Add(-1)
		if busy.Add(1) > maxRequests {
			http.Error(w, "too many viewers", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secured keeps the page from loading, or being framed by, anything else.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self' data:; connect-src 'self'; "+
			"style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (p *pages) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page) // a viewer that went away is no trouble
}

// stream sends the newest picture, again and again, as fast as the viewer
// takes them.
func (p *pages) stream(w http.ResponseWriter, r *http.Request) {
	defer p.live.watch()()
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary="+boundary)
	out := http.NewResponseController(w)
	send := func(format string, args ...any) error {
		if err := out.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return err
		}
		return out.Flush()
	}
	if send("--%s\r\n", boundary) != nil {
		return
	}
	for {
		picture, changed := p.live.newest()
		// A browser shows a picture once it sees the boundary behind it.
		if picture != nil && send("Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n--%s\r\n", len(picture), picture, boundary) != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// snapshot sends the next picture.
func (p *pages) snapshot(w http.ResponseWriter, r *http.Request) {
	defer p.live.watch()()
	ctx, cancel := context.WithTimeout(r.Context(), snapshotWithin)
	defer cancel()
	picture, err := p.live.next(ctx)
	if err != nil {
		http.Error(w, "no picture is coming", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Length", strconv.Itoa(len(picture)))
	_, _ = w.Write(picture)
}

// state is everything the page knows, its commands included.
func (p *pages) state(w http.ResponseWriter, _ *http.Request) {
	commands, _ := p.status.commands(0)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		report
		Commands []pipeline.CommandRecord `json:"commands"`
	}{p.report(), commands})
}

func (p *pages) report() report { return p.status.report(p.clock.Now(), p.live.count()) }

// events tells what changes, as server-sent events: "state" five times a
// second, "commands" when there are new ones. An event's id is the number of
// commands so far, so that a page that comes back misses none.
func (p *pages) events(w http.ResponseWriter, r *http.Request) {
	seen, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // 0 for a new page
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for {
		commands, n := p.status.commands(seen)
		seen = n
		if out.SetWriteDeadline(time.Now().Add(sendWithin)) != nil {
			return
		}
		if len(commands) > 0 && event(w, "commands", seen, commands) != nil {
			return
		}
		if event(w, "state", seen, p.report()) != nil || out.Flush() != nil {
			return
		}
		select {
		case <-p.clock.After(reportEvery):
		case <-r.Context().Done():
			return
		}
	}
}

func event(w io.Writer, name string, id uint64, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\nid: %d\ndata: %s\n\n", name, id, data)
	return err
}
