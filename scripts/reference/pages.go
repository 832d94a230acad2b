package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

const (
	folder    = "docs/reference"
	generated = "<!-- Written by `make generate` from the comments in the code and docs/reference/examples. -->\n\n"
)

//go:embed expressions.md
var expressions string

//go:embed reload.md
var reload string

// page is a page of Markdown while it is written.
type page struct {
	strings.Builder
	root string
	errs []error
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) paragraph(format string, args ...any) { p.line(format+"\n", args...) }

// pages adds the pages of the reference to files.
func pages(files map[string][]byte, root string, reg *pipeline.Registry, ref *config.Reference, tests []config.Field) error {
	for name, write := range map[string]func(*page){
		"file.md":    func(p *page) { p.file(ref, tests) },
		"sources.md": func(p *page) { p.sources(reg, ref) },
		"stages.md":  func(p *page) { p.stages(reg, ref) },
		"sinks.md":   func(p *page) { p.sinks(reg, ref) },
		"tests.md":   func(p *page) { p.tests(tests) },
	} {
		p := &page{root: root}
		p.WriteString(generated)
		write(p)
		if len(p.errs) > 0 {
			return p.errs[0]
		}
		files[folder+"/"+name] = []byte(strings.TrimRight(p.String(), "\n") + "\n")
	}
	return nil
}

func (p *page) file(ref *config.Reference, tests []config.Field) {
	p.paragraph("# The file")
	p.paragraph("A pipeline is one YAML file. Its [sources](sources.md) yield frames, its [stages](stages.md) work on " +
		"them, its [sinks](sinks.md) send them, or what was seen in them, out of the program.")
	p.table(ref.File)
	p.paragraph("Keys that are not listed are refused. In every text `${NAME}` is an environment variable, " +
		"`${NAME:-default}` one with a default, `${file:path}` what a file holds, and `$${` is a plain `${`. Anchors, " +
		"aliases and `<<` work as in all of YAML. Files that are read are looked for beside the pipeline's file, files " +
		"that are written beside the process (its working directory).")
	p.paragraph("`reactorpipe schema` prints all of this as a JSON Schema. With it an editor that has the YAML " +
		"language server completes keys and underlines mistakes:")
	p.paragraph("```yaml\n# yaml-language-server: $schema=pipeline.schema.json\n```")
	p.paragraph("## Session")
	p.paragraph("One session with a model: under `session`, or under `sessions` by name.")
	p.table(ref.Session)
	p.paragraph("## Every source")
	p.paragraph("One key says the kind of a source (`{track: main_video}`); the others are that kind's, and")
	p.table(ref.Source)
	p.paragraph("## Every stage")
	p.table(ref.Stage)
	p.paragraph("## Every sink")
	p.table(ref.Sink)
	p.paragraph("%s", strings.TrimSpace(expressions))
	p.paragraph("%s", strings.TrimSpace(reload))
	p.types(ref, tests)
}

func (p *page) tests(fields []config.Field) {
	p.paragraph("# Tests")
	p.paragraph("`NAME_test.yaml` holds the tests of the pipeline `NAME.yaml`; `reactorpipe test` runs them. " +
		"[Testing pipelines](../testing.md) says how to write them.")
	p.table(fields)
	p.paragraph("Keys that are not listed are refused. Nothing is expanded in a file of tests: its `env` is what `${NAME}` " +
		"stands for in the pipeline. Files are looked for beside the file of tests. `reactorpipe schema --tests` prints " +
		"all of this as a JSON Schema, for editors:")
	p.paragraph("```yaml\n# yaml-language-server: $schema=pipeline_test.schema.json\n```")
}

// types explains each type that a key of the file, of a kind or of a file of
// tests has.
func (p *page) types(ref *config.Reference, tests []config.Field) {
	texts := map[string]string{}
	for _, fields := range [][]config.Field{ref.File, ref.Session, ref.Source, ref.Stage, ref.Sink, tests} {
		collect(texts, fields)
	}
	for _, kinds := range [][]config.Kind{ref.Sources, ref.Stages, ref.Sinks} {
		for _, k := range kinds {
			collect(texts, k.Fields)
		}
	}
	p.paragraph("## Types")
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		p.paragraph("### %s", name)
		p.paragraph("%s", texts[name])
	}
}

func collect(texts map[string]string, fields []config.Field) {
	for _, f := range fields {
		collectForm(texts, f.Form)
	}
}

func collectForm(texts map[string]string, f config.Form) {
	if f.Of != nil {
		collectForm(texts, *f.Of)
	}
	collect(texts, f.Fields)
	if f.Text != "" && f.Choices == nil {
		texts[f.Word] = f.Text
	}
}

func (p *page) sources(reg *pipeline.Registry, ref *config.Reference) {
	p.paragraph("# Sources")
	p.paragraph("Where frames come from. [The file](file.md#every-source) says what all of them share.")
	for _, k := range ref.Sources {
		t, _ := reg.Source(k.Name)
		var traits []string
		if t.Messages {
			traits = append(traits, "Its frames are messages: they have no pixels")
		}
		if t.Session {
			traits = append(traits, "needs a session")
		}
		p.kind(k, "sources", traits)
	}
}

