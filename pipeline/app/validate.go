package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

func (p *program) validateCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:               "validate PIPELINE.yaml|FOLDER ...",
		Short:             "Check files without running them; needs no key, device or network",
		Args:              someFiles,
		ValidArgsFunction: pipelineArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			specs, err := p.load(args, f)
			if err != nil {
				return err
			}
			for _, s := range specs {
				for _, w := range s.Warnings {
					fmt.Fprintln(p.err, "warning:", w)
				}
				fmt.Fprintf(p.out, "%s: ok (%s)\n", s.Path, describe(s))
			}
			return nil
		},
	}
	f.add(c)
	return c
}

func describe(s *config.Spec) string {
	return strings.Join([]string{
		count(len(s.Sources), "source"), count(len(s.Stages), "stage"), count(len(s.Sinks), "sink"),
	}, ", ")
}

// count writes a number of things as people do.
func count[N int | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
