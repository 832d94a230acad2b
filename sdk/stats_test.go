package sdk

import (
	"sync"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// TestStatsOfAClosingConnection: it may be asked while it is closed, as by the
// report that happens to be due then. The race detector is what looks.
func TestStatsOfAClosingConnection(t *testing.T) {
	t.Parallel()
	srv := sessiontest.New(t, lamp())
	s, err := Connect(t.Context(), Config{BaseURL: srv.URL(), Local: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.ready("test")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.stats(time.Now()).Pairs) == 0 {
		t.Error("no pair of candidates in a live connection")
	}
	var asking sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			for !isClosed(stop) {
				c.stats(time.Now())
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	close(stop)
	asking.Wait()
	if pairs := c.stats(time.Now()).Pairs; pairs != nil {
		t.Errorf("a closed connection has pairs: %v", pairs)
	}
}
