package app

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// version is set by the linker for releases.
var version string //nolint:gochecknoglobals // only the linker can set it, and only a variable

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
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
		RunE: func(*cobra.Command, []string) error {
			return list(p.out, p.registry)
		},
	}
}

func list(w io.Writer, reg *pipeline.Registry) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "SOURCES\t")
	for _, name := range reg.Sources() {
		kind, _ := reg.Source(name)
		fmt.Fprintf(t, "  %s\t%s\n", name, sourceTraits(kind))
	}
	fmt.Fprintln(t, "STAGES\t")
	for _, name := range reg.Stages() {
		kind, _ := reg.Stage(name)
		fmt.Fprintf(t, "  %s\t%s\n", name, stageTraits(kind))
	}
	fmt.Fprintln(t, "SINKS\t")
	for _, name := range reg.Sinks() {
		kind, _ := reg.Sink(name)
		fmt.Fprintf(t, "  %s\t%s\n", name, sinkTraits(kind))
	}
	return t.Flush()
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
	traits := []string{pixels(k.Pixels), fmt.Sprintf("queue %d %s", k.Queue.Depth, k.Queue.OnFull)}
	if k.Session {
		traits = append(traits, "needs a session")
	}
	return strings.Join(traits, "; ")
}

func pixels(p pipeline.Pixels) string {
	text := [...]string{"reads no pixels", "reads gray", "reads bgr", "reads native"}[p.Read]
	return text + [...]string{"", ", edits", ", reshapes"}[p.Write]
}
