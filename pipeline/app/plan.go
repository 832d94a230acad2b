package app

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/plan"
)

func (p *program) planCommand() *cobra.Command {
	var f fileFlags
	var format string
	c := &cobra.Command{
		Use:   "plan PIPELINE.yaml|FOLDER ...",
		Short: "Show what a file will do with its frames, without running it",
		Long: "Show what a file will do with its frames, without running it: which pixels flow where,\n" +
			"where they are converted or copied and what that costs, what runs beside what, and what\n" +
			"is held in flight. It needs no key, device or network.\n\n" +
			"  reactorpipe plan my.yaml\n" +
			"  reactorpipe plan my.yaml --format mermaid    a flowchart for Markdown\n" +
			"  reactorpipe plan my.yaml --format json",
		Args:              someFiles,
		ValidArgsFunction: pipelineArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			show, ok := planFormats()[format]
			if !ok {
				return &usageError{fmt.Errorf("--format: must be text, mermaid or json, got %q", format)}
			}
			specs, err := p.load(args, f)
			if err != nil {
				return err
			}
			for i, s := range specs {
				if i > 0 {
					fmt.Fprintln(p.out)
				}
				if err := show(p.out, plan.Of(s)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, mermaid or json")
	return c
}

func planFormats() map[string]func(io.Writer, *plan.Plan) error {
	return map[string]func(io.Writer, *plan.Plan) error{
		"text":    func(w io.Writer, p *plan.Plan) error { return printText(w, p.Text()) },
		"mermaid": func(w io.Writer, p *plan.Plan) error { return printText(w, p.Mermaid()) },
		"json": func(w io.Writer, p *plan.Plan) error {
			text, err := p.JSON()
			if err != nil {
				return err
			}
			return printText(w, string(text))
		},
	}
}

func printText(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
