package scaffold

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// Pipeline is what somebody wishes of a first pipeline.
type Pipeline struct {
	// Path of the file, for the commands in its comments.
	Path string
	// Model, URL and Clip: with whom the session is. Without any of them it is
	// simulated, with a test pattern.
	Model, URL, Clip string
	// Schema of the model; nil where it is not known.
	Schema *sdk.Schema
	// Detect are the stages that find something, beside the line.
	Detect []Detector
	// Record and Events are files, "" for none.
	Record, Events string
	// Preview is the live page.
	Preview bool
}

// Detector is a stage that finds something.
type Detector struct {
	Name, Kind string
}

// Text returns the file.
func (p Pipeline) Text() string {
	w := &writer{}
	p.head(w)
	p.session(w)
	p.sources(w)
	p.stages(w)
	p.sinks(w)
	return w.String()
}

// writer writes lines of YAML.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// comment writes a paragraph as comments, wrapped.
func (w *writer) comment(indent, text string) {
	const width = 100
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+len(line)+len(word) > width {
			w.line("%s# %s", indent, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		w.line("%s# %s", indent, line)
	}
}

func (p Pipeline) head(w *writer) {
	w.line("# yaml-language-server: $schema=pipeline.schema.json")
	w.line("")
	commands := [][2]string{
		{"validate " + p.Path, "every mistake at once"},
		{"plan " + p.Path, "what happens to each frame, and what it costs"},
		{"run " + p.Path, "Ctrl-C ends it"},
		{"run " + p.Path + " --sim x.mp4", "without its model"},
		{"schema >pipeline.schema.json", "for editors: completion and checks in this file"},
	}
	width := 0
	for _, c := range commands {
		width = max(width, len(c[0]))
	}
	for _, c := range commands {
		w.line("#   reactorpipe %-*s   %s", width, c[0], c[1])
	}
	w.line("")
}

func (p Pipeline) session(w *writer) {
	switch {
	case p.Model != "":
		w.line("# The key is that of REACTOR_API_KEY, or api_key: ${MY_KEY} here.")
		w.line("session:")
		w.line("  model: %s", literal(p.Model))
	case p.URL != "":
		w.line("# A local runtime, which needs no key. A model of the cloud: {model: reactor/x2}.")
		w.line("session:")
		w.line("  url: %s", literal(p.URL))
	case p.Clip != "":
		w.line("# A simulated model that shows a clip. A real one: {model: reactor/x2}.")
		w.line("session:")
		w.line("  sim: {clip: %s}", literal(p.Clip))
	default:
		w.line("# A simulated model that shows a test pattern. A real one: {model: reactor/x2}.")
		w.line("session:")
		w.line("  sim: {}")
	}
	p.start(w)
	w.line("")
}

// start shows the commands that a session can begin with.
func (p Pipeline) start(w *writer) {
	if p.Schema == nil || len(p.Schema.Commands) == 0 {
		return
	}
	w.line("  # Commands that each session of ours begins with; wait: TYPE waits for a message, too.")
	w.line("  # start:")
	for _, c := range p.Schema.Commands {
		w.line("  #   - {command: %s, data: {%s}}", literal(c.Name), strings.Join(arguments(c), ", "))
	}
}

// arguments are those of a command, each with a value that it takes.
func arguments(c sdk.CommandSchema) []string {
	var list []string
	for _, a := range c.Args {
		if v := example(a); v != "" {
			list = append(list, literal(a.Name)+": "+v)
		}
	}
	return list
}

func (p Pipeline) sources(w *writer) {
	w.line("sources:")
	tracks := p.videos("out")
	if len(tracks) == 0 {
		if p.Model != "" || p.URL != "" {
			w.line("  # The model's video. The name of its track is a guess.")
		}
		tracks = []string{"main_video"}
	}
	w.line("  cam: {track: %s}", literal(tracks[0]))
	for _, track := range tracks[1:] {
		w.line("  # %s: {track: %s}", nodeName("cam", track), literal(track))
	}
	if p.Schema == nil || len(p.Schema.Messages) == 0 {
		w.line("")
		return
	}
	w.line("  # What the model says: frames without pixels, for sinks, and a name in any expression.")
	for _, m := range p.Schema.Messages {
		w.comment("  ", m.Summary)
		w.line("  # %s: {message: %s}%s", nodeName("on", m.Name), literal(m.Name), fields(m, nodeName("on", m.Name)))
	}
	w.line("")
}

func fields(m sdk.MessageSchema, source string) string {
	if len(m.Fields) == 0 {
		return ""
	}
	words := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		words[i] = fmt.Sprintf("%s.data.%s: %s", source, oneLine(f.Name), oneLine(f.Value.String()))
	}
	return "   # " + strings.Join(words, ", ")
}

