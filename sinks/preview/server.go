package preview

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// server runs an http.Server in a goroutine of its own.
type server struct {
	http *http.Server
	log  *slog.Logger
	end  context.CancelFunc // of the requests' context

	once sync.Once
	wg   sync.WaitGroup
}

// serve takes over the listener.
func serve(listener net.Listener, log *slog.Logger, srv *http.Server) *server {
	ctx, cancel := context.WithCancel(context.Background())
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	srv.ReadHeaderTimeout = 5 * time.Second
	srv.IdleTimeout = time.Minute
	srv.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	s := &server{http: srv, log: log, end: cancel}
	s.wg.Go(func() {
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Warn("live page is gone", "err", err)
		}
	})
	return s
}

// closeGrace is how long viewers have to take what was being sent to them.
const closeGrace = 500 * time.Millisecond

// Close ends all requests and waits for their end. It is safe twice.
func (s *server) Close() error {
	var err error
	s.once.Do(func() {
		s.end()
		grace, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		if err = s.http.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
			err = s.http.Close()
		}
		s.wg.Wait()
	})
	return err
}
