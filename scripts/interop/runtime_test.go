package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// runtime is the published runtime, serving a model of this directory.
type runtime struct {
	*process
	url string
}

// serve starts the runtime on a free port and waits until its model is loaded.
func serve(t *testing.T, model string) *runtime {
	t.Helper()
	interpreter := python(t)
	needInterface(t)
	port := freePort(t)
	env := []string{
		"HOST=127.0.0.1",
		"PORT=" + port,
		"STUN_SERVERS=stun:127.0.0.1:9", // instead of a public one: nothing leaves the machine
		"PYTHONDONTWRITEBYTECODE=1",
		"PYTHONUNBUFFERED=1",
	}
	r := &runtime{
		process: start(t, filepath.Join("models", model), env, "", interpreter, "-m", "reactor_runtime.serve"),
		url:     "http://127.0.0.1:" + port,
	}
	r.until(t, "available", func() bool {
		var health struct{ State string }
		return r.get("/health", &health) == nil && health.State == "available"
	})
	return r
}

// needInterface skips the test where there is the loopback and nothing else:
// the runtime gathers no candidate there.
func needInterface(t *testing.T) {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		if ip, ok := addr.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return
		}
	}
	t.Skip("needs a network interface besides the loopback")
}

// state is the runtime's own word for where its session is.
func (r *runtime) state(t *testing.T) string {
	t.Helper()
	var session struct{ State string }
	if err := r.get("/session", &session); err != nil {
		t.Fatal(err)
	}
	return session.State
}

func (r *runtime) get(path string, into any) error {
	client := http.Client{Timeout: patience}
	resp, err := client.Get(r.url + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// entry is one line of the runtime's journal.
type entry struct {
	Event  string
	To     string
	Detail struct {
		Name    string
		Args    map[string]any
		Message string
		Reason  string
	}
}

// journal returns what the runtime noted down so far, up to and with the first
// entry that matches; it waits for that one.
func (r *runtime) journal(t *testing.T, until func(entry) bool) []entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/events?since=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var entries []entry
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20) // an entry may hold a whole SDP
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var e entry
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatalf("journal: %v in %s", err, data)
		}
		entries = append(entries, e)
		if until(e) {
			return entries
		}
	}
	t.Fatalf("journal: the entry waited for did not come in %v (%v); it has %+v", patience, lines.Err(), entries)
	return nil
}

// commands are those of the entries that a client asked for.
func commands(entries []entry) []string {
	var names []string
	for _, e := range entries {
		if e.Event == "command" {
			names = append(names, e.Detail.Name)
		}
	}
	return names
}
