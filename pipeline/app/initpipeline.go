package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/scaffold"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// initFlags are wishes for a first pipeline.
type initFlags struct {
	scaffold.Pipeline
	schema string // a file
	detect []string
}

func (p *program) initCommand() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a first pipeline, or a module for a stage or sink of your own",
		Long: "Write a first pipeline, with comments, into FILE (pipeline.yaml), or to the terminal for -.\n" +
			"Nothing is overwritten. With the schema of a model its tracks are filled in, and its\n" +
			"messages and commands stand ready in comments, with types and ranges.\n\n" +
			"  reactorpipe init --detect people --preview --record out/video.mp4\n" +
			"  reactorpipe init --url http://localhost:8080     and the schema of that runtime\n" +
			"  reactorpipe init --model reactor/x2 --schema schema.json",
		Args: atMostOneFile,
		RunE: func(c *cobra.Command, args []string) error { return p.initPipeline(c.Context(), f, args) },
	}
	c.AddCommand(p.initModuleCommand(scaffold.Stage), p.initModuleCommand(scaffold.Sink))
	flags := c.Flags()
	flags.StringVar(&f.Model, "model", "", "session with the model `NAME`, such as reactor/x2")
	flags.StringVar(&f.URL, "url", "", "session with the local runtime at `URL`, whose schema is read")
	flags.StringVar(&f.Clip, "sim", "", "session with a simulated model that shows `CLIP`; without these three, a test pattern")
	flags.StringVar(&f.schema, "schema", "", "the model's schema is in `FILE`, an OpenAPI document")
	flags.StringSliceVar(&f.detect, "detect", nil, "find `WHAT`: "+either(detectable(p.registry))+"; may be repeated")
	flags.BoolVar(&f.Preview, "preview", false, "show a live page")
	flags.StringVar(&f.Record, "record", "", "record the picture into `FILE`, .mp4 or .mkv")
	flags.StringVar(&f.Events, "events", "", "write what is seen into `FILE`, lines of JSON")
	return c
}

func atMostOneFile(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return &usageError{fmt.Errorf("%s: takes one file, got %q, too", c.Name(), args[1])}
	}
	return nil
}

func (p *program) initPipeline(ctx context.Context, f initFlags, args []string) error {
	f.Path = "pipeline.yaml"
	if len(args) > 0 {
		f.Path = args[0]
	}
	if err := p.fillIn(ctx, &f); err != nil {
		return err
	}
	toTerminal := f.Path == "-"
	if toTerminal {
		f.Path = "pipeline.yaml"
	}
	// Variables are for who runs it.
	anything := func(name string) (string, bool) {
		if strings.HasPrefix(name, "REACTOR_") {
			return "", false
		}
		return "x", true
	}
	if _, err := config.Parse(f.Path, []byte(f.Text()), p.registry, config.Options{Env: anything}); err != nil {
		return &usageError{fmt.Errorf("init: with these flags the file would be wrong, and is not written\n%w", err)}
	}
	if toTerminal {
		return printText(p.out, f.Text())
	}
	return p.writeNew(scaffold.Files{filepath.Base(f.Path): f.Text()}, filepath.Dir(f.Path))
}

// fillIn turns the flags into what a pipeline is made of.
func (p *program) fillIn(ctx context.Context, f *initFlags) error {
	var with []string
	for flag, value := range map[string]string{"--model": f.Model, "--url": f.URL, "--sim": f.Clip} {
		if value != "" {
			with = append(with, flag)
		}
	}
	slices.Sort(with)
	if len(with) > 1 {
		return &usageError{fmt.Errorf("init: %s exclude each other", strings.Join(with, " and "))}
	}
	if peer, err := config.Peer(f.URL, nil); f.URL != "" && (err != nil || peer.URL == "") {
		return &usageError{fmt.Errorf("--url: must be an http or https URL such as http://localhost:8080, got %q", f.URL)}
	}
	f.Preview = f.Preview || f.Record == "" && f.Events == ""
	for _, what := range f.detect {
		d, err := detector(p.registry, what)
		if err != nil {
			return err
		}
		f.Detect = append(f.Detect, d)
	}
	return p.readSchema(ctx, f)
}

// detectKinds are the kinds of stages that find something and leave the picture
// as it is, by what they are called on the command line.
func detectKinds(reg *pipeline.Registry) map[string]string {
	kinds := make(map[string]string)
	for _, name := range reg.Stages() {
		kind, _ := reg.Stage(name)
		looks := kind.Pixels.Read != pipeline.NoRead && kind.Pixels.Write == pipeline.NoWrite
		if detects(kind.Sets) && looks && complete(kind.Type) {
			kinds[strings.TrimSuffix(name, "_detect")] = name
		}
	}
	return kinds
}

// complete says that a kind needs no settings.
func complete(t pipeline.Type) bool {
	v, ok := t.NewConfig().(pipeline.Validator)
	return !ok || v.Validate() == nil
}

func detectable(reg *pipeline.Registry) []string { return slices.Sorted(maps.Keys(detectKinds(reg))) }

func detector(reg *pipeline.Registry, what string) (scaffold.Detector, error) {
	kinds := detectKinds(reg)
	kind, ok := kinds[what]
	if !ok {
		names := detectable(reg)
		hint := expr.DidYouMean(what, names)
		if hint == "" {
			hint = "; there are " + strings.Join(names, ", ")
		}
		return scaffold.Detector{}, &usageError{fmt.Errorf("--detect: nothing detects %q%s", what, hint)}
	}
	return scaffold.Detector{Name: what, Kind: kind}, nil
}

// schemaAnswersIn bounds how long a runtime may take to answer.
const schemaAnswersIn = 10 * time.Second

// readSchema reads it from the file or from the runtime. One that does not
// answer is no reason not to begin.
func (p *program) readSchema(ctx context.Context, f *initFlags) error {
	var text []byte
	var err error
	switch {
	case f.schema != "":
		if text, err = os.ReadFile(f.schema); err != nil {
			return &configError{fmt.Errorf("--schema: %w", err)}
		}
	case f.URL != "":
		ctx, cancel := context.WithTimeout(ctx, schemaAnswersIn)
		defer cancel()
		if text, err = localSchema(ctx, f.URL); err != nil {
			fmt.Fprintf(p.err, "warning: tracks are guessed and commands left out, for want of a schema: %v\n", err)
			return nil
		}
	default:
		return nil
	}
	schema, err := sdk.ParseSchema(json.RawMessage(text))
	if err != nil {
		return &configError{err}
	}
	f.Schema = schema
	if f.Model == "" && f.URL == "" && f.Clip == "" {
		f.Model = schema.Title
	}
	return nil
}
