// Package traces writes OpenTelemetry traces: a frame is a trace, the parts of its
// way and the commands that it caused are spans. They go to an OTLP endpoint,
// as the standard variables OTEL_* say.
package traces

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Config is what an exporter is made with.
type Config struct {
	// Variables are the environment. OpenTelemetry's packages read that of the
	// process themselves: the two must say the same.
	Variables Variables
	// Version of the program.
	Version string
	Log     *slog.Logger
	// Metrics takes counts of what is written and lost.
	Metrics prometheus.Registerer
}

// Exporter writes traces. A nil one does nothing.
type Exporter struct {
	settings settings
	log      *slog.Logger
	troubles pipeline.Turns
	client   sdk.SpanExporter
	tracer   trace.Tracer
	written  prometheus.Counter
	lost     prometheus.Counter

	waiting chan ended
	closing chan struct{}
	done    chan struct{}
	cancel  context.CancelFunc // ends sending

	// The goroutine's own.
	spans  []sdk.ReadOnlySpan
	traces int // that they are of
}

// troubleEvery bounds the log where nobody takes traces.
const troubleEvery = time.Minute

// Open returns an exporter, nil where the variables ask for none, and starts a
// goroutine that writes, which Close ends. It does not connect: an endpoint that
// is not there costs traces, which are counted, and nothing else.
func Open(ctx context.Context, cfg Config) (*Exporter, error) {
	s, complaints := cfg.Variables.read()
	for _, c := range complaints {
		cfg.Log.Warn("traces", "err", c)
	}
	if !s.on {
		return nil, nil
	}
	otel.SetLogger(logr.FromSlogHandler(cfg.Log.Handler()))
	// What it has against the variables has been said, in our words.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { cfg.Log.Debug("traces", "err", err) }))
	client, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	e := &Exporter{
		settings: s, log: cfg.Log, client: client,
		waiting: make(chan ended, s.queue), closing: make(chan struct{}), done: make(chan struct{}),
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "reactorpipe_traces_written_total", Help: "Traces that were delivered."}),
		lost:    prometheus.NewCounter(prometheus.CounterOpts{Name: "reactorpipe_traces_lost_total", Help: "Traces that were to be written and could not be delivered."}),
	}
	e.tracer = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), sdk.WithSpanProcessor(collector{e}), sdk.WithResource(about(ctx, cfg)),
	).Tracer("github.com/reactorpipe/reactorpipe", trace.WithInstrumentationVersion(cfg.Version))
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(e.written, e.lost)
	}
	cfg.Log.Info("traces are written", "share", s.share)
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.cancel = cancel
	go e.run(sending)
	return e, nil
}

// connect returns what sends, which reads the variables for itself.
func (s *settings) connect(ctx context.Context) (sdk.SpanExporter, error) {
	if s.grpc {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

// about says who writes. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say it
// better.
func about(ctx context.Context, cfg Config) *resource.Resource {
	r, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "reactorpipe"), attribute.String("service.version", cfg.Version)),
		resource.WithFromEnv())
	if err != nil {
		cfg.Log.Warn("traces", "err", err)
	}
	return r
}

// Frames returns what takes the records of a pipeline's frames; nil where none
// are wanted. It does not block.
func (e *Exporter) Frames(pipelineName string) func(*pipeline.Trace) {
	if e == nil {
		return nil
	}
	return func(t *pipeline.Trace) {
		over := ended{pipelineName, t.Meta, t.Spans()}
		if over.matters() || rand.Float64() < e.settings.share {
			e.put(over)
		}
	}
}

// Commands returns what takes a pipeline's commands; nil where none are wanted.
// A command belongs to the trace of the frame that caused it, and is one of its
// own if that is over, or no frame did.
func (e *Exporter) Commands(pipelineName string) func(pipeline.CommandRecord, time.Time) {
	if e == nil {
		return nil
	}
	return func(r pipeline.CommandRecord, now time.Time) {
		span := r.Span(now)
		if r.Cause.Trace.Add(span) {
			return
		}
		if over := (ended{pipeline: pipelineName, spans: []pipeline.Span{span}}); over.matters() {
			e.put(over)
		}
	}
}

func (e *Exporter) put(over ended) {
	select {
	case e.waiting <- over:
	default:
		e.lost.Inc()
	}
}

func (e *Exporter) run(ctx context.Context) {
	defer close(e.done)
	send := time.NewTicker(e.settings.delay)
	defer send.Stop()
	for {
		select {
		case over := <-e.waiting:
			e.take(ctx, over)
		case <-send.C:
			e.send(ctx, len(e.spans))
		case <-e.closing:
			e.finish(ctx)
			return
		}
	}
}

// take sends a batch before a trace that it has no room for: a trace is never
// divided.
func (e *Exporter) take(ctx context.Context, over ended) {
	before := len(e.spans)
	over.write(e.tracer)
	if len(e.spans) > e.settings.batch {
		e.send(ctx, before)
	}
	e.traces++
	if len(e.spans) >= e.settings.batch {
		e.send(ctx, len(e.spans))
	}
}

// finish sends what waits.
func (e *Exporter) finish(ctx context.Context) {
	for {
		select {
		case over := <-e.waiting:
			e.take(ctx, over)
		default:
			e.send(ctx, len(e.spans))
			return
		}
	}
}

// send delivers the first spans, which are those of the traces counted.
func (e *Exporter) send(ctx context.Context, spans int) {
	if spans == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, e.settings.timeout)
	defer cancel()
	err := e.client.ExportSpans(ctx, e.spans[:spans])
	count := e.written
	if err != nil {
		count = e.lost
		e.complain(err)
	}
	count.Add(float64(e.traces))
	e.spans, e.traces = slices.Delete(e.spans, 0, spans), 0
}

func (e *Exporter) complain(err error) {
	if _, ok := e.troubles.Take(time.Now(), troubleEvery); ok {
		e.log.Warn("traces not delivered", "traces", e.traces, "err", err)
	}
}

// Close sends what waits, until ctx ends, and ends the goroutine. What comes later
// is lost.
func (e *Exporter) Close(ctx context.Context) error {
	if e == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, e.cancel)
	defer stop()
	defer e.cancel()
	close(e.closing)
	<-e.done
	return e.client.Shutdown(ctx)
}

// collector keeps the spans of the goroutine's traces until they are sent.
type collector struct{ *Exporter }

func (c collector) OnStart(context.Context, sdk.ReadWriteSpan) {}
func (c collector) OnEnd(s sdk.ReadOnlySpan)                   { c.spans = append(c.spans, s) }
func (c collector) Shutdown(context.Context) error             { return nil }
func (c collector) ForceFlush(context.Context) error           { return nil }
