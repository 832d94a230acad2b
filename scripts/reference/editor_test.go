package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An editor with the YAML language server has nothing against the files of the
// repository, and underlines the mistakes that it can see.
func TestEditor(t *testing.T) {
	e := startEditor(t)
	var files []string
	for _, pattern := range []string{"configs/*.yaml", folder + "/examples/*/*.yaml", "examples/tested/*_test.yaml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no file (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range e.open(file, string(text)) {
			t.Errorf("%s: %s", file, said)
		}
	}

	quickstart := contentsOf(t, "configs/quickstart.yaml")
	tested := contentsOf(t, "examples/tested/crosswalk_test.yaml")
	mistakes := []struct {
		name, file, text, old, new string
		want                       []string
	}{
		{"a key of a sink", "configs/quickstart.yaml", quickstart, "cooldown:", "cooldwn:", []string{"Property cooldwn is not allowed."}},
		{"a key of a kind", "configs/quickstart.yaml", quickstart, "command: set_prompt", "comand: set_prompt", []string{`Missing property "command".`, "Property comand is not allowed."}},
		{"a key of the file", "configs/quickstart.yaml", quickstart, "sinks:", "snks:", []string{`Missing property "sinks".`, "Property snks is not allowed."}},
		{"a word", "configs/quickstart.yaml", quickstart, "edge: rise", "edge: raise", []string{`Value is not accepted. Valid values: "rise", "fall", "change", "while".`}},
		{"a duration", "configs/quickstart.yaml", quickstart, "cooldown: 5s", "cooldown: soon", []string{"must be a duration such as 5s"}},
		{"a key of a test", "examples/tested/crosswalk_test.yaml", tested, "messages:", "mesages:", []string{"Property mesages is not allowed."}},
	}
	for _, tt := range mistakes {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.text, tt.old) {
				t.Fatalf("%s has no %q", tt.file, tt.old)
			}
			got := e.open(filepath.Join(root, tt.file), strings.Replace(tt.text, tt.old, tt.new, 1))
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func contentsOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// editor talks to a language server as an editor does.
type editor struct {
	t      *testing.T
	in     io.Writer
	out    *bufio.Reader
	opened int
}

// message is one of the language server protocol's.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
}

func startEditor(t *testing.T) *editor {
	t.Helper()
	gopath, err := exec.CommandContext(t.Context(), "go", "env", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := filepath.Join(strings.TrimSpace(string(gopath)), "bin", "yaml-language-server")
	if _, err := os.Stat(server); err != nil {
		t.Skip("yaml-language-server is not installed; scripts/setup ci installs it")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("yaml-language-server needs node, which is not installed")
	}
	cmd := exec.CommandContext(t.Context(), server, "--stdio")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	e := &editor{t: t, in: in, out: bufio.NewReader(out)}
	e.send(message{ID: json.RawMessage("1"), Method: "initialize", Params: asText(map[string]any{
		"processId": os.Getpid(), "rootUri": nil,
		"capabilities": map[string]any{
			"workspace":    map[string]any{"configuration": true},
			"textDocument": map[string]any{"publishDiagnostics": map[string]any{}},
		},
	})})
	for {
		if m := e.receive(); string(m.ID) == "1" && m.Method == "" {
			break
		}
	}
	e.send(message{Method: "initialized", Params: json.RawMessage("{}")})
	return e
}

func asText(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of a test's own making
	}
	return text
}

func (e *editor) send(m message) {
	e.t.Helper()
	m.JSONRPC = "2.0"
	text := asText(m)
	if _, err := fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(text), text); err != nil {
		e.t.Fatal(err)
	}
}

// receive returns the server's next message, and answers what it asks for.
func (e *editor) receive() message {
	e.t.Helper()
	header, err := textproto.NewReader(e.out).ReadMIMEHeader()
	if err != nil {
		e.t.Fatal(err)
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		e.t.Fatal(err)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(e.out, text); err != nil {
		e.t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		e.t.Fatal(err)
	}
	if m.Method != "" && m.ID != nil {
		e.send(message{ID: m.ID, Result: e.answer(m)})
	}
	return m
}

// answer is what a server gets that asks: no settings, but that it is not to look
// for schemas in the internet.
func (e *editor) answer(m message) json.RawMessage {
	if m.Method != "workspace/configuration" {
		return json.RawMessage("null")
	}
	var asked struct {
		Items []struct{ Section string }
	}
	if err := json.Unmarshal(m.Params, &asked); err != nil {
		e.t.Fatal(err)
	}
	settings := make([]any, len(asked.Items))
	for i, item := range asked.Items {
		if item.Section == "yaml" {
			settings[i] = map[string]any{"validate": true, "schemaStore": map[string]any{"enable": false}}
		}
	}
	return asText(settings)
}

// open opens a file with some text and returns what the server says of it.
func (e *editor) open(file, text string) []string {
	e.t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		e.t.Fatal(err)
	}
	e.opened++ // each under a name of its own, beside the file
	uri := fmt.Sprintf("file://%s/%d-%s", filepath.Dir(path), e.opened, filepath.Base(path))
	document := map[string]any{"uri": uri, "languageId": "yaml", "version": 1, "text": text}
	e.send(message{Method: "textDocument/didOpen", Params: asText(map[string]any{"textDocument": document})})
	for {
		m := e.receive()
		if m.Method != "textDocument/publishDiagnostics" {
			continue
		}
		var p struct {
			URI         string
			Diagnostics []struct{ Message string }
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			e.t.Fatal(err)
		}
		if p.URI != uri {
			continue
		}
		var said []string
		for _, d := range p.Diagnostics {
			said = append(said, d.Message)
		}
		slices.Sort(said)
		return said
	}
}
