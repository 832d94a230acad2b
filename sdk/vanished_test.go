package sdk_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// A server that dies takes the session along without a word. That is no orderly
// end.
func TestServerDies(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	if _, err := s.Command(within(t), "reset", nil); err != nil { // the server knows us now
		t.Fatal(err)
	}
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: http.StatusBadRequest, Body: `{"detail":"No session running"}`})
	srv.Drop()
	select {
	case <-s.Done():
	case <-within(t).Done():
		t.Fatal("not noticed")
	}
	if err := s.Err(); !errors.Is(err, sdk.ErrDisconnected) || errors.Is(err, sdk.ErrSessionEnded) {
		t.Errorf("got %v, want a loss", err)
	}
}
