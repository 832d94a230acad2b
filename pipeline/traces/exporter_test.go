package traces_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // to see that nobody writes to it
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/traces"
	"github.com/reactorpipe/reactorpipe/pipeline/traces/tracestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// rig is an exporter and what it says.
type rig struct {
	*traces.Exporter
	t       *testing.T
	log     bytes.Buffer
	metrics *prometheus.Registry
}

// open opens an exporter with those variables of the process.
func open(t *testing.T, env map[string]string) *rig {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	r := &rig{t: t, metrics: prometheus.NewRegistry()}
	e, err := traces.Open(t.Context(), traces.Config{
		Variables: os.LookupEnv, Version: "1.2.3", Metrics: r.metrics, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Exporter = e
	return r
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.Close(r.t.Context()); err != nil {
		r.t.Error(err)
	}
}

// frame has a frame go its way.
func (r *rig) frame(seq uint64, spans ...pipeline.Span) {
	t := pipeline.NewTrace(pipeline.Meta{
		Stream: "cam", Seq: seq, PTS: 1500 * time.Microsecond, Width: 640, Height: 480, FrameID: 7,
		Arrival: noon, Receiving: time.Millisecond, Decoding: 2 * time.Millisecond,
	}, 1, r.Frames("p"))
	t.Hold()
	for _, s := range spans {
		t.Add(s)
	}
	t.Release()
}

// lost returns how many traces were counted as such.
func (r *rig) lost() float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "reactorpipe_traces_lost_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	r.t.Fatal("lost traces are not counted")
	return 0
}

// await waits until something is so, which it must be after a while.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for patience := time.After(time.Minute); !so(); {
		select {
		case <-patience:
			t.Fatal("it is not so after a minute")
		case <-time.After(time.Millisecond):
		}
	}
}

// seqs returns which frames came.
func seqs(all []tracestest.Trace) []string {
	var list []string
	for _, tr := range all {
		list = append(list, tr.Root.Attrs["seq"])
	}
	slices.Sort(list)
	return list
}

func stage(d time.Duration) pipeline.Span {
	return pipeline.Span{Kind: pipeline.SpanStage, Name: "people", Begin: noon.Add(time.Millisecond), End: noon.Add(time.Millisecond + d)}
}

func command(o pipeline.Outcome) pipeline.Span {
	r := pipeline.CommandRecord{
		Time: noon, Command: "set_prompt", Outcome: o, Reason: "as the test has it", RoundTrip: 3 * time.Millisecond,
		Cause: pipeline.Cause{Node: "steer", Stream: "cam", Seq: 3}, Args: map[string]any{"prompt": "a secret"},
	}
	return r.Span(noon)
}

func TestAFrameIsATrace(t *testing.T) {
	receiver := tracestest.New(t)
	r := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "always_on"})
	broken := stage(30 * time.Millisecond)
	broken.Dropped, broken.Err = "error", errors.New("too dark")
	r.frame(3, broken, command(pipeline.CommandRefused))
	r.close()
	all := receiver.Traces()
	if len(all) != 1 {
		t.Fatalf("%d traces", len(all))
	}
	root := all[0].Root
	want := map[string]string{"pipeline": "p", "stream": "cam", "seq": "3", "pts_ms": "1.5", "width": "640", "height": "480", "frame_id": "7", "dropped": "error"}
	if diff := cmp.Diff(want, root.Attrs); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if want := []string{"frame cam", "receive cam", "decode cam", "stage people", "command set_prompt"}; !cmp.Equal(want, all[0].Names()) {
		t.Errorf("got %v, want %v", all[0].Names(), want)
	}
	if got := root.GetStatus().GetMessage(); got != "people: too dark" {
		t.Errorf("status %q", got)
	}
	from, to := noon.Add(-time.Millisecond), noon.Add(31*time.Millisecond)
	if root.GetStartTimeUnixNano() != uint64(from.UnixNano()) || root.GetEndTimeUnixNano() != uint64(to.UnixNano()) {
		t.Errorf("from %d to %d", root.GetStartTimeUnixNano(), root.GetEndTimeUnixNano())
	}
	sent, _ := all[0].Find("command set_prompt")
	want = map[string]string{
		"pipeline": "p", "command": "set_prompt", "outcome": "refused", "reason": "as the test has it",
		"node": "steer", "stream": "cam", "seq": "3", "round_trip_ms": "3",
	}
	if diff := cmp.Diff(want, sent.Attrs); diff != "" {
		t.Errorf("attributes of the command (-want +got):\n%s", diff)
	}
	if sent.GetEndTimeUnixNano()-sent.GetStartTimeUnixNano() != 3e6 || sent.GetStatus().GetMessage() != "as the test has it" {
		t.Errorf("command %v", sent.Span)
	}
	if got := receiver.Resource(); got["service.name"] != "reactorpipe" || got["service.version"] != "1.2.3" {
		t.Errorf("resource %v", got)
	}
}