func (p *page) stages(reg *pipeline.Registry, ref *config.Reference) {
	p.paragraph("# Stages")
	p.paragraph("What works on frames, one after the other. [The file](file.md#every-stage) says what all of them " +
		"share; the keys here stand under `config`.")
	for _, k := range ref.Stages {
		t, _ := reg.Stage(k.Name)
		traits := []string{pixels(t.Pixels)}
		if len(t.Sets) > 0 {
			names := make([]string, len(t.Sets))
			for i, kind := range t.Sets {
				names[i] = "`" + kind.Name() + "`"
			}
			traits = append(traits, "sets "+strings.Join(names, " and "))
		}
		if t.Pixels.Write == pipeline.NoWrite {
			traits = append(traits, "may be `async` or have a `rate`")
		}
		if t.Stateless {
			traits = append(traits, "may have several `workers`")
		}
		p.kind(k, "stages", traits)
	}
}

func (p *page) sinks(reg *pipeline.Registry, ref *config.Reference) {
	p.paragraph("# Sinks")
	p.paragraph("What sends frames, or what was seen in them, out of the pipeline. [The file](file.md#every-sink) says " +
		"what all of them share; the keys here stand under `config`.")
	for _, k := range ref.Sinks {
		t, _ := reg.Sink(k.Name)
		traits := []string{pixels(t.Pixels), fmt.Sprintf("`queue` is {depth: %d, on_full: %s}", t.Queue.Depth, t.Queue.OnFull)}
		if t.Edge != pipeline.While {
			traits = append(traits, fmt.Sprintf("`edge` is %s", t.Edge))
		}
		if t.Session {
			traits = append(traits, "needs a session")
		}
		if t.Encoded {
			traits = append(traits, "`from` is a source: takes its pictures before they are decoded")
		}
		if t.Audio {
			traits = append(traits, "`audio` may be the source of its frames: takes the sound with them")
		}
		p.kind(k, "sinks", traits)
	}
}

func pixels(x pipeline.Pixels) string {
	read := map[pipeline.Access]string{
		pipeline.NoRead: "Reads no pixels", pipeline.Gray: "Reads pixels in gray",
		pipeline.BGR: "Reads pixels as BGR", pipeline.Native: "Reads pixels as they were decoded",
	}
	write := map[pipeline.Change]string{
		pipeline.Edit: ", changes them in place", pipeline.Reshape: ", makes a picture of another size",
	}
	return read[x.Read] + write[x.Write]
}

// kind writes the section of one kind.
func (p *page) kind(k config.Kind, section string, traits []string) {
	p.paragraph("## %s", k.Name)
	p.paragraph("%s", k.Text)
	if len(traits) > 0 {
		p.paragraph("*%s.*", capital(strings.Join(traits, "; ")))
	}
	p.table(k.Fields)
	p.paragraph("```yaml\n%s\n```", p.example(section, k.Name))
}

// example returns a pipeline with that kind in it.
func (p *page) example(section, kind string) string {
	path := filepath.Join(folder, "examples", section, kind+".yaml")
	text, err := os.ReadFile(filepath.Join(p.root, path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.errs = append(p.errs, fmt.Errorf("%s is missing: each kind has a pipeline that shows it", path))
	case err != nil:
		p.errs = append(p.errs, err)
	}
	_, pipeline, _ := strings.Cut(string(text), "\n") // the first line is for editors
	return strings.TrimSpace(pipeline)
}

// table writes a table of keys, those of maps in maps too.
func (p *page) table(fields []config.Field) {
	if len(fields) == 0 {
		return
	}
	p.line("| key | type | default | |")
	p.line("|---|---|---|---|")
	p.rows("", fields)
	p.line("")
}

func (p *page) rows(prefix string, fields []config.Field) {
	for _, f := range fields {
		preset := ""
		switch {
		case f.Required:
			preset = "required"
		case f.Default != nil:
			preset = "`" + value(f.Default) + "`"
		}
		text := cell(f.Text)
		if f.Live {
			text += " [*Live.*](file.md#changing-a-pipeline-as-it-runs)"
		}
		p.line("| `%s%s` | %s | %s | %s |", prefix, f.Key, kindOf(f.Form), preset, text)
		switch {
		case f.Form.Of != nil:
			p.rows(prefix+f.Key+"[].", f.Form.Of.Fields)
		default:
			p.rows(prefix+f.Key+".", f.Form.Fields)
		}
	}
}

// value is a default as a file has it.
func value(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	words := make([]string, len(list))
	for i, e := range list {
		words[i] = value(e)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// cell is a text in a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n\n", "<br>").Replace(s)
}

// kindOf says what a value looks like.
func kindOf(f config.Form) string {
	switch {
	case f.Choices != nil:
		words := make([]string, len(f.Choices))
		for i, c := range f.Choices {
			words[i] = fmt.Sprintf("`%v`", c)
		}
		return strings.Join(words, ", ")
	case f.Word == "list" || f.Word == "map":
		return f.Word + " of " + kindOf(*f.Of)
	case f.Word == "keys":
		return "map"
	case f.Word == "session":
		return "[session](file.md#session)"
	case f.Word == "source" || f.Word == "stage" || f.Word == "sink":
		return fmt.Sprintf("[%ss](%ss.md)", f.Word, f.Word)
	case f.Word == "config":
		return "map"
	case f.Range != nil:
		return fmt.Sprintf("%s, %s", f.Word, f.Range)
	case f.Text != "":
		return fmt.Sprintf("[%s](file.md#%s)", f.Word, f.Word)
	}
	return f.Word
}
