package traces

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Variables are where OpenTelemetry's settings come from: the environment.
type Variables func(name string) (value string, set bool)

// find returns the first of the variables that says something, by its name.
func (v Variables) find(names ...string) (name, value string) {
	for _, name := range names {
		if value, _ := v(name); strings.TrimSpace(value) != "" {
			return name, strings.TrimSpace(value)
		}
	}
	return "", ""
}

func (v Variables) get(names ...string) string {
	_, value := v.find(names...)
	return value
}

// settings are what the variables say that OpenTelemetry's own packages do not
// read.
type settings struct {
	on   bool
	grpc bool // else over HTTP
	// share of the frames that are written whatever happens to them, 0 to 1.
	share float64
	// queue is how many traces wait while others are on their way.
	queue int
	// batch is after how many spans they are sent at once, delay after what time
	// otherwise, and timeout how long that may take, tries again included.
	batch          int
	delay, timeout time.Duration
}

// defaultShare is one frame in a hundred: one every three seconds of a picture at
// thirty a second.
const defaultShare = 0.01

// read returns the settings, and what it could make nothing of.
func (v Variables) read() (s settings, complaints []error) {
	s.on = v.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != "" &&
		!strings.EqualFold(v.get("OTEL_SDK_DISABLED"), "true")
	if !s.on {
		return s, nil
	}
	complaints = append(complaints, v.readExporter(&s)...)
	complaints = append(complaints, v.readSampler(&s)...)
	complaints = append(complaints, v.readBatches(&s)...)
	return s, complaints
}

// readExporter says whether traces go out, and by what protocol.
func (v Variables) readExporter(s *settings) (complaints []error) {
	complain := func(format string, args ...any) {
		complaints = append(complaints, fmt.Errorf(format+": no traces are written", args...))
		s.on = false
	}
	switch exporter := v.get("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		s.on = false
		return nil
	default:
		complain("OTEL_TRACES_EXPORTER: must be otlp or none, got %q", exporter)
	}
	switch name, protocol := v.find("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf", "http/json":
	case "grpc":
		s.grpc = true
	default:
		complain("%s: must be grpc, http/protobuf or http/json, got %q", name, protocol)
	}
	name, endpoint := v.find("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if like, ok := s.reads(endpoint); !ok {
		complain("%s: must be a URL like %s, got %q", name, like, endpoint)
	}
	return complaints
}

// reads says whether the exporter makes what is meant of an endpoint, and what it
// would be like: what has no host, as they see it, all of OpenTelemetry's take for
// localhost without a word. For gRPC that is only what is no URL at all, such as
// 10.0.0.5:4317; host:port and unix:///path are its own targets.
func (s *settings) reads(endpoint string) (like string, ok bool) {
	u, err := url.Parse(endpoint)
	if s.grpc {
		return "http://collector:4317", err == nil
	}
	return "http://collector:4318", err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func (v Variables) readSampler(s *settings) (complaints []error) {
	s.share = defaultShare
	switch sampler := strings.TrimPrefix(strings.ToLower(v.get("OTEL_TRACES_SAMPLER")), "parentbased_"); sampler {
	case "":
	case "always_on":
		s.share = 1
	case "always_off":
		s.on = false
	case "traceidratio":
		share, err := v.ratio()
		if err != nil {
			complaints = append(complaints, err)
		}
		s.share = share
	default:
		complaints = append(complaints, fmt.Errorf("OTEL_TRACES_SAMPLER: must be always_on, always_off or traceidratio, got %q: one frame in a hundred is written", sampler))
	}
	return complaints
}

func (v Variables) ratio() (float64, error) {
	text := v.get("OTEL_TRACES_SAMPLER_ARG")
	if text == "" {
		return 1, nil
	}
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share >= 0 && share <= 1) {
		return defaultShare, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: must be 0 to 1, got %q: one frame in a hundred is written", text)
	}
	return share, nil
}

// readBatches reads what OpenTelemetry's batch processor would, with its defaults.
// 2048 waiting traces are a minute of a live source that finds no room at all.
func (v Variables) readBatches(s *settings) (complaints []error) {
	number := func(name string, usual int) int {
		text := v.get(name)
		if text == "" {
			return usual
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n <= 0 {
			complaints = append(complaints, fmt.Errorf("%s: must be a positive number, got %q: it is %d", name, text, usual))
			return usual
		}
		return int(n)
	}
	s.queue = number("OTEL_BSP_MAX_QUEUE_SIZE", 2048)
	s.batch = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
	s.delay = time.Duration(number("OTEL_BSP_SCHEDULE_DELAY", 5000)) * time.Millisecond
	s.timeout = time.Duration(number("OTEL_BSP_EXPORT_TIMEOUT", 30_000)) * time.Millisecond
	return complaints
}
