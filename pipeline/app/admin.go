package app

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// defaultAdmin is loopback: nobody else gets to see metrics without a token.
const defaultAdmin = "127.0.0.1:9090"

// admin is the port for those who watch the program: /healthz, /readyz,
// /metrics, and /debug/pprof on loopback.
type admin struct {
	server *http.Server
	done   chan struct{}
}

// adminReadTimeout bounds how long a client may take to ask.
const adminReadTimeout = 10 * time.Second

func startAdmin(f runFlags, s *supervisor, m *metrics, log *slog.Logger) (*admin, error) {
	if f.admin == "off" {
		return nil, nil
	}
	if _, _, err := net.SplitHostPort(f.admin); err != nil {
		return nil, &usageError{fmt.Errorf("--admin: must be host:port or off, got %q", f.admin)}
	}
	token, err := adminToken(f)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", f.admin)
	if err != nil {
		return nil, fmt.Errorf("admin port: %w (choose another with --admin, or --admin off)", err)
	}
	a := &admin{
		server: &http.Server{Handler: guard(token, adminRoutes(s, m, isLoopback(f.admin))), ReadHeaderTimeout: adminReadTimeout},
		done:   make(chan struct{}),
	}
	go func() {
		defer close(a.done)
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("admin port ended", "err", err)
		}
	}()
	log.Info("admin port ready", "url", "http://"+listener.Addr().String()+"/readyz")
	return a, nil
}

func adminToken(f runFlags) (string, error) {
	if f.tokenFile == "" {
		if !isLoopback(f.admin) {
			return "", &usageError{fmt.Errorf("--admin %s: beyond loopback the admin port needs --admin-token-file", f.admin)}
		}
		return "", nil
	}
	text, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", &configError{fmt.Errorf("--admin-token-file: %w", err)}
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", &configError{fmt.Errorf("--admin-token-file: %s is empty", f.tokenFile)}
	}
	return token, nil
}

// isLoopback says that only this machine can reach addr.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func adminRoutes(s *supervisor, m *metrics, local bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, health(s.lines())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, readiness(s.lines())) })
	mux.Handle("GET /metrics", m.handler())
	if local {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// guard asks for the token, if there is one.
func guard(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the admin token is missing or wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// report is the answer to a probe.
type report struct {
	OK        bool             `json:"ok"`
	Pipelines []pipelineReport `json:"pipelines"`
}

type pipelineReport struct {
	Name     string                `json:"name"`
	OK       bool                  `json:"ok"`
	Phase    phase                 `json:"phase"`
	Sessions map[string]sdk.Status `json:"sessions,omitempty"` // by name
	Media    mediaState            `json:"media,omitempty"`
	Error    string                `json:"error,omitempty"`
	Drift    string                `json:"drift,omitempty"`   // how the model differs since a reconnect
	Hanging  []string              `json:"hanging,omitempty"` // nodes whose call does not return
}

func answer(w http.ResponseWriter, r report) {
	w.Header().Set("Content-Type", "application/json")
	if !r.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // the client may be gone
}

// health says whether our own loops turn. A model's silence is no illness, and a
// pipeline that has failed is none of its neighbours.
func health(lines []*line) report {
	return collect(lines, func(p *pipelineReport) { p.OK = len(p.Hanging) == 0 })
}

// readiness says whether sessions are up and pictures can flow.
func readiness(lines []*line) report {
	return collect(lines, func(p *pipelineReport) {
		p.OK = p.Phase == phaseRunning && p.Media != mediaStalled && p.Drift == ""
		for _, status := range p.Sessions {
			p.OK = p.OK && status == sdk.StatusReady
		}
	})
}

func collect(lines []*line, judge func(*pipelineReport)) report {
	r := report{OK: true}
	for _, l := range lines {
		p := l.report()
		judge(&p)
		r.OK = r.OK && p.OK
		r.Pipelines = append(r.Pipelines, p)
	}
	return r
}

func (a *admin) close() error {
	if a == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := a.server.Shutdown(ctx)
	if err != nil {
		err = a.server.Close()
	}
	<-a.done
	return err
}
