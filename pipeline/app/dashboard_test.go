package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// board is the dashboard of configs.
type board struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Name  string
			Query json.RawMessage
		}
	}
}

func readBoard(t *testing.T) board {
	t.Helper()
	text, err := os.ReadFile("../../configs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var b board
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// troubled is a pipeline in which everything goes wrong at times that a dashboard
// shows.
const troubled = `
name: p
session: {url: "URL", wait: 1s}
sources:
  cam: {track: main_video}
  vast: {track: main_video, max_pixels: 16}
stages:
- {name: moody, type: moody, from: cam}
- {name: deaf, type: deaf, deadline: 50ms}
- {name: soft, type: blur, when: "frame.seq % 2 == 0"}
- {name: beside, type: motion, rate: 5fps, async: true}
sinks:
- {name: nowhere, type: discard}
- {name: nobody, type: discard, from: vast}
- {name: steer, type: command, when: "frame.seq % 3 == 0", config: {command: set_brightness, data: {brightness: 1}}}
`

// runTroubled runs it. A stage hangs until the test ends.
func runTroubled(t *testing.T) (adminAt string) {
	t.Helper()
	release := make(chan struct{})
	reg := registry()
	kind := func(name string, process pipeline.StageFunc) {
		pipeline.RegisterStage(reg, pipeline.StageKind[struct{}]{
			Name: name, New: func(pipeline.Env, struct{}) (pipeline.Stage, error) { return process, nil },
		})
	}
	kind("deaf", func(context.Context, *pipeline.Frame) error { <-release; return nil })
	kind("moody", func(_ context.Context, f *pipeline.Frame) error {
		switch f.Seq % 5 {
		case 3:
			return errors.New("not in the mood")
		case 4:
			panic("in no mood at all")
		}
		return nil
	})
	srv := serve(t)
	if err := srv.SetTrouble(sessiontest.Trouble{Network: sessiontest.Network{Drop: 0.3, Seed: 1}}); err != nil {
		t.Fatal(err)
	}
	path := write(t, "p.yaml", strings.ReplaceAll(troubled, "URL", srv.URL()))
	v := invocation{registry: reg}
	v.start(t, "run", path, "--admin", "127.0.0.1:0")
	t.Cleanup(func() { close(release) })
	return adminURL(t, &v)
}

// prometheus scrapes the admin port, and answers queries. The test is skipped
// where there is none.
func prometheusOf(t *testing.T, adminAt string) (query func(expr string) (series int)) {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed: scripts/setup ci")
	}
	dir := t.TempDir()
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" +
		"scrape_configs: [{job_name: reactorpipe, static_configs: [{targets: [\"" + strings.TrimPrefix(adminAt, "http://") + "\"]}]}]\n"
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log screenshot
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, path, "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address=127.0.0.1:0")
	c.Stderr, c.Stdout = &log, &log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = c.Wait() })
	listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
	log.waitFor(t, "Server is ready to receive web requests")
	at := "http://" + listening.FindStringSubmatch(log.String())[1]
	return func(expr string) int {
		var answer struct {
			Status, Error string
			Data          struct{ Result []any }
		}
		_, text := ask(t, at+"/api/v1/query?query="+url.QueryEscape(expr))
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Status == "error" {
			t.Fatalf("%s: %v %s", expr, err, text)
		}
		return len(answer.Data.Result)
	}
}

// Every query of the dashboard, and what every alarm looks at, finds something in
// a real Prometheus that watches a real run.
func TestDashboardInPrometheus(t *testing.T) {
	t.Parallel()
	query := prometheusOf(t, runTroubled(t))
	fill := strings.NewReplacer("$__rate_interval", "5m", "$pipeline", "p|q", "$job", "reactorpipe|other")
	left := make(map[string]string) // expression by what shows it
	for _, p := range readBoard(t).Panels {
		for i, target := range p.Targets {
			left[fmt.Sprintf("panel %q, query %d", p.Title, i+1)] = fill.Replace(target.Expr)
		}
	}
	for _, v := range readBoard(t).Templating.List {
		metric := regexp.MustCompile(`label_values\((\w+), (\w+)\)`).FindSubmatch(v.Query)
		if metric != nil {
			left["variable "+v.Name] = fmt.Sprintf("group by (%s) (%s{%s!=\"\"})", metric[2], metric[1], metric[2])
		}
	}
	for _, expr := range alarms(t) {
		looked, _, _ := strings.Cut(strings.ReplaceAll(expr, "==", ">"), ">")
		left["alarm "+expr] = regexp.MustCompile(`\[\w+\]`).ReplaceAllString(looked, "[5m]")
	}
	if len(left) < 20 {
		t.Fatalf("only %d queries", len(left))
	}
	for what, expr := range left {
		eventually(t, func() bool { return query(expr) > 0 }, func() string { return what + " shows nothing: " + expr })
	}
}

// alarms are the queries that docs/operations.md would have somebody woken for.
func alarms(t *testing.T) (exprs []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?m)^\\| `([^`]*reactorpipe_[^`]* [=>]+ [0-9]+)`").FindAllStringSubmatch(string(text), -1) {
		exprs = append(exprs, found[1])
	}
	if len(exprs) < 4 {
		t.Fatalf("only %d alarms: %v", len(exprs), exprs)
	}
	return exprs
}
