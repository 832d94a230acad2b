package app

import (
	"math"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
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

// pipelineMetrics shows Prometheus what there is to say of pipelines beside their
// graphs.
type pipelineMetrics struct {
	supervisor                           *supervisor
	running, stuck, ready, sent, playing *prometheus.Desc
	effect, effects                      *prometheus.Desc
}

// What comes of a new version of a file.
const (
	reloadDone    = "done"
	reloadRefused = "refused"
)

// watch shows the pipelines of s from here on.
func (m *metrics) watch(s *supervisor) {
	for _, p := range s.pipelines { // each is a series from the start
		m.reloads.WithLabelValues(p.name, reloadDone)
		m.reloads.WithLabelValues(p.name, reloadRefused)
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("reactorpipe_"+name, help, append([]string{"pipeline"}, labels...), nil)
	}
	m.registry.MustRegister(&pipelineMetrics{
		supervisor: s,
		running:    desc("pipeline_running", "Whether the pipeline runs: 1 or 0."),
		playing:    desc("media_playing", "Whether pictures come: 1 or 0. A silent model is 0 and no fault."),
		stuck:      desc("pipeline_stuck", "Whether frames are in flight and nothing moves them: 1 or 0."),
		ready:      desc("session_ready", "Whether the session is up: 1 or 0.", "session"),
		sent:       desc("commands_total", "Commands of the present run, by what came of them.", "outcome"),
		effect:     desc("command_effect_seconds", "From sending a command to the first frame that shows its effect, in the present run.", "session", "command"),
		effects:    desc("command_effects_total", "Commands of the present run that the model took, by whether their effect was seen in the picture.", "session", "command", "seen"),
	})
}

// Describe implements prometheus.Collector.
func (m *pipelineMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.running, m.playing, m.stuck, m.ready, m.sent, m.effect, m.effects} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *pipelineMetrics) Collect(ch chan<- prometheus.Metric) {
	flag := func(d *prometheus.Desc, is bool, labels ...string) {
		value := 0.0
		if is {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, p := range m.supervisor.pipelines {
		v := m.supervisor.view(p)
		flag(m.running, v.Phase == phaseRunning, v.Name)
		flag(m.playing, v.Media == mediaPlaying, v.Name)
		flag(m.stuck, v.Stuck, v.Name)
		for _, s := range v.Sessions {
			flag(m.ready, s.Status == sdk.StatusReady, v.Name, s.Name)
		}
		l, _ := m.supervisor.life(p)
		counts := l.commandCounts()
		m.collectEffects(ch, v.Name, l)
		for _, o := range outcomesOfCommands {
			ch <- prometheus.MustNewConstMetric(m.sent, prometheus.CounterValue, float64(counts[o]), v.Name, string(o))
		}
	}
}

func (m *pipelineMetrics) collectEffects(ch chan<- prometheus.Metric, pipelineName string, l *line) {
	l.mu.Lock()
	sessions := l.sessions
	l.mu.Unlock()
	for _, s := range sessions {
		for _, e := range s.Effects() {
			quantiles := map[float64]float64{0.5: math.NaN(), 0.95: math.NaN()}
			if e.Seen > 0 {
				quantiles = map[float64]float64{0.5: e.P50MS / 1000, 0.95: e.P95MS / 1000}
			}
			ch <- prometheus.MustNewConstSummary(m.effect, e.Seen, e.SumMS/1000, quantiles, pipelineName, s.name, e.Command)
			for seen, n := range map[pipeline.Seen]uint64{
				pipeline.EffectSeen: e.Seen, pipeline.EffectNotSeen: e.NotSeen, pipeline.EffectUnknown: e.Unknown,
			} {
				ch <- prometheus.MustNewConstMetric(m.effects, prometheus.CounterValue, float64(n), pipelineName, s.name, e.Command, string(seen))
			}
		}
	}
}

// outcomesOfCommands are all there are, so that each is a series from the start.
var outcomesOfCommands = []pipeline.Outcome{
	pipeline.CommandSent, pipeline.CommandRefused, pipeline.CommandFailed, pipeline.CommandExpired,
	pipeline.CommandSuperseded, pipeline.CommandDeduped, pipeline.CommandSuppressed, pipeline.CommandDryRun,
}
