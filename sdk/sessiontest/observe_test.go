package sessiontest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

// events reads the journal from the beginning, up to an event.
func events(t *testing.T, srv *sessiontest.Server, last string) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL()+"/events?since=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct {
			Event, From, To string
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Event+" "+e.From+" "+e.To)
		if e.Event == last {
			return all
		}
	}
	t.Fatalf("no %s in %v: %v", last, all, lines.Err())
	return nil
}

func TestJournal(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{})
	c.command("set_brightness", nil, nil)
	c.command("nope", nil, nil)
	c.send(&wire.ControlClientMessage{Kind: 3, Payload: &wire.ControlClientMessage_ClientStats{ClientStats: &wire.ClientStats{}}})
	events(t, srv, "metric")
	srv.EndSessions("that was all")
	want := []string{
		"initializing created created",
		"initialization_success created ready",
		"start_session ready waiting",
		"connection_answered waiting waiting",
		"connection_opened waiting streaming",
		"command streaming streaming",
		"error streaming streaming",
		"metric streaming streaming",
		"stop_session streaming closing",
		"cleanup_complete closing ready",
	}
	if diff := cmp.Diff(want, events(t, srv, "cleanup_complete")); diff != "" {
		t.Error(diff)
	}
	_, _, metrics := request(t, "GET", srv.URL()+"/metrics", "")
	for _, line := range []string{
		"# TYPE runtime_commands_total counter",
		`runtime_commands_total{command="set_brightness",outcome="accepted"} 1`,
		`runtime_commands_total{command="unknown",outcome="rejected"} 1`,
		`runtime_sessions_total{reason="stopped"} 1`,
		`runtime_session_state{state="ready"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no %s in\n%s", line, metrics)
		}
	}
}

func TestContract(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	var doc struct {
		Info  struct{ Title string }
		Paths map[string]map[string]any
	}
	want(t, 200, &doc, "GET", srv.URL()+"/openapi.json", "")
	if doc.Info.Title != "reactor-runtime" || doc.Paths["/start_session"]["post"] == nil || doc.Paths["/events"]["get"] == nil {
		t.Errorf("got %+v", doc)
	}
}

func TestCrash(t *testing.T) {
	srv := sessiontest.New(t, brightness())
	start(t, srv)
	c := connect(t, srv, clientConfig{})
	srv.Crash()
	c.wait(c.lost, "end of the connection")
	want(t, 503, nil, "GET", srv.URL()+"/health", "")
	_, _, body := request(t, "POST", srv.URL()+"/start_session", "{}")
	if body != `{"detail":"cannot start session while terminated: the model is terminated"}` {
		t.Error(body)
	}
	srv.Restart()
	start(t, srv)
}

func TestLoading(t *testing.T) {
	srv := sessiontest.NewConfig(t, sessiontest.Config{Model: brightness(), Loading: time.Hour})
	status, header, body := request(t, "POST", srv.URL()+"/start_session", "{}")
	if status != 503 || header.Get("Retry-After") != "1" || body != `{"detail":"cannot start session while created: the model is still loading"}` {
		t.Errorf("got %d %v %s", status, header, body)
	}
	_, _, schema := request(t, "GET", srv.URL()+"/schema", "")
	_, _, health := request(t, "GET", srv.URL()+"/health", "")
	if schema != "{}" || !strings.Contains(health, `"state":"loading"`) {
		t.Errorf("got %s, %s", schema, health)
	}
}
