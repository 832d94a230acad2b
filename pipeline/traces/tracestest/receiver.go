// Package tracestest is the other side of package traces: an OTLP receiver, over
// HTTP or gRPC, for tests.
package tracestest

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Receiver takes traces.
type Receiver struct {
	URL string
	t   testing.TB

	mu       sync.Mutex // guards what follows
	spans    []Span
	resource map[string]string
	headers  http.Header
}

// Span is one that came, its attributes as text.
type Span struct {
	*otlp.Span
	Attrs map[string]string
}

// New returns a receiver over HTTP that ends with the test.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", r.take)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	r.URL = srv.URL
	return r
}

// NewGRPC returns one over gRPC, which asks for no TLS.
func NewGRPC(t testing.TB) *Receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{t: t, URL: "http://" + listener.Addr().String()}
	srv := grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, service{Receiver: r})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// service is a Receiver's gRPC side.
type service struct {
	collector.UnimplementedTraceServiceServer
	*Receiver
}

func (s service) Export(ctx context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	headers := make(http.Header)
	sent, _ := metadata.FromIncomingContext(ctx)
	for name, values := range sent {
		for _, v := range values {
			headers.Add(name, v)
		}
	}
	s.keep(in, headers)
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *Receiver) take(w http.ResponseWriter, q *http.Request) {
	var in collector.ExportTraceServiceRequest
	body, err := payload(q)
	as := q.Header.Get("Content-Type")
	if err == nil {
		err = unmarshal(as, body, &in)
	}
	if err != nil {
		r.t.Errorf("no traces in what came: %v", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.keep(&in, q.Header)
	w.Header().Set("Content-Type", as)
	if as == asJSON {
		_, _ = io.WriteString(w, "{}") // the client may be gone; no bytes are protobuf's empty answer
	}
}

func (r *Receiver) keep(in *collector.ExportTraceServiceRequest, headers http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = headers
	for _, of := range in.GetResourceSpans() {
		r.resource = texts(of.GetResource().GetAttributes())
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, Span{s, texts(s.GetAttributes())})
			}
		}
	}
}

const asJSON = "application/json"

// unmarshal reads a request. Trace and span ids in JSON are hexadecimal digits,
// which are taken as base64: other numbers, and the same ones for the same ids.
func unmarshal(as string, body []byte, in *collector.ExportTraceServiceRequest) error {
	if as == asJSON {
		return protojson.Unmarshal(body, in)
	}
	return proto.Unmarshal(body, in)
}

func payload(q *http.Request) ([]byte, error) {
	if q.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(q.Body)
	}
	unzipped, err := gzip.NewReader(q.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unzipped)
}

func texts(attrs []*common.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, a := range attrs {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			m[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			m[a.GetKey()] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_DoubleValue:
			m[a.GetKey()] = fmt.Sprint(v.DoubleValue)
		default:
			m[a.GetKey()] = fmt.Sprint(a.GetValue())
		}
	}
	return m
}

// Resource returns who sent what came last, and Headers with what.
func (r *Receiver) Resource() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.resource
}

// Headers returns those of the last request.
func (r *Receiver) Headers() http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.headers
}

// Trace is the spans of one trace.
type Trace struct {
	Root  Span // without a parent
	Below []Span
}

// Find returns the first span below the root with that name.
func (t Trace) Find(name string) (Span, bool) {
	i := slices.IndexFunc(t.Below, func(s Span) bool { return s.GetName() == name })
	if i < 0 {
		return Span{}, false
	}
	return t.Below[i], true
}

// Names returns the names of all spans, the root's first.
func (t Trace) Names() []string {
	names := []string{t.Root.GetName()}
	for _, s := range t.Below {
		names = append(names, s.GetName())
	}
	return names
}

// Traces returns what came so far, in the order of the roots' beginnings.
func (r *Receiver) Traces() []Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	byID := make(map[string]*Trace)
	of := func(s Span) *Trace {
		id := string(s.GetTraceId())
		if byID[id] == nil {
			byID[id] = new(Trace)
		}
		return byID[id]
	}
	for _, s := range r.spans {
		if len(s.GetParentSpanId()) == 0 {
			of(s).Root = s
		}
	}
	for _, s := range r.spans {
		t := of(s)
		switch {
		case len(s.GetParentSpanId()) == 0:
		case t.Root.Span == nil || string(s.GetParentSpanId()) != string(t.Root.GetSpanId()):
			r.t.Errorf("span %q has a parent that did not come", s.GetName())
		default:
			t.Below = append(t.Below, s)
		}
	}
	var all []Trace
	for _, t := range byID {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Trace) int {
		if c := int(int64(a.Root.GetStartTimeUnixNano()) - int64(b.Root.GetStartTimeUnixNano())); c != 0 { //nolint:gosec // times of a test
			return c
		}
		return strings.Compare(a.Root.GetName(), b.Root.GetName())
	})
	return all
}
