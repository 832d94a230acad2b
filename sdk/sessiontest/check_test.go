package sessiontest

import (
	"encoding/json"
	"testing"
)

func TestCheck(t *testing.T) {
	c := Command{Args: []Arg{
		{Name: "brightness", Type: Number().Between(0, 2), Default: 1.0},
		{Name: "frames", Type: Integer().Between(1, 200), Optional: true},
		{Name: "text", Type: String().Length(1, 5), Optional: true},
		{Name: "mode", Type: OneOf("a", "b"), Optional: true},
		{Name: "effect", Type: Type{json: stringType, OneOf: []any{"a"}, Class: "Effect"}, Optional: true},
		{Name: "choice", Type: Type{json: stringType, Choices: []any{"a", "b"}}, Optional: true},
		{Name: "flag", Type: Boolean(), Optional: true},
		{Name: "list", Type: List(Integer().AtLeast(2)), Optional: true},
		{Name: "dict", Type: Dict(Number()), Optional: true},
		{Name: "record", Type: Record(Arg{Name: "f", Type: String()}, Arg{Name: "g", Type: Number().AtMost(1), Default: 1.0}), Optional: true},
		{Name: "file", Type: File(), Optional: true},
		{Name: "maybe", Type: String().OrNull(), Optional: true},
		{Name: "any", Optional: true},
		{Name: "must", Type: String(), Default: nil, Optional: false},
	}}
	tests := []struct {
		name, args, want string
	}{
		{"fits", `{}`, ""},
		{"integer for a number", `{"brightness":1}`, ""},
		{"whole double for an integer", `{"frames":3.0}`, ""},
		{"undeclared goes before all else", `{"brightness":"x","y":1}`, `unexpected argument`},
		{"number", `{"brightness":"high"}`, `expected number, got str`},
		{"bool is no number", `{"brightness":true}`, `expected number, got bool`},
		{"null", `{"brightness":null}`, `expected number, got NoneType`},
		{"fraction", `{"frames":3.5}`, `expected integer, got float`},
		{"string", `{"text":1}`, `expected string, got float`},
		{"boolean", `{"flag":[]}`, `expected boolean, got list`},
		{"array", `{"list":{}}`, `expected array, got dict`},
		{"object", `{"dict":"x"}`, `expected object, got str`},
		{"literal", `{"mode":"x"}`, `'x' not one of ['a', 'b']`},
		{"enum", `{"effect":"x"}`, `'x' not a valid Effect`},
		{"choices", `{"choice":"x"}`, `choice: 'x' not in choices ['a', 'b']`},
		{"below", `{"brightness":-1}`, `brightness: -1.0 < ge(0.0)`},
		{"above", `{"brightness":9}`, `brightness: 9.0 > le(2.0)`},
		{"below, integer", `{"frames":0}`, `frames: 0.0 < ge(1)`},
		{"short", `{"text":""}`, `text: length 0 < min_length(1)`},
		{"long", `{"text":"äöüßxx"}`, `text: length 6 > max_length(5)`},
		{"element", `{"list":[3,"x"]}`, `[1]: expected integer, got str`},
		{"element's constraint", `{"list":[1]}`, `[0]: 1.0 < ge(2)`},
		{"entry", `{"dict":{"k":"x"}}`, `['k']: expected number, got str`},
		{"field missing", `{"record":{}}`, `missing required field 'f'`},
		{"field", `{"record":{"f":1}}`, `f: expected string, got float`},
		{"field's constraint", `{"record":{"f":"x","g":2}}`, `g: 2.0 > le(1.0)`},
		{"no upload", `{"file":"a.png"}`, `expected an upload reference with a string 'upload_id'`},
		{"upload", `{"file":{"upload_id":"u1"}}`, ""},
		{"null allowed", `{"maybe":null}`, ""},
		{"anything", `{"any":[1,{"x":null}]}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var args map[string]any
			if err := json.Unmarshal([]byte(tt.args), &args); err != nil {
				t.Fatal(err)
			}
			args["must"] = "x"
			if _, err := c.check(args); reason(err) != tt.want {
				t.Errorf("got %s, want %s", reason(err), tt.want)
			}
		})
	}
	if _, err := c.check(nil); reason(err) != "missing required argument" {
		t.Errorf("got %s", reason(err))
	}
	c.Open = true
	if got, err := c.check(map[string]any{"brightness": "x", "y": 1.0}); err != nil || len(got) != 2 {
		t.Errorf("open: got %v, %v", got, err)
	}
}

func reason(b *breach) string {
	if b == nil {
		return ""
	}
	return b.reason
}

func TestRepr(t *testing.T) {
	tests := []struct {
		value any
		want  string
	}{
		{nil, "None"},
		{true, "True"},
		{1.0, "1.0"},
		{0.1, "0.1"},
		{1e16, "1e+16"},
		{1e15, "1000000000000000.0"},
		{1e-5, "1e-05"},
		{"it's", `"it's"`},
		{`a"b'`, `'a"b\''`},
		{"a\nb\\", `'a\nb\\'`},
		{[]any{"a", 1.0}, "['a', 1.0]"},
		{map[string]any{"b": false, "a": nil}, "{'a': None, 'b': False}"},
	}
	for _, tt := range tests {
		if got := repr(tt.value); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestSections(t *testing.T) {
	got := sections("v=0\r\na=x\r\nm=audio 9 X 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=sendonly\r\nm=video 9 X 96\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\nm=application 9 X\r\na=mid:2\r\n")
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	if a, v := got[0], got[1]; a.mid != "0" || a.receives() || v.mid != "v" || !v.receives() || v.common([]string{"h264", "vp8"}) != "vp8" {
		t.Errorf("got %+v", got)
	}
}
