package app

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is the registry behind /metrics.
type metrics struct {
	registry *prometheus.Registry
	reloads  *prometheus.CounterVec // by pipeline and what came of it
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "reactorpipe_build_info", Help: "Always 1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": Version()},
	})
	build.Set(1)
	reloads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "reactorpipe_reloads_total", Help: "New versions of a pipeline's file, by what came of them.",
	}, []string{"pipeline", "result"})
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, reloads,
	)
	return &metrics{registry: r, reloads: reloads}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