// videos are the tracks of the model with pictures.
func (p Pipeline) videos(direction string) []string {
	var names []string
	if p.Schema == nil {
		return nil
	}
	for _, t := range p.Schema.Tracks {
		if t.Kind == "video" && t.Direction == direction {
			names = append(names, t.Name)
		}
	}
	return names
}

func (p Pipeline) stages(w *writer) {
	if len(p.Detect) == 0 {
		w.line("# Stages look at the picture or change it, one after the other: `reactorpipe list` has their kinds.")
		w.line("# stages:")
		w.line("#   - {name: small, type: resize, config: {width: 640}}")
		w.line("")
		return
	}
	w.line("stages:")
	w.line("  # async: beside the line, on the newest frame; ttl is how long a result is held on those that follow.")
	for _, d := range p.Detect {
		w.line("  - {name: %s, type: %s, from: cam, async: true, ttl: 2s}", d.Name, d.Kind)
	}
	if p.draws() {
		w.line("  # The picture of cam, the annotations of all, drawn.")
		w.line("  - {name: boxes, type: overlay, from: cam, with: [%s]}", strings.Join(p.detectors(), ", "))
	}
	w.line("")
}

// draws says that there is somebody to look at boxes.
func (p Pipeline) draws() bool { return len(p.Detect) > 0 && (p.Preview || p.Record != "") }

func (p Pipeline) detectors() []string {
	names := make([]string, len(p.Detect))
	for i, d := range p.Detect {
		names[i] = d.Name
	}
	return names
}

func (p Pipeline) sinks(w *writer) {
	picture, seen := "cam", "cam"
	if p.draws() {
		picture = "boxes"
	}
	if len(p.Detect) > 0 {
		seen = p.Detect[0].Name
	}
	w.line("sinks:")
	if p.Preview {
		w.line("  # Live at http://127.0.0.1:8090, or at the next port that is free: the log says.")
		w.line("  - {name: page, type: preview, from: %s}", picture)
	}
	if p.Record != "" {
		w.line("  - {name: video, type: record, from: %s, config: {path: %s}}", picture, fileName(p.Record))
	}
	if p.Events != "" {
		w.line("  # A line of JSON for each frame: what was seen in it.")
		w.line("  - {name: events, type: jsonl, from: %s, config: {path: %s}}", seen, fileName(p.Events))
	}
	if !p.Preview && p.Record == "" && p.Events == "" {
		w.line("  - {name: nowhere, type: discard, from: %s}", seen)
	}
	p.inputs(w, picture)
	p.commands(w, seen)
}

// inputs shows how a picture gets back into the model.
func (p Pipeline) inputs(w *writer, picture string) {
	for _, track := range p.videos("in") {
		w.line("")
		w.line("  # The picture back into the model, as its input track.")
		w.line("  # - {name: %s, type: publish, from: %s, config: {track: %s, fps: 15}}", nodeName("to", track), picture, literal(track))
	}
}

