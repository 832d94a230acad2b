package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// sendFlags are the flags of `send`.
type sendFlags struct {
	adminFlags
	session string
	json    bool
}

func (p *program) sendCommand() *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send PIPELINE COMMAND [NAME=VALUE ...]",
		Short: "Send a command to the model of a running pipeline",
		Long: "Send a command to the model of a running pipeline, through its admin port, and print\n" +
			"what the model says. It passes the same checks as the commands of the pipeline's sinks\n" +
			"and stands in the same ledger.\n\n" +
			"A value is what the model's schema makes of it: a number, true or false, a text, JSON\n" +
			"for lists and objects. NAME:=JSON takes JSON whatever the schema says, and where the\n" +
			"model wants a file, NAME=@PATH uploads one.",
		Example: "  reactorpipe send quickstart set_prompt prompt=\"rain at dusk\"\n" +
			"  reactorpipe send quickstart set_image image=@ref.png\n" +
			"  reactorpipe send quickstart set_weights weights:='{\"a\": 0.5}' --json",
		Args: pipelineAndCommand,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeSend(c.Context(), f, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			return p.send(c.Context(), f, args[0], args[1], args[2:])
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.session, "session", "", "`NAME` of the session, where the pipeline has several")
	c.Flags().BoolVar(&f.json, "json", false, "print the reply as JSON")
	return c
}

// pipelineAndCommand wants both to be named.
func pipelineAndCommand(c *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return &usageError{fmt.Errorf("%s: which pipeline? Its name and a command are needed", c.Name())}
	case 1:
		return &usageError{fmt.Errorf("%s: which command should go to %s?", c.Name(), args[0])}
	}
	return nil
}

func (p *program) send(ctx context.Context, f sendFlags, name, command string, words []string) error {
	given, err := parseWords(words)
	if err != nil {
		return &usageError{fmt.Errorf("send: %w", err)}
	}
	remote, err := newRemote(f.adminFlags)
	if err != nil {
		return err
	}
	at := remote.pipeline(name, f.session)
	request := commandRequest{Session: f.session, Command: command}
	if len(given) > 0 {
		schema, err := at.schema(ctx)
		if err != nil {
			return err
		}
		if request.Args, err = at.values(ctx, schema, command, given); err != nil {
			return err
		}
	}
	reply, err := at.send(ctx, request)
	if err != nil {
		return err
	}
	return printReply(p.out, f, command, reply)
}

// printReply says what the model said: the type, then a line for each field.
func printReply(w io.Writer, f sendFlags, command string, reply commandReply) error {
	if f.json {
		return json.NewEncoder(w).Encode(reply)
	}
	if reply.Type == "" {
		_, err := fmt.Fprintf(w, "%s: taken\n", command)
		return err
	}
	if _, err := fmt.Fprintln(w, reply.Type); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(reply.Data)) {
		text, err := json.Marshal(reply.Data[name])
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "  %s: %s\n", name, text); err != nil {
			return err
		}
	}
	return nil
}

// values returns a command's arguments as the model's schema has them. Files are
// uploaded.
func (r *remotePipeline) values(ctx context.Context, schema *sdk.Schema, command string, given []word) (map[string]any, error) {
	args := make(map[string]any, len(given))
	for _, w := range given {
		v, err := r.value(ctx, argument(schema, command, w.name), w)
		if err != nil {
			return nil, &configError{fmt.Errorf("command %q: %s: %w", command, w.name, err)}
		}
		args[w.name] = v
	}
	return args, nil
}

func (r *remotePipeline) value(ctx context.Context, schema *sdk.ValueSchema, w word) (any, error) {
	if path, ok := w.file(schema); ok {
		return r.upload(ctx, path)
	}
	return w.value(schema)
}

// argument returns the schema of a command's argument; nil where there is none.
// What is wrong with the names is for the daemon to tell.
func argument(schema *sdk.Schema, command, name string) *sdk.ValueSchema {
	if schema == nil {
		return nil
	}
	c, ok := schema.Command(command)
	if !ok {
		return nil
	}
	i := slices.IndexFunc(c.Args, func(a sdk.ArgSchema) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return c.Args[i].Value
}
