package sessiontest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// getEvents streams the journal: what came after the entry that the request
// names, or what comes from now on.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	after := ^uint64(0)
	for _, text := range []string{r.URL.Query().Get("since"), r.Header.Get("Last-Event-ID")} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			violateInt(w, "query", "since", text)
			return
		}
		after = n
		break
	}
	reader := s.journal.subscribe(after)
	defer s.journal.unsubscribe(reader)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	out := http.NewResponseController(w)
	_ = out.Flush() // who cannot flush gets it in the end
	for {
		for _, e := range reader.take() {
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.seq, e.line); err != nil {
				return
			}
		}
		_ = out.Flush()
		select {
		case <-reader.wake:
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// series is one line of the metrics, its labels included.
type series struct{ name, labels string }

func labelled(name string, labels ...string) series {
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%q", labels[i], labels[i+1]))
	}
	return series{name, strings.Join(pairs, ",")}
}

// counters are the metrics that only grow.
type counters struct {
	mu sync.Mutex // guards of
	of map[series]float64
}

func (c *counters) add(of series) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[series]float64{}
	}
	c.of[of]++
}

func (c *counters) all() map[series]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.of)
}

// getMetrics writes the Prometheus text format.
func (s *Server) getMetrics(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	state := s.localState()
	s.mu.Unlock()
	counted := s.counters.all()
	gauges := map[series]float64{
		labelled("runtime_info", "version", serverVersion, "model", s.model.Name): 1,
		labelled("runtime_session_state", "state", state):                         1,
		labelled("runtime_connections_active"):                                    float64(s.Connections()),
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	writeMetrics(w, "counter", counted)
	writeMetrics(w, "gauge", gauges)
}

func writeMetrics(w http.ResponseWriter, kind string, values map[series]float64) {
	last := ""
	byName := func(a, b series) int {
		return strings.Compare(a.name+"{"+a.labels, b.name+"{"+b.labels)
	}
	for _, of := range slices.SortedFunc(maps.Keys(values), byName) {
		if of.name != last {
			fmt.Fprintf(w, "# TYPE %s %s\n", of.name, kind)
			last = of.name
		}
		fmt.Fprintf(w, "%s{%s} %g\n", of.name, of.labels, values[of])
	}
}

// getContract is the server's own HTTP contract.
func (s *Server) getContract(w http.ResponseWriter, _ *http.Request) {
	paths := map[string]object{}
	for route := range s.routes() {
		method, path, _ := strings.Cut(string(route), " ")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(method)] = object{
			"operationId": string(route),
			"responses":   object{"default": object{"description": "See the protocol."}},
		}
	}
	answer(w, http.StatusOK, object{
		"openapi": "3.1.0", "info": object{"title": "reactor-runtime", "version": serverVersion}, "paths": paths,
	})
}
