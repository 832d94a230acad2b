package app

import (
	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/rehearsal"
)

func (p *program) schemaCommand() *cobra.Command {
	tests := false
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a pipeline's file, for editors",
		Long: "Print the JSON Schema of a pipeline's file, for editors:\n\n" +
			"  reactorpipe schema > pipeline.schema.json\n\n" +
			"and at the top of the pipeline, for the YAML language server:\n\n" +
			"  # yaml-language-server: $schema=pipeline.schema.json\n\n" +
			"It has every kind that this program has. Of kinds that do not ship with\n" +
			"reactorpipe it has the settings, their types and defaults, but no descriptions.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			texts := config.ShippedTexts()
			document := config.Describe(p.registry, texts).Schema
			if tests {
				document = func() ([]byte, error) { return config.Schema(rehearsal.Title, rehearsal.Describe(texts)) }
			}
			schema, err := document()
			if err != nil {
				return err
			}
			_, err = p.out.Write(schema)
			return err
		},
	}
	c.Flags().BoolVar(&tests, "tests", false, "print that of a file of tests instead: NAME_test.yaml")
	return c
}
