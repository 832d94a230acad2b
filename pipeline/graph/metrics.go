package graph

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// metrics shows Prometheus what the graph counts anyway, and takes the nodes'
// own metrics.
type metrics struct {
	graph    *Graph
	registry prometheus.Registerer // nil: nobody asks
	labels   prometheus.Labels

	mu    sync.Mutex // guards what follows
	added []prometheus.Collector
	own   map[string]prometheus.Collector // the nodes', by name and node
	*descriptions
}

// descriptions are the graph's metrics.
type descriptions struct {
	in, out, errors, panics, dropped, skipped *prometheus.Desc
	inFlight, queued, hanging, kept           *prometheus.Desc
	wait, process, latency                    *prometheus.Desc
	received, decoded, lost, keyframes, again *prometheus.Desc
	renewals, renewed                         *prometheus.Desc
}

func newMetrics(g *Graph, registry prometheus.Registerer) *metrics {
	m := &metrics{
		graph: g, registry: registry, labels: prometheus.Labels{"pipeline": g.cfg.Spec.Name},
		own: make(map[string]prometheus.Collector),
	}
	m.descriptions = describe(m.labels)
	return m
}

func describe(labels prometheus.Labels) *descriptions {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc("reactorpipe_"+name, help, append([]string{"node"}, more...), labels)
	}
	return &descriptions{
		in:        desc("frames_in_total", "Frames that came to a node."),
		out:       desc("frames_out_total", "Frames that a node sent on or wrote."),
		errors:    desc("errors_total", "Errors of a node, panics included."),
		panics:    desc("panics_total", "Panics of a node."),
		dropped:   desc("frames_dropped_total", "Frames given up at a node.", "reason"),
		skipped:   desc("frames_skipped_total", "Frames that passed a node by untouched.", "reason"),
		inFlight:  desc("in_flight_frames", "Frames of a source that are in the graph."),
		queued:    desc("queued_frames", "Frames that wait in front of a node."),
		hanging:   desc("hanging_calls", "Calls of a node that have not returned for too long."),
		kept:      desc("kept_frames", "Frames that a node holds beyond its calls."),
		wait:      desc("wait_seconds", "Time that a frame waited in front of a node."),
		process:   desc("process_seconds", "Time that a node took for a frame."),
		latency:   desc("latency_seconds", "Time from the arrival of a frame's last packet until a sink had written it."),
		received:  desc("source_received_total", "Access units or messages that a source received."),
		decoded:   desc("source_decoded_total", "Pictures that a source decoded."),
		lost:      desc("source_dropped_total", "Pictures that a source gave up before they were frames.", "reason"),
		keyframes: desc("source_keyframe_requests_total", "Keyframes that a source asked for."),
		again:     desc("source_reconnects_total", "Reconnects that a source lived through."),
		renewals:  desc("source_renewals_total", "Sessions of a source whose place another one took."),
		renewed:   desc("source_renewal_gap_seconds", "For how long nothing came in the last renewal."),
	}
}

// register adds c to the registry for the life of the graph.
func (m *metrics) register(c prometheus.Collector) {
	if m.registry == nil {
		return
	}
	if err := m.registry.Register(c); err != nil {
		m.graph.log.Warn("metrics not registered", "err", err)
		return
	}
	m.added = append(m.added, c)
}

func (m *metrics) unregister() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.added {
		m.registry.Unregister(c)
	}
	m.added = nil
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	d := m.descriptions
	for _, desc := range []*prometheus.Desc{
		d.in, d.out, d.errors, d.panics, d.dropped, d.skipped, d.inFlight, d.queued, d.hanging, d.kept,
		d.wait, d.process, d.latency, d.received, d.decoded, d.lost, d.keyframes, d.again, d.renewals, d.renewed,
	} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, e := range m.graph.sources {
		m.common(ch, &e.node, noSlot, draining, reloading)
		ch <- gauge(m.inFlight, len(e.slots), e.name)
		ch <- timing(m.wait, &e.counts.wait, e.name)
		if c, ok := e.source.(pipeline.CountingSource); ok {
			m.source(ch, e.name, c.Counts())
		}
	}
	l := m.graph.layout.Load()
	for _, s := range l.stages {
		m.common(ch, &s.node, s.reasons()...)
		m.skips(ch, &s.node, notDue, unwanted, absent, bypassed)
		ch <- gauge(m.queued, s.queued(), s.name)
		ch <- gauge(m.hanging, s.hanging(), s.name)
		ch <- gauge(m.kept, int(s.counts.kept.Load()), s.name)
		ch <- timing(m.wait, &s.counts.wait, s.name)
		ch <- timing(m.process, &s.counts.process, s.name)
	}
	for _, s := range l.sinks {
		m.common(ch, &s.node, queueFull, failed, panicked, draining, reloading)
		m.skips(ch, &s.node, notDue, unwanted, absent)
		ch <- gauge(m.queued, s.queued(), s.name)
		ch <- gauge(m.hanging, s.hanging(), s.name)
		ch <- gauge(m.kept, int(s.counts.kept.Load()), s.name)
		ch <- timing(m.wait, &s.counts.wait, s.name)
		ch <- timing(m.process, &s.counts.process, s.name)
		ch <- timing(m.latency, &s.counts.latency, s.name)
	}
}

