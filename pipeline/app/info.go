package app

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// version is set by the linker, which can set variables only.
var version string

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.out, "reactorpipe", Version())
			return err
		},
	}
}

// Version returns the version of the program, as released or as Go's module
// system knows it.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (p *program) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the kinds of sources, stages and sinks",
		Long: "List the kinds of sources, stages and sinks: what each does, what it reads and sets, and\n" +
			"what its queue is. docs/reference has their settings, and so has the output of\n" +
			"`reactorpipe schema`, for editors.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return list(p.out, p.registry)
		},
	}
}

func list(w io.Writer, reg *pipeline.Registry) error {
	width := 0
	for _, name := range slices.Concat(reg.Sources(), reg.Stages(), reg.Sinks()) {
		width = max(width, len(name))
	}
	var text strings.Builder
	lines := func(k config.Kind, traits string) {
		name := k.Name
		for _, line := range []string{firstSentence(k.Text), traits} {
			if line != "" {
				fmt.Fprintf(&text, "  %-*s  %s\n", width, name, line)
				name = ""
			}
		}
	}
	ref := config.Describe(reg, config.ShippedTexts())
	text.WriteString("sources\n")
	for _, k := range ref.Sources {
		kind, _ := reg.Source(k.Name)
		lines(k, sourceTraits(kind))
	}
	text.WriteString("stages\n")
	for _, k := range ref.Stages {
		kind, _ := reg.Stage(k.Name)
		lines(k, stageTraits(kind))
	}
	text.WriteString("sinks\n")
	for _, k := range ref.Sinks {
		kind, _ := reg.Sink(k.Name)
		lines(k, sinkTraits(kind))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func firstSentence(text string) string {
	first, _, more := strings.Cut(text, ". ")
	if more {
		first += "."
	}
	return first
}

func sourceTraits(k pipeline.SourceType) string {
	traits := []string{"frames with pixels"}
	if k.Messages {
		traits[0] = "messages, no pixels"
	}
	if k.Session {
		traits = append(traits, "needs a session")
	}
	return strings.Join(traits, "; ")
}

func stageTraits(k pipeline.StageType) string {
	traits := []string{pixels(k.Pixels)}
	var sets []string
	for _, kind := range k.Sets {
		sets = append(sets, kind.Name())
	}
	if len(sets) > 0 {
		traits = append(traits, "sets "+strings.Join(sets, ", "))
	}
	if k.Stateless {
		traits = append(traits, "workers")
	}
	return strings.Join(traits, "; ")
}

func sinkTraits(k pipeline.SinkType) string {
	traits := []string{pixels(k.Pixels), fmt.Sprintf("queue of %d, %s", k.Queue.Depth, strings.ReplaceAll(string(k.Queue.OnFull), "_", " "))}
	if k.Session {
		traits = append(traits, "needs a session")
	}
	return strings.Join(traits, "; ")
}

func pixels(p pipeline.Pixels) string {
	text := [...]string{"reads no pixels", "reads gray", "reads bgr", "reads native"}[p.Read]
	return text + [...]string{"", ", edits", ", reshapes"}[p.Write]
}
