package sdk_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// TestReconnect cuts a connection dead: nothing but silence tells.
func TestReconnect(t *testing.T) {
	t.Parallel()
	m, published := watching(lamp())
	srv := sessiontest.New(t, m)
	s := connect(t, srv, sdk.Config{})
	tr := track(t, s, "main_video")
	events := pulled(t, s.Events(within(t)))
	if p := read(t, tr); p.Epoch != 1 {
		t.Errorf("epoch %d", p.Epoch)
	}
	pub, err := track(t, s, "source").Publish(within(t), sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, pub, sdk.Sample{Data: sessiontest.VP8Clip().Frames[0]})
	<-published

	srv.Drop()
	if e := await(t, events, ofType(sdk.EventLost)); !errors.Is(e.Err, sdk.ErrDisconnected) {
		t.Errorf("lost: %v", e.Err)
	}
	if e := await(t, events, ofType(sdk.EventReconnected)); e.Attempts == 0 || e.Outage <= 0 {
		t.Errorf("%+v", e)
	}
	for p := read(t, tr); p.Epoch != 2; {
		p = read(t, tr)
	}
	select {
	case <-pub.KeyframeRequests():
	case <-time.After(patience):
		t.Fatal("no request for a keyframe after the reconnect")
	}
	write(t, pub, sdk.Sample{Data: sessiontest.VP8Clip().Frames[0], PTS: time.Second})
	select {
	case <-published:
	case <-time.After(patience):
		t.Fatal("the track was not published again")
	}
	if _, err := s.Command(within(t), "reset", nil); err != nil {
		t.Error(err)
	}
}

// usurped is a session that lost its connection, and with it its track to a
// guest.
func usurped(t *testing.T) (host, guest *sdk.Session, held *sdk.Publication, events func() (sdk.Event, bool)) {
	t.Helper()
	srv := sessiontest.New(t, lamp())
	host = connect(t, srv, sdk.Config{})
	events = pulled(t, host.Events(within(t)))
	held, err := track(t, host, "source").Publish(within(t), sdk.PublishConfig{Codec: "vp8"})
	if err != nil {
		t.Fatal(err)
	}
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 503})
	srv.Drop()
	await(t, events, ofType(sdk.EventLost))
	guest = connect(t, srv, sdk.Config{Local: true, SessionID: host.ID()})
	eventually(t, "the guest has the track", func() bool {
		_, err := track(t, guest, "source").Publish(within(t), sdk.PublishConfig{})
		return err == nil
	})
	srv.Heal(sessiontest.RouteReoffer)
	await(t, events, ofType(sdk.EventReconnected))
	return host, guest, held, events
}

// TestPublicationIsRestoredLate: however long a track is held by another, it is
// published again when that lets go.
func TestPublicationIsRestoredLate(t *testing.T) {
	t.Parallel()
	_, guest, pub, events := usurped(t)
	if e := await(t, events, ofType(sdk.EventError)); !errors.Is(e.Err, sdk.ErrRefused) {
		t.Errorf("got %v", e.Err)
	}
	if err := pub.WriteSample(sdk.Sample{Data: []byte{0}}); !errors.Is(err, sdk.ErrNotReady) {
		t.Errorf("write while it is held: %v", err)
	}
	if err := guest.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-pub.KeyframeRequests():
	case <-time.After(patience):
		t.Fatal("not published again")
	}
	write(t, pub, sdk.Sample{Data: sessiontest.VP8Clip().Frames[0]})
}

// TestPublicationClosedWhileRestored: it does not come back, and the track is
// free for the next one.
func TestPublicationClosedWhileRestored(t *testing.T) {
	t.Parallel()
	host, guest, pub, events := usurped(t)
	await(t, events, ofType(sdk.EventError))
	if err := pub.Close(); err != nil {
		t.Fatal(err)
	}
	if err := guest.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	var next *sdk.Publication
	eventually(t, "the track is free", func() (ok bool) {
		var err error
		next, err = track(t, host, "source").Publish(within(t), sdk.PublishConfig{Codec: "vp8"})
		return err == nil
	})
	write(t, next, sdk.Sample{Data: sessiontest.VP8Clip().Frames[0]})
}

// TestNotReadyWhileReconnecting looks at the calls in between, and at an answer
// that comes too late for one.
func TestNotReadyWhileReconnecting(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	events := pulled(t, s.Events(within(t)))
	pub, err := track(t, s, "source").Publish(within(t), sdk.PublishConfig{})
	if err != nil {
		t.Fatal(err)
	}
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 503, RetryAfter: "0.2"})
	srv.Drop()
	if _, err := s.Command(within(t), "reset", nil); !errors.Is(err, sdk.ErrDisconnected) {
		t.Errorf("the command in flight: %v", err)
	}
	await(t, events, ofType(sdk.EventLost))
	const want = "command reset: [INVALID_STATE] session is reconnecting, not ready"
	if _, err := s.Command(within(t), "reset", nil); message(err) != want || !errors.Is(err, sdk.ErrNotReady) {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := pub.WriteSample(sdk.Sample{Data: []byte{0}}); !errors.Is(err, sdk.ErrNotReady) {
		t.Errorf("write: %v", err)
	}
	srv.Heal(sessiontest.RouteReoffer)
	await(t, events, ofType(sdk.EventReconnected))
}

func TestLostBeyondTheWindow(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{ReconnectWindow: time.Second})
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 500, Body: "sorry"})
	srv.Drop()
	<-s.Done()
	if err := s.Err(); !errors.Is(err, sdk.ErrDisconnected) ||
		!strings.HasPrefix(err.Error(), "reconnect: [DISCONNECTED] connection lost (") ||
		!strings.HasSuffix(err.Error(), ") and not restored within 1s: reconnect: [SERVER_ERROR] unexpected HTTP status 500 from sdp offer: sorry") {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := srv.Sessions(); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

func TestNoReconnectWhenRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status       int
		detail, want string
	}{
		{409, "connection 7 belongs to another transport", "reconnect: [CONFLICT] unexpected HTTP status 409 from sdp offer: connection 7 belongs to another transport"},
		{422, "sdp_offer: not understood", "reconnect: [BAD_REQUEST] unexpected HTTP status 422 from sdp offer: sdp_offer: not understood"},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.status), func(t *testing.T) {
			t.Parallel()
			srv := sessiontest.New(t, lamp())
			s := connect(t, srv, sdk.Config{})
			srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: tt.status, Body: `{"detail": "` + tt.detail + `"}`})
			srv.Drop()
			<-s.Done()
			if message(s.Err()) != tt.want {
				t.Errorf("got %v, want %s", s.Err(), tt.want)
			}
		})
	}
}

func TestCloseWhileReconnecting(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s := connect(t, srv, sdk.Config{})
	events := pulled(t, s.Events(within(t)))
	srv.Fail(sessiontest.RouteReoffer, sessiontest.Fault{Status: 503})
	srv.Drop()
	await(t, events, ofType(sdk.EventLost))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !errors.Is(s.Err(), sdk.ErrClosed) || srv.Sessions() != 0 {
		t.Errorf("%v, %d sessions left", s.Err(), srv.Sessions())
	}
}
