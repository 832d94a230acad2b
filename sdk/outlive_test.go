package sdk

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
)

// A caller who goes while the request for a session is being written leaves none
// behind: the request is not completed.
func TestGivenUpAsTheRequestLeaves(t *testing.T) {
	srv := serve(t, answers{"POST /sessions": slim, "DELETE /sessions/s1": deleted})
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		context.AfterFunc(ctx, func() { close(gone) })
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { cancel(); <-gone }})
		_, err := Connect(traced, Config{Model: "m", Token: jwt, BaseURL: srv.URL})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	var made, ended int
	for _, r := range srv.asked() {
		switch {
		case strings.HasPrefix(r.Line, "DELETE "):
			ended++
		case r.Body != "": // headers alone make nothing
			made++
		}
	}
	if made != ended {
		t.Errorf("%d sessions made, %d ended: %q", made, ended, srv.lines())
	}
}

// What a server gets of a request that was given up in time is no request, over
// HTTP/1 and HTTP/2.
func TestRequestThatDoesNotLeave(t *testing.T) {
	for _, version := range []int{1, 2} {
		var mu sync.Mutex
		var whole int
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := r.Body.Read(make([]byte, 64)); err == nil {
				mu.Lock()
				defer mu.Unlock()
				whole++
			}
		}))
		srv.EnableHTTP2 = version == 2
		srv.StartTLS()
		t.Cleanup(srv.Close)
		ctx, cancel := context.WithCancel(t.Context())
		longer, leave, end := outlive(ctx, farewell)
		defer end()
		cancel()
		<-longer.Done() // the request is sent without that context: it is to ask
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		askLeave(req, []byte("{}"), leave)
		answer, err := srv.Client().Do(req)
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("HTTP/%d: %v", version, err)
		}
		srv.Close()
		if whole != 0 {
			t.Errorf("HTTP/%d: the server took it", version)
		}
	}
}
