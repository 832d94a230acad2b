package traces

import (
	"fmt"
	"strconv"
	"strings"
)

// Variables are where OpenTelemetry's settings come from: the environment.
type Variables func(name string) (value string, set bool)

func (v Variables) get(names ...string) string {
	for _, name := range names {
		if value, _ := v(name); strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// settings are what the variables say that OpenTelemetry's own packages do not
// read.
type settings struct {
	on bool
	// share of the frames that are written whatever happens to them, 0 to 1.
	share float64
}

// defaultShare is one frame in a hundred: one every three seconds of a picture at
// thirty a second.
const defaultShare = 0.01

// read returns the settings, and what it could make nothing of.
func (v Variables) read() (s settings, complaints []error) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Errorf(format, args...)) }
	s = settings{share: defaultShare}
	s.on = v.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != "" &&
		!strings.EqualFold(v.get("OTEL_SDK_DISABLED"), "true")
	if !s.on {
		return s, nil
	}
	switch exporter := v.get("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		s.on = false
	default:
		complain("OTEL_TRACES_EXPORTER: must be otlp or none, got %q: no traces are written", exporter)
		s.on = false
	}
	switch protocol := v.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf", "http/json":
	default:
		complain("OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf or http/json, got %q: no traces are written", protocol)
		s.on = false
	}
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
		complain("OTEL_TRACES_SAMPLER: must be always_on, always_off or traceidratio, got %q: one frame in a hundred is written", sampler)
	}
	return s, complaints
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
