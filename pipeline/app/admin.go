package app

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultAdmin is loopback: nobody else gets to see metrics without a token.
const defaultAdmin = "127.0.0.1:9090"

// admin is the port for those who watch the program and those who steer it:
// /healthz, /readyz, /metrics, the API under /v1, and /debug/pprof on loopback.
type admin struct {
	server *http.Server
	done   chan struct{}
}

// How long a client may take to ask, and to send what it uploads.
const (
	adminHeaderTimeout = 10 * time.Second
	adminReadTimeout   = 5 * time.Minute
)

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
		server: &http.Server{
			Handler:           guard(token, adminMux(adminRoutes(s, m, isLoopback(f.admin)))),
			ReadHeaderTimeout: adminHeaderTimeout, ReadTimeout: adminReadTimeout,
		},
		done: make(chan struct{}),
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
	return readToken("--admin-token-file", f.tokenFile)
}

// readToken reads the token that a flag names the file of.
func readToken(flag, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &configError{fmt.Errorf("%s: %w", flag, err)}
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", &configError{fmt.Errorf("%s: %s is empty", flag, path)}
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

// route is one page of the port. Its pattern is that of an [http.ServeMux].
type route struct {
	pattern string
	serve   http.HandlerFunc
}

func adminRoutes(s *supervisor, m *metrics, local bool) []route {
	routes := slices.Concat(probeRoutes(s), (&api{s}).routes())
	routes = append(routes, route{"GET /metrics", m.handler().ServeHTTP})
	if local {
		routes = append(routes,
			route{"/debug/pprof/", pprof.Index},
			route{"/debug/pprof/cmdline", pprof.Cmdline},
			route{"/debug/pprof/profile", pprof.Profile},
			route{"/debug/pprof/symbol", pprof.Symbol},
			route{"/debug/pprof/trace", pprof.Trace})
	}
	return routes
}

func adminMux(routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.pattern, r.serve)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { contents(w, routes) })
	return mux
}

// contents lists the port's routes, with a link to each that can be looked at.
func contents(w http.ResponseWriter, routes []route) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html>\n<title>reactorpipe: admin port</title>\n<ul>\n")
	for _, r := range routes {
		method, path, found := strings.Cut(r.pattern, " ")
		if !found {
			method, path = http.MethodGet, r.pattern
		}
		text := html.EscapeString(path)
		if method == http.MethodGet && !strings.Contains(path, "{") {
			text = fmt.Sprintf("<a href=%q>%s</a>", path, text)
		}
		fmt.Fprintf(w, "<li>%s %s</li>\n", method, text)
	}
	fmt.Fprint(w, "</ul>\n")
}

// guard asks for the token. Where there is none, on loopback, it refuses what
// comes by another name than this machine's: a page of somebody else whose name
// was made to lead here (DNS rebinding). What changes anything must not come
// from a page of another origin in either case.
func guard(token string, next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	if token == "" {
		return byOwnName(next)
	}
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "the admin token is missing or wrong")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func byOwnName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
		}
		if !isLoopback(host) {
			refuse(w, http.StatusForbidden, "without a token the admin port answers to localhost only, not to "+strconv.Quote(r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
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
