package app

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/sdk/gen"
)

func (p *program) genCommand() *cobra.Command {
	var model, out, pkg string
	var connect bool
	c := &cobra.Command{
		Use:   "gen",
		Short: "Write a typed client of a model, as a Go package",
		Args:  noArgs,
		Long: "Write a typed client of a model, as a Go package: a method for each command, a type for\n" +
			"each message, a constant for each track.\n\n" +
			"  reactorpipe gen --model http://localhost:8080 --out ./x2\n\n" +
			whichModel + "\n\n" +
			"The folder gets client.go and schema.json, the schema that it was made from and that\n" +
			"commands are checked with; --model ./x2/schema.json makes it anew. What has not changed is\n" +
			"not written.",
		RunE: func(c *cobra.Command, _ []string) error {
			if model == "" || out == "" {
				return &usageError{errors.New("gen: needs --model and --out")}
			}
			if pkg == "" {
				pkg = packageName(out)
			}
			document, err := p.modelSchema(c.Context(), model, connect)
			if err != nil {
				return err
			}
			files, err := gen.Generate(document, pkg)
			if err != nil {
				return &configError{fmt.Errorf("%s: %w", model, err)}
			}
			changed, err := files.Write(out)
			if err == nil && len(changed) == 0 {
				fmt.Fprintf(p.err, "nothing has changed in %s\n", out) //nolint:errcheck // as below
			}
			for _, path := range changed {
				fmt.Fprintln(p.err, "wrote", path) //nolint:errcheck // a terminal that is gone takes nothing
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&model, "model", "", "the model `M`")
	f.StringVar(&out, "out", "", "write the package into `DIR`")
	f.StringVar(&pkg, "package", "", "call the package `NAME` (default the folder's)")
	f.BoolVar(&connect, "connect", false, "open a session to ask a model of the cloud")
	return c
}

// packageName is the name of a folder; gen says what is wrong with it.
func packageName(folder string) string {
	path, err := filepath.Abs(folder)
	if err != nil {
		return filepath.Base(folder)
	}
	return filepath.Base(path)
}
