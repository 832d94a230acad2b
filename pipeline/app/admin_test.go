package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// adminURL waits for the admin port of v and returns its address.
func adminURL(t *testing.T, v *invocation) string {
	t.Helper()
	return adminIn(t, &v.err)
}

// adminIn waits for the address in a log.
func adminIn(t *testing.T, log *screenshot) string {
	t.Helper()
	pattern := regexp.MustCompile(`msg="admin port ready" url=(http://\S+)/readyz`)
	var found []string
	eventually(t, func() bool {
		found = pattern.FindStringSubmatch(log.String())
		return found != nil
	}, func() string { return "no admin port in:\n" + log.String() })
	return found[1]
}

// ask returns the status and body of a page.
func ask(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// probe asks until the answer has a status and text.
func probe(t *testing.T, url string, status int, text string) {
	t.Helper()
	var code int
	var body string
	eventually(t, func() bool {
		code, body = ask(t, url)
		return code == status && strings.Contains(body, text)
	}, func() string { return url + " answers " + body })
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	var v invocation
	stop := v.start(t, "run", watch(t, srv.URL()), "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusOK, `"media":"playing"`)

	_, body := ask(t, url+"/readyz")
	var got report
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := report{OK: true, Pipelines: []pipelineReport{{
		Name: "p", OK: true, Phase: "running", Sessions: map[string]sdk.Status{"main": sdk.StatusReady}, Media: "playing",
	}}}
	if diff := cmp.Diff(got, want, cmpopts.IgnoreUnexported(pipelineReport{})); diff != "" {
		t.Error(diff)
	}
	if code, body := ask(t, url+"/healthz"); code != http.StatusOK || !strings.HasPrefix(body, `{"ok":true`) {
		t.Errorf("healthz: %d %s", code, body)
	}
	_, body = ask(t, url+"/metrics")
	for _, name := range []string{
		`reactorpipe_frames_in_total{node="cam",pipeline="p"}`, `reactorpipe_latency_seconds_count{node="nowhere",pipeline="p"}`,
		"reactorpipe_build_info", "go_goroutines", "process_cpu_seconds_total",
	} {
		if !strings.Contains(body, name) {
			t.Errorf("metrics: no %s", name)
		}
	}
	if code, _ := ask(t, url+"/debug/pprof/cmdline"); code != http.StatusOK {
		t.Errorf("pprof: %d", code)
	}
	if code, _ := ask(t, url+"/none"); code != http.StatusNotFound {
		t.Errorf("/none: %d", code)
	}

	// A model that falls silent is idle: neither broken nor unready.
	srv.Show(sessiontest.Stopped)
	probe(t, url+"/readyz", http.StatusOK, `"media":"idle"`)
	if code := stop(); code != exitDone {
		t.Errorf("exit %d:\n%s", code, v.err.String())
	}
}

// Before the session is up the program is healthy, but not ready.
func TestNotReady(t *testing.T) {
	t.Parallel()
	var v invocation
	v.start(t, "run", watch(t, "http://"+freePort(t)), "--admin", "127.0.0.1:0", "--set", "session.wait=60s")
	url := adminURL(t, &v)
	probe(t, url+"/readyz", http.StatusServiceUnavailable, `"phase":"starting"`)
	probe(t, url+"/healthz", http.StatusOK, `"sessions":{"main":"disconnected"}`)
	checkHealth(t, url, exitDone, "well\n")
}

// A stage whose call does not return is what health is for, until its pipeline
// is over.
func TestHangingStage(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	reg := registry()
	pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{
		Name: "stuck", New: func(pipeline.Env, struct{}) (pipeline.Stage, error) {
			return pipeline.StageFunc(func(context.Context, *pipeline.Frame) error { <-release; return nil }), nil
		},
	})
	path := write(t, "p.yaml", "name: p\nsources: {cam: {file: \""+clip(t)+"\", loop: true, realtime: true}}\n"+
		"stages: [{name: deaf, type: stuck, deadline: 50ms}]\nsinks: [{name: out, type: discard}]\n")
	v := invocation{registry: reg}
	v.start(t, "run", path, "--admin", "127.0.0.1:0")
	url := adminURL(t, &v)
	probe(t, url+"/healthz", http.StatusServiceUnavailable, `"hanging":["deaf"]`)
	checkHealth(t, url, exitFailed, "reactorpipe: the admin port answers 503 Service Unavailable\n")
	if status, answer := newClient(t, url).do(t, "POST /v1/pipelines/{pipeline}/stop", "/v1/pipelines/p/stop", ""); status != http.StatusOK {
		t.Fatalf("stop: %d %v", status, answer)
	}
	if code, body := ask(t, url+"/healthz"); code != http.StatusOK {
		t.Errorf("after the end: %d %s", code, body)
	}
}

// checkHealth asks as a container engine does.
func checkHealth(t *testing.T, url string, code int, want string) {
	t.Helper()
	var v invocation
	if got := v.main(t, "health", "--admin", strings.TrimPrefix(url, "http://")); got != code {
		t.Errorf("health: exit %d, want %d", got, code)
	}
	if diff := cmp.Diff(v.out.String()+v.err.String(), want); diff != "" {
		t.Errorf("health: %s", diff)
	}
}

// Beyond loopback nothing is told without the token, and nothing of the inside.
func TestAdminBeyondLoopback(t *testing.T) {
	t.Parallel()
	srv := serve(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var v invocation
	v.start(t, "run", watch(t, srv.URL()), "--admin", "0.0.0.0:0", "--admin-token-file", token)
	url := strings.Replace(adminURL(t, &v), "[::]", "127.0.0.1", 1)
	tests := []struct {
		page   string
		header []string
		want   int
	}{
		{"/", nil, http.StatusUnauthorized},
		{"/metrics", nil, http.StatusUnauthorized},
		{"/metrics", []string{"Authorization", "Bearer wrong"}, http.StatusUnauthorized},
		{"/metrics", []string{"Authorization", "Bearer secret"}, http.StatusOK},
		{"/healthz", nil, http.StatusUnauthorized},
		{"/healthz", []string{"Authorization", "Bearer secret"}, http.StatusOK},
		{"/debug/pprof/", []string{"Authorization", "Bearer secret"}, http.StatusNotFound},
	}
	if _, body := ask(t, url+"/", "Authorization", "Bearer secret"); !strings.Contains(body, `<li>GET <a href="/metrics">/metrics</a></li>`) ||
		!strings.Contains(body, "<li>PUT /v1/pipelines/{pipeline}</li>") {
		t.Errorf("the list of routes: %s", body)
	}
	for _, tt := range tests {
		if code, body := ask(t, url+tt.page, tt.header...); code != tt.want {
			t.Errorf("%s %q: %d %s, want %d", tt.page, tt.header, code, body, tt.want)
		}
	}
	for _, r := range adminRoutes(newSupervisor(nil, nil), newMetrics(), false) {
		method, page, _ := strings.Cut(r.pattern, " ")
		asked, err := http.NewRequestWithContext(t.Context(), method, url+strings.ReplaceAll(page, "{pipeline}", "p"), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		asked.Close = true
		answer, err := http.DefaultClient.Do(asked)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without the token: %d", r.pattern, answer.StatusCode)
		}
	}
	if strings.Contains(v.err.String(), "secret") {
		t.Error("the token is in the log")
	}
}
