package app

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline"
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
		Args:  noArgs,
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
	line := func(name, traits string) {
		text.WriteString(strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, name, traits), " ") + "\n")
	}
	text.WriteString("sources\n")
	for _, name := range reg.Sources() {
		kind, _ := reg.Source(name)
		line(name, sourceTraits(kind))
	}
	text.WriteString("stages\n")
	for _, name := range reg.Stages() {
		kind, _ := reg.Stage(name)
		line(name, stageTraits(kind))
	}
	text.WriteString("sinks\n")
	for _, name := range reg.Sinks() {
		kind, _ := reg.Sink(name)
		line(name, sinkTraits(kind))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func sourceTraits(k pipeline.SourceType) string {
	var traits []string
	if k.Messages {
		traits = append(traits, "messages, no pixels")
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