// Whatever the share, frames stay that were dropped, that something was wrong
// with, or that caused a command.
func TestWhatIsKept(t *testing.T) {
	failed, dropped := stage(0), stage(0)
	failed.Err, dropped.Dropped = errors.New("too dark"), "no_slot"
	tests := []struct {
		name string
		span pipeline.Span
		kept bool
	}{
		{"a fault", failed, true},
		{"a drop", dropped, true},
		{"sent", command(pipeline.CommandSent), true},
		{"refused", command(pipeline.CommandRefused), true},
		{"failed", command(pipeline.CommandFailed), true},
		{"expired", command(pipeline.CommandExpired), true},
		{"superseded", command(pipeline.CommandSuperseded), false},
		{"deduped", command(pipeline.CommandDeduped), false},
		{"dry run", command(pipeline.CommandDryRun), false},
		{"nothing", stage(0), false},
	}
	receiver := tracestest.New(t)
	r := open(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0",
	})
	var want []string
	for i, tt := range tests {
		r.frame(uint64(i), stage(time.Millisecond), tt.span)
		if tt.kept {
			want = append(want, fmt.Sprint(i))
		}
	}
	r.close()
	got := receiver.Traces()
	if diff := cmp.Diff(want, seqs(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, tr := range got {
		if len(tr.Below) != 4 {
			t.Errorf("frame %s is not whole: %v", tr.Root.Attrs["seq"], tr.Names())
		}
	}
}

// Traces go out in each form of OTLP, with the headers that the variables say.
func TestProtocols(t *testing.T) {
	for protocol, contentType := range map[string]string{"http/protobuf": "application/x-protobuf", "http/json": "application/json", "grpc": "application/grpc"} {
		t.Run(protocol, func(t *testing.T) {
			receiver := tracestest.New(t)
			if protocol == "grpc" {
				receiver = tracestest.NewGRPC(t)
			}
			r := open(t, map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_TRACES_SAMPLER": "always_on",
				"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=lab",
			})
			r.frame(3)
			r.close()
			if got := seqs(receiver.Traces()); !cmp.Equal(got, []string{"3"}) {
				t.Errorf("got %v", got)
			}
			if h := receiver.Headers(); h.Get("Content-Type") != contentType || h.Get("X-Tenant") != "lab" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

// gRPC has targets that are not of the web.
func TestTargetsOfGRPC(t *testing.T) {
	receiver := tracestest.NewGRPC(t)
	r := open(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": strings.Replace(receiver.URL, "http://127.0.0.1", "localhost", 1), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
		"OTEL_EXPORTER_OTLP_INSECURE": "true", "OTEL_TRACES_SAMPLER": "always_on",
	})
	r.frame(3)
	r.close()
	if got := seqs(receiver.Traces()); !cmp.Equal(got, []string{"3"}) {
		t.Errorf("got %v, said %s", got, r.log.String())
	}
}

func TestShare(t *testing.T) {
	const frames = 2000
	for _, tt := range []struct {
		name      string
		env       map[string]string
		low, high int
	}{
		{"by itself one in a hundred", nil, 1, 80},
		{"all", map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, frames, frames},
		{"a ratio", map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}, 800, 1200},
		{"a ratio without a number", map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio"}, frames, frames},
	} {
		t.Run(tt.name, func(t *testing.T) {
			receiver := tracestest.New(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
			r := open(t, tt.env)
			for i := range frames {
				r.frame(uint64(i))
			}
			r.close()
			if n := len(receiver.Traces()); n < tt.low || n > tt.high {
				t.Errorf("%d of %d, want %d to %d", n, frames, tt.low, tt.high)
			}
		})
	}
}

func TestACommandThatNoFrameCaused(t *testing.T) {
	receiver := tracestest.New(t)
	r := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"})
	r.Commands("p")(pipeline.CommandRecord{Time: noon, Command: "set_prompt", Outcome: pipeline.CommandSent, Cause: pipeline.Cause{Node: "start"}}, noon.Add(time.Millisecond))
	r.close()
	all := receiver.Traces()
	if len(all) != 1 || all[0].Root.GetName() != "command set_prompt" || all[0].Root.Attrs["node"] != "start" || all[0].Root.Attrs["seq"] != "" {
		t.Errorf("got %v", all)
	}
}

func TestOff(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tests := []struct {
		name string
		env  map[string]string
		said string
	}{
		{"nothing set", nil, ""},
		{"empty", map[string]string{endpoint: " "}, ""},
		{"disabled", map[string]string{endpoint: "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, ""},
		{"no exporter", map[string]string{endpoint: "collector:4318", "OTEL_TRACES_EXPORTER": "none"}, ""},
		{"always off", map[string]string{endpoint: "http://localhost:4318", "OTEL_TRACES_SAMPLER": "always_off"}, ""},
		{
			"another exporter",
			map[string]string{endpoint: "http://localhost:4318", "OTEL_TRACES_EXPORTER": "zipkin"},
			`OTEL_TRACES_EXPORTER: must be otlp or none, got \"zipkin\": no traces are written`,
		},
		{
			"another protocol",
			map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "thrift"},
			`OTEL_EXPORTER_OTLP_PROTOCOL: must be grpc, http/protobuf or http/json, got \"thrift\": no traces are written`,
		},
		{
			"no URL",
			map[string]string{endpoint: "collector:4318"},
			`OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL like http://collector:4318, got \"collector:4318\": no traces are written`,
		},
		{
			"no URL, for traces alone",
			map[string]string{endpoint: "http://localhost:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "localhost"},
			`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be a URL like http://collector:4318, got \"localhost\": no traces are written`,
		},
		{
			"no URL, for gRPC",
			map[string]string{endpoint: "10.0.0.5:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			`OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL like http://collector:4317, got \"10.0.0.5:4317\": no traces are written`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, tt.env)
			if r.Exporter != nil || r.Frames("p") != nil || r.Commands("p") != nil {
				t.Error("on")
			}
			r.close()
			if got := r.log.String(); !strings.Contains(got, tt.said) || tt.said == "" && got != "" {
				t.Errorf("said %q, want %q", got, tt.said)
			}
		})
	}
}

// What cannot be made anything of is said, and the usual holds.
func TestMistakesInBatchesAreSaid(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"OTEL_BSP_SCHEDULE_DELAY", "5s", "must be a positive number, got \\\"5s\\\": it is 5000"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "0", "must be a positive number, got \\\"0\\\": it is 30000"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-1", "must be a positive number, got \\\"-1\\\": it is 2048"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999999999", "must be a positive number, got \\\"99999999999\\\": it is 512"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": tracestest.New(t).URL, tt.name: tt.value})
			r.close()
			if got := r.log.String(); !strings.Contains(got, tt.name+": "+tt.want) {
				t.Errorf("said %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMistakesInTheSamplerAreSaid(t *testing.T) {
	for _, tt := range []struct{ sampler, arg, want string }{
		{"sometimes", "", `OTEL_TRACES_SAMPLER: must be always_on, always_off or traceidratio, got \"sometimes\": one frame in a hundred is written`},
		{"traceidratio", "2", `OTEL_TRACES_SAMPLER_ARG: must be 0 to 1, got \"2\": one frame in a hundred is written`},
		{"traceidratio", "NaN", `OTEL_TRACES_SAMPLER_ARG: must be 0 to 1, got \"NaN\": one frame in a hundred is written`},
	} {
		t.Run(tt.sampler+tt.arg, func(t *testing.T) {
			var beside bytes.Buffer
			log.SetOutput(&beside)
			defer log.SetOutput(os.Stderr)
			r := open(t, map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": tracestest.New(t).URL, "OTEL_TRACES_SAMPLER": tt.sampler, "OTEL_TRACES_SAMPLER_ARG": tt.arg,
			})
			r.close()
			if beside.Len() > 0 {
				t.Errorf("said beside the log: %s", beside.String())
			}
			if got := r.log.String(); !strings.Contains(got, tt.want) || !strings.Contains(got, "share=0.01") {
				t.Errorf("said %q, want %q", got, tt.want)
			}
		})
	}
}

// Whoever takes no traces loses them, and is named.
func TestWhatIsNotTakenIsLostAndCounted(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	defer closed.Close()
	r := open(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": closed.URL, "OTEL_TRACES_SAMPLER": "always_on"})
	for i := range 3 {
		r.frame(uint64(i))
	}
	r.close()
	if got := r.log.String(); strings.Count(got, "traces not delivered") != 1 || !strings.Contains(got, "404") {
		t.Errorf("said %q", got)
	}
	if got := r.lost(); got != 3 {
		t.Errorf("%v lost of three", got)
	}
}

// The same over gRPC, where nobody listens.
func TestACollectorThatIsNotThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	r := open(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "always_on",
		"OTEL_BSP_EXPORT_TIMEOUT": "200",
	})
	r.frame(0)
	r.close()
	if got := r.lost(); got != 1 || strings.Count(r.log.String(), "traces not delivered") != 1 {
		t.Errorf("%v lost, said %q", got, r.log.String())
	}
}

// hour is one in milliseconds: longer than any test.
const hour = "3600000"

// A full batch is sent without waiting for the rest, a trace never in parts.
func TestBatches(t *testing.T) {
	receiver := tracestest.New(t)
	r := open(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "always_on",
		"OTEL_BSP_SCHEDULE_DELAY": hour, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8",
	})
	for seq := range 3 {
		r.frame(uint64(seq)) // 3 spans
	}
	arrived := func() int { return len(receiver.Traces()) }
	await(t, func() bool { return arrived() > 0 })
	if n := arrived(); n != 2 {
		t.Errorf("%d traces of three spans in a batch of eight", n)
	}
	r.close()
	if n := arrived(); n != 3 {
		t.Errorf("%d traces at the end", n)
	}
}

func TestDelay(t *testing.T) {
	receiver := tracestest.New(t)
	r := open(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_TRACES_SAMPLER": "always_on", "OTEL_BSP_SCHEDULE_DELAY": "1",
	})
	defer r.close()
	for seq := range 2 { // the second after a delay, too
		r.frame(uint64(seq))
		await(t, func() bool { return len(receiver.Traces()) == seq+1 })
	}
}

// A receiver that does not answer holds nothing up: what finds no room in the
// queue is lost at once, the rest when the time for sending is over.
func TestAReceiverThatDoesNotAnswer(t *testing.T) {
	asked := make(chan struct{}, 100)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer silent.Close()
	open := func(timeout string) *rig {
		return open(t, map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": silent.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": hour, "OTEL_TRACES_SAMPLER": "always_on",
			"OTEL_BSP_MAX_QUEUE_SIZE": "2", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1", "OTEL_BSP_EXPORT_TIMEOUT": timeout,
		})
	}
	t.Run("the queue is full", func(t *testing.T) {
		r := open(hour)
		r.frame(0)
		<-asked
		for seq := range 5 {
			r.frame(uint64(seq))
		}
		if got := r.lost(); got != 3 {
			t.Errorf("%v lost of five that found room for two", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = r.Close(ctx) // whether it ends in time is not the question
		if got := r.lost(); got != 6 {
			t.Errorf("%v lost of six", got)
		}
	})
	t.Run("time is over", func(t *testing.T) {
		r := open("50")
		r.frame(0)
		<-asked
		await(t, func() bool { return r.lost() == 1 })
		r.close()
	})
}
