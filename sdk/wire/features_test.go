package wire_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

func TestFeatures(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  wire.Features
	}{
		{"none", nil, wire.Features{}},
		{"both", []string{"a=x-reactor-frame-metadata:1", "a=x-reactor-dc-chunking:1 max-message-size=67108864"}, wire.Features{FrameMetadata: true, MaxMessage: 67108864}},
		{"other versions", []string{"a=x-reactor-frame-metadata:2", "a=x-reactor-dc-chunking:2 max-message-size=5"}, wire.Features{}},
		{"no size", []string{"a=x-reactor-dc-chunking:1"}, wire.Features{MaxMessage: 262144}},
		{"unknown keys", []string{"a=x-reactor-dc-chunking:1 a=b; max-message-size=70000 ;c=d"}, wire.Features{MaxMessage: 70000}},
		{"unparsable size", []string{"a=x-reactor-dc-chunking:1 max-message-size=many"}, wire.Features{}},
		{"unparsable parameter", []string{"a=x-reactor-dc-chunking:1 many"}, wire.Features{}},
		{"in a media section", []string{"m=video 9 X 96", "a=x-reactor-frame-metadata:1"}, wire.Features{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sdp := strings.Join(append([]string{"v=0", "s=-"}, tt.lines...), "\r\n") + "\r\n"
			if got := wire.ParseFeatures(sdp); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestFeaturesInsert(t *testing.T) {
	all := wire.Features{FrameMetadata: true, MaxMessage: wire.MaxChunkedMessage}
	const plain = "v=0\r\ns=-\r\na=group:BUNDLE 0\r\nm=video 9 X 96\r\na=mid:0\r\n"
	const declared = "v=0\r\ns=-\r\na=group:BUNDLE 0\r\n" +
		"a=x-reactor-frame-metadata:1\r\na=x-reactor-dc-chunking:1 max-message-size=67108864\r\n" +
		"m=video 9 X 96\r\na=mid:0\r\n"
	if diff := cmp.Diff(declared, all.Insert(plain)); diff != "" {
		t.Errorf("insert (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(declared, all.Insert(declared)); diff != "" {
		t.Errorf("insert again (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(plain, wire.Features{}.Insert(declared)); diff != "" {
		t.Errorf("remove (-want +got):\n%s", diff)
	}
	if got := wire.ParseFeatures(all.Insert("v=0\r\n")); got != all {
		t.Errorf("without media sections: %+v", got)
	}
}

func TestFeaturesCommon(t *testing.T) {
	all := wire.Features{FrameMetadata: true, MaxMessage: 100}
	if got := all.Common(wire.Features{MaxMessage: 50}); got != (wire.Features{MaxMessage: 50}) {
		t.Errorf("got %+v", got)
	}
	if got := all.Common(wire.Features{FrameMetadata: true}); got != (wire.Features{FrameMetadata: true}) {
		t.Errorf("got %+v", got)
	}
}

func TestStruct(t *testing.T) {
	type pair struct {
		A int `json:"a"`
	}
	s, err := wire.NewStruct(map[string]any{
		"null": nil, "bool": true, "text": "x", "int": 3, "float": float32(0.5), "nan": math.NaN(), "inf": math.Inf(-1),
		"list": []any{1, "a", nil}, "object": map[string]any{"k": int64(-2)}, "strings": []string{"a"}, "struct": pair{A: 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"null": nil, "bool": true, "text": "x", "int": 3.0, "float": 0.5, "nan": nil, "inf": nil,
		"list": []any{1.0, "a", nil}, "object": map[string]any{"k": -2.0}, "strings": []any{"a"}, "struct": map[string]any{"a": 7.0},
	}
	if diff := cmp.Diff(want, wire.Map(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if wire.Map(nil) != nil {
		t.Error("an absent Struct is not nil")
	}
}

func TestStructRefuses(t *testing.T) {
	loop := map[string]any{}
	loop["self"] = loop
	tests := []struct {
		name string
		in   map[string]any
		want string
	}{
		{"function", map[string]any{"f": func() {}}, "f: json: unsupported type: func()"},
		{"text", map[string]any{"a": []any{"\xff"}}, `a: [0]: "\xff": not valid UTF-8`},
		{"key", map[string]any{"\xff": 1}, `key "\xff": not valid UTF-8`},
		{"itself", loop, "nested deeper than 200 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := wire.NewStruct(tt.in); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
