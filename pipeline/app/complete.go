package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// offerCompletions teaches shells what stands behind the flags of commands, and
// of those below them.
func offerCompletions(commands []*cobra.Command) {
	for _, c := range commands {
		c.Flags().VisitAll(func(f *pflag.Flag) { completeFlag(c, f) })
		offerCompletions(c.Commands())
	}
}

// pipelineArgs completes the files of pipelines, and folders of them.
func pipelineArgs(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeFlag completes a flag's value by what its usage calls it.
func completeFlag(c *cobra.Command, f *pflag.Flag) {
	what, usage := pflag.UnquoteUsage(f)
	var err error
	switch {
	case what == "FILE" || what == "CLIP":
		err = c.MarkFlagFilename(f.Name)
	case what == "FOLDER" || what == "DIR":
		err = c.MarkFlagDirname(f.Name)
	case len(choices(usage)) > 0:
		err = c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(choices(usage), cobra.ShellCompDirectiveNoFileComp))
	case f.Value.Type() != "bool":
		err = c.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
	}
	if err != nil {
		panic(fmt.Sprintf("%s --%s: %v", c.Name(), f.Name, err)) // it is completed twice
	}
}

// choices are the words that a usage names, as in "the format: text or json".
func choices(usage string) []string {
	_, list, ok := strings.Cut(usage, ": ")
	list, _, _ = strings.Cut(list, "; ")
	last := strings.LastIndex(list, " or ")
	if !ok || last < 0 {
		return nil
	}
	words := append(strings.Split(list[:last], ", "), list[last+len(" or "):])
	if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, " ") }) {
		return nil
	}
	return words
}

// either is a list as choices reads it: "text, json or junit".
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// completeSend asks the daemon, if one answers: for pipelines, then for the
// commands of the model, then for their arguments.
func completeSend(ctx context.Context, f sendFlags, args []string) ([]cobra.Completion, cobra.ShellCompDirective) {
	remote, err := newRemote(f.adminFlags)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	remote.client.Timeout = completionTimeout
	if len(args) == 0 {
		names, err := remote.names(ctx)
		return names, noFiles(err)
	}
	schema, err := remote.pipeline(args[0], f.session).schema(ctx)
	if err != nil || schema == nil {
		return nil, noFiles(err)
	}
	var words []cobra.Completion
	if len(args) == 1 {
		for _, command := range schema.Commands {
			words = append(words, cobra.CompletionWithDesc(command.Name, command.Summary))
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	if command, ok := schema.Command(args[1]); ok {
		for _, a := range command.Args {
			words = append(words, cobra.CompletionWithDesc(a.Name+"=", a.Value.String()))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completionTimeout is how long somebody who pressed Tab waits for a daemon that
// does not answer.
const completionTimeout = time.Second

func noFiles(err error) cobra.ShellCompDirective {
	if err != nil {
		return cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
	}
	return cobra.ShellCompDirectiveNoFileComp
}
