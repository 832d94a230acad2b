package app

import (
	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

func (p *program) schemaCommand() *cobra.Command {
	return &cobra.Command{
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
			schema, err := config.Describe(p.registry, config.ShippedTexts()).Schema()
			if err != nil {
				return err
			}
			_, err = p.out.Write(schema)
			return err
		},
	}
}