// reasons returns why a stage may drop frames.
func (s *stage) reasons() []reason {
	why := []reason{byStage, failed, panicked, tooLong, draining, reloading}
	if s.spec.Load().Async {
		why = append(why, overtaken)
	}
	return why
}

func (m *metrics) common(ch chan<- prometheus.Metric, n *node, why ...reason) {
	ch <- counter(m.in, n.counts.in.Load(), n.name)
	ch <- counter(m.out, n.counts.out.Load(), n.name)
	ch <- counter(m.errors, n.counts.errors.Load(), n.name)
	ch <- counter(m.panics, n.counts.panics.Load(), n.name)
	for _, r := range why {
		ch <- counter(m.dropped, n.counts.dropped[r].Load(), n.name, r.String())
	}
}

func (m *metrics) skips(ch chan<- prometheus.Metric, n *node, why ...skip) {
	for _, s := range why {
		ch <- counter(m.skipped, n.counts.skipped[s].Load(), n.name, s.String())
	}
}

func (m *metrics) source(ch chan<- prometheus.Metric, name string, c pipeline.SourceCounts) {
	ch <- counter(m.received, c.Received, name)
	ch <- counter(m.decoded, c.Decoded, name)
	ch <- counter(m.keyframes, c.KeyframeRequests, name)
	ch <- counter(m.again, c.Reconnects, name)
	ch <- counter(m.renewals, c.Renewals, name)
	if n := len(c.RenewalGaps); n > 0 {
		ch <- prometheus.MustNewConstMetric(m.renewed, prometheus.GaugeValue, c.RenewalGaps[n-1].Seconds(), name)
	}
	for why, n := range c.Dropped {
		ch <- counter(m.lost, n, name, why)
	}
}

func counter(d *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func gauge(d *prometheus.Desc, n int, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func timing(d *prometheus.Desc, h *histogram, labels ...string) prometheus.Metric {
	below, count, sum := h.cumulative()
	return prometheus.MustNewConstHistogram(d, count, sum, below, labels...)
}

// of returns the metrics of one node's own. Instances of a stage share them.
func (m *metrics) of(node, kind string) pipeline.Metrics {
	if m.registry == nil {
		return pipeline.NoMetrics{}
	}
	return ownMetrics{m, node, kind}
}

// ownMetrics are reactorpipe_KIND_NAME, with the node as a label.
type ownMetrics struct {
	*metrics
	node, kind string
}

// Counter returns a function that adds to a counter.
func (o ownMetrics) Counter(name, help string) func(float64) {
	c := own(o, name, func(full string, labels prometheus.Labels) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: full, Help: help, ConstLabels: labels})
	})
	return c.Add
}

// Gauge returns a function that sets a gauge.
func (o ownMetrics) Gauge(name, help string) func(float64) {
	g := own(o, name, func(full string, labels prometheus.Labels) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: full, Help: help, ConstLabels: labels})
	})
	return g.Set
}

func own[C prometheus.Collector](o ownMetrics, name string, create func(string, prometheus.Labels) C) C {
	o.mu.Lock()
	defer o.mu.Unlock()
	full := "reactorpipe_" + o.kind + "_" + name
	key := full + " " + o.node
	if known, ok := o.own[key].(C); ok {
		return known
	}
	c := create(full, prometheus.Labels{"pipeline": o.labels["pipeline"], "node": o.node})
	o.own[key] = c
	o.register(c)
	return c
}
