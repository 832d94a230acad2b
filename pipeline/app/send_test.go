package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// Commands by hand: what is printed, where, and the exit code.
func TestSend(t *testing.T) {
	t.Parallel()
	srv := serve(t, paintable)
	summary := filepath.Join(t.TempDir(), "s.json")
	var v invocation
	stop := v.start(t, "run", watch(t, srv.URL()), still(t, "q"), "--admin", "127.0.0.1:0", "--summary", summary)
	url := adminURL(t, &v)
	newClient(t, url).until(t, "p", phaseRunning)
	addr := strings.TrimPrefix(url, "http://")
	picture := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(picture, []byte("picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody := freePort(t)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a text", []string{"p", "set_prompt", "prompt=rain = wet"}, exitDone, "prompt_accepted\n  prompt: \"rain = wet\"\n"},
		{"a text of digits", []string{"p", "set_prompt", "prompt=4"}, exitDone, "prompt_accepted\n  prompt: \"4\"\n"},
		{"a text that begins as a file does", []string{"p", "set_prompt", "prompt=@home"}, exitDone, "prompt_accepted\n  prompt: \"@home\"\n"},
		{"as JSON", []string{"p", "set_prompt", "prompt=rain", "--json"}, exitDone, `{"type":"prompt_accepted","data":{"prompt":"rain"}}` + "\n"},
		{"a bare acknowledgement", []string{"p", "set_brightness", "brightness=0.5"}, exitDone, "set_brightness: taken\n"},
		{"an acknowledgement as JSON", []string{"p", "set_brightness", "brightness=0.5", "--json"}, exitDone, "{}\n"},
		{"a file", []string{"p", "set_image", "image=@" + picture}, exitDone, "set_image: taken\n"},
		{
			"every type",
			[]string{"p", "set_all", "n=3", "on=true", "size=720p", "note=null", `weights={"a":0.5}`, "list:=[1,2]"},
			exitDone,
			"all_set\n  list: [1,2]\n  n: 3\n  note: null\n  on: true\n  size: \"720p\"\n  weights: {\"a\":0.5}\n",
		},
		{"null by JSON", []string{"p", "set_all", "note:=null", "--session", "main"}, exitDone, "all_set\n  note: null\n"},
		{"the model refuses", []string{"p", "set_prompt", "prompt=forbidden"}, exitFailed, "reactorpipe: refused (moderated): not this\n"},
		{"out of range", []string{"p", "set_brightness", "brightness=3"}, exitConfig, "reactorpipe: brightness: 3 is above the maximum of 2\n"},
		{"no number", []string{"p", "set_brightness", "brightness=high"}, exitConfig, "reactorpipe: command \"set_brightness\": brightness: expected number, got \"high\"\n"},
		{"no integer", []string{"p", "set_all", "n=3.5"}, exitConfig, "reactorpipe: command \"set_all\": n: expected integer, got \"3.5\"\n"},
		{"no bool", []string{"p", "set_all", "on=yes"}, exitConfig, "reactorpipe: command \"set_all\": on: expected true or false, got \"yes\"\n"},
		{"no list", []string{"p", "set_all", "list=1;2"}, exitConfig, "reactorpipe: command \"set_all\": list: expected JSON, got \"1;2\"\n"},
		{"no such choice", []string{"p", "set_all", "size=4k"}, exitConfig, "reactorpipe: size: \"4k\" is not one of [\"480p\",\"720p\"]\n"},
		{"no file", []string{"p", "set_image", "image=a.png"}, exitConfig, "reactorpipe: command \"set_image\": image: expected a file, as image=@PATH\n"},
		{
			"a file that is not there",
			[]string{"p", "set_image", "image=@" + picture + "x"},
			exitConfig,
			"reactorpipe: command \"set_image\": image: open " + picture + "x: no such file or directory\n",
		},
		{"no such argument", []string{"p", "set_prompt", "promt=x"}, exitConfig, `reactorpipe: promt: unexpected argument; the command takes "prompt"; prompt: missing required argument` + "\n"},
		{
			"no such command",
			[]string{"p", "dance"},
			exitConfig,
			`reactorpipe: unknown command "dance"; the model has "set_all", "set_brightness", "set_image", "set_prompt"` + "\n",
		},
		{"no such pipeline", []string{"gate", "set_prompt"}, exitConfig, "reactorpipe: there is no pipeline \"gate\"\n"},
		{"no such session", []string{"p", "set_prompt", "--session", "b"}, exitConfig, "reactorpipe: session: must be main, got \"b\"\n"},
		{"no session", []string{"q", "dance"}, exitConfig, "reactorpipe: pipeline \"q\" has no session\n"},
		{"no pipeline named", nil, exitUsage, "reactorpipe: send: which pipeline? Its name and a command are needed\n"},
		{"no command named", []string{"p"}, exitUsage, "reactorpipe: send: which command should go to p?\n"},
		{"no argument", []string{"p", "set_prompt", "rain"}, exitUsage, "reactorpipe: send: an argument must be NAME=VALUE or NAME:=JSON, got \"rain\"\n"},
		{"twice", []string{"p", "set_prompt", "prompt=a", "prompt=b"}, exitUsage, "reactorpipe: send: prompt: is given twice\n"},
		{"no JSON", []string{"p", "set_prompt", "prompt:=rain"}, exitUsage, "reactorpipe: send: prompt: must be JSON, got rain\n"},
		{"no address", []string{"p", "set_prompt", "--admin", "here"}, exitUsage, "reactorpipe: --admin: must be host:port, got \"here\"\n"},
		{
			"nobody there",
			[]string{"p", "set_prompt", "--admin", nobody},
			exitFailed,
			"reactorpipe: admin port " + nobody + ": nobody listens there (is reactorpipe run under way, and on that port? see --admin)\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"send"}, tt.args...)
			if !strings.Contains(strings.Join(args, " "), "--admin") {
				args = append(args, "--admin", addr)
			}
			var s invocation
			if code := s.main(t, args...); code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			if diff := cmp.Diff(s.out.String()+s.err.String(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
	if code := stop(); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	p := readSummary(t, summary)["pipelines"].([]any)[0]
	first := at(t, p, "command_list").([]any)[0]
	if at(t, first, "command") != "set_prompt" || at(t, first, "cause", "node") != "send" {
		t.Errorf("the summary's first command: %v", first)
	}
}

// Beyond loopback a command wants the token.
func TestSendWithAToken(t *testing.T) {
	t.Parallel()
	srv := serve(t, paintable)
	dir := t.TempDir()
	token, wrong := filepath.Join(dir, "token"), filepath.Join(dir, "wrong")
	for path, text := range map[string]string{token: "secret\n", wrong: "secre\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var v invocation
	v.start(t, "run", watch(t, srv.URL()), "--admin", "0.0.0.0:0", "--admin-token-file", token)
	addr := strings.Replace(strings.TrimPrefix(adminURL(t, &v), "http://"), "[::]", "127.0.0.1", 1)
	v.err.waitFor(t, "session ready")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"right", []string{"--token-file", token}, exitDone, "set_brightness: taken\n"},
		{"wrong", []string{"--token-file", wrong}, exitRefused, "reactorpipe: the admin token is missing or wrong\n"},
		{"none", nil, exitRefused, "reactorpipe: the admin token is missing or wrong\n"},
		{"missing", []string{"--token-file", token + "x"}, exitConfig, "reactorpipe: --token-file: open " + token + "x: no such file or directory\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s invocation
			if code := s.main(t, append([]string{"send", "p", "set_brightness", "brightness=1", "--admin", addr}, tt.args...)...); code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			if diff := cmp.Diff(s.out.String()+s.err.String(), tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where the schema says nothing, what reads as JSON is that.
func TestWords(t *testing.T) {
	text, number, null := &sdk.ValueSchema{Type: "string"}, &sdk.ValueSchema{Type: "number"}, &sdk.ValueSchema{Type: "null"}
	tests := []struct {
		name, word string
		schema     *sdk.ValueSchema
		want       any
	}{
		{"nothing known, a number", "a=4", nil, 4.0},
		{"nothing known, a text", "a=rain", nil, "rain"},
		{"nothing known, a list", "a=[1]", nil, []any{1.0}},
		{"a type we do not know", "a=4", &sdk.ValueSchema{Type: "thing"}, 4.0},
		{"a number or null", "a=null", &sdk.ValueSchema{AnyOf: []*sdk.ValueSchema{number, null}}, nil},
		{"a text or a number", "a=4", &sdk.ValueSchema{AnyOf: []*sdk.ValueSchema{text, number}}, 4.0},
		{"a text or a number, no number", "a=x", &sdk.ValueSchema{AnyOf: []*sdk.ValueSchema{text, number}}, "x"},
		{"empty", "a=", text, ""},
		{"JSON for a text", `a:="x"`, text, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			words, err := parseWords([]string{tt.word})
			if err != nil {
				t.Fatal(err)
			}
			got, err := words[0].value(tt.schema)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
	if path, ok := (word{name: "a", text: "@x"}).file(nil); !ok || path != "x" {
		t.Errorf("a file where nothing is known: %q, %v", path, ok)
	}
}

func FuzzWord(f *testing.F) {
	f.Add("a=1", `{"type":"number"}`)
	f.Add(`a:={"x":[1]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`)
	f.Fuzz(func(t *testing.T, text, document string) {
		words, err := parseWords([]string{text})
		if err != nil {
			return
		}
		var schema sdk.ValueSchema
		if json.Unmarshal([]byte(document), &schema) != nil {
			return
		}
		if v, err := words[0].value(&schema); err == nil {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%q is no JSON: %v", text, err)
			}
		}
	})
}