// commands shows each command of the model as a sink.
func (p Pipeline) commands(w *writer, from string) {
	if p.Schema == nil {
		return
	}
	when := "frame.seq % 300 == 0"
	if len(p.Detect) > 0 {
		when = "len(" + from + ".detections) > 0"
	}
	for _, c := range p.Schema.Commands {
		w.line("")
		w.comment("  ", c.Summary)
		w.line("  # - name: %s", nodeName("send", c.Name))
		w.line("  #   type: command")
		w.line("  #   from: %s", from)
		w.line("  #   when: %s", literal(when))
		w.line("  #   cooldown: 5s")
		if len(c.Args) == 0 {
			w.line("  #   config: {command: %s}", literal(c.Name))
			continue
		}
		w.line("  #   config:")
		w.line("  #     command: %s", literal(c.Name))
		w.line("  #     data:")
		for _, a := range c.Args {
			w.argument(a)
		}
	}
}

// argument writes one with its type and range; {{ expr }} may take the place of
// the value.
func (w *writer) argument(a sdk.ArgSchema) {
	v := example(a)
	about := oneLine(a.Value.String())
	if a.Required {
		about += ", required"
	}
	if a.Default != nil {
		about += ", " + oneLine(asJSON(a.Default)) + " by default"
	}
	if a.Description != "" {
		about += ": " + oneLine(a.Description)
	}
	if v == "" {
		w.line("  #       # %s: …   %s", literal(a.Name), about)
		return
	}
	w.line("  #       %s: %s   # %s", literal(a.Name), v, about)
}

// example is a value that an argument takes, as a pipeline's file has it; "" for
// one that can be left out and that nothing is known of.
func example(a sdk.ArgSchema) string {
	if a.Default != nil {
		return literal(a.Default)
	}
	value, nullable := a.Value.Nullable()
	if nullable && !a.Required {
		return ""
	}
	if value.File() {
		if !a.Required {
			return ""
		}
		return "{file: picture.png}"
	}
	return literal(sample(value))
}

// sample is the plainest value that a schema takes.
func sample(v *sdk.ValueSchema) any {
	if inner, ok := v.Nullable(); ok {
		return sample(inner)
	}
	switch {
	case len(v.Enum) > 0:
		return v.Enum[0]
	case len(v.AnyOf) > 0:
		return sample(v.AnyOf[0])
	}
	switch v.Type {
	case "integer", "number":
		switch {
		case v.Minimum != nil:
			return *v.Minimum
		case v.Maximum != nil && *v.Maximum < 0:
			return *v.Maximum
		}
		return 0
	case "boolean":
		return false
	case "array":
		return []any{}
	case "object":
		record := make(map[string]any)
		for _, name := range v.Required {
			if field := v.Properties[name]; field != nil {
				record[name] = sample(field)
			}
		}
		return record
	default:
		text := "…"
		if v.MinLength != nil {
			text = strings.Repeat("…", max(1, min(*v.MinLength, 100)))
		}
		return text
	}
}

var plainWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/.-]*$`)

// literal is a value as a pipeline's file has it: nothing in it is a variable,
// a template or anything else of YAML's.
func literal(v any) string {
	text, ok := v.(string)
	if !ok {
		return escaped(asJSON(v))
	}
	words := []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
	if plainWord.MatchString(text) && !slices.Contains(words, strings.ToLower(text)) {
		return text
	}
	return escaped(asJSON(text))
}

// fileName is a file's name as a pipeline has it, with its variables and templates.
func fileName(name string) string {
	if plainWord.MatchString(name) {
		return name
	}
	return asJSON(name)
}

// escaped protects a text of JSON from being expanded or computed.
func escaped(text string) string {
	return strings.NewReplacer("$", "$$", "{{", `{{'{{'}}`).Replace(text)
}

func asJSON(v any) string {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "null" // a schema came from JSON, and goes back to it
	}
	return strings.TrimSpace(text.String())
}

// oneLine keeps a model's words from ending a comment.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var notInNames = regexp.MustCompile(`[^a-z0-9_]+`)

// nodeName is a name for a node made of somebody else's. What stands before it
// keeps it from being a word of expressions.
func nodeName(before, name string) string {
	return before + "_" + strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "_"), "_")
}
