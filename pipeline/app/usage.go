package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// chosen is what a command does that has others below it and none was chosen: it
// says which there are.
func chosen(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	about := ""
	if c.HasParent() {
		about = c.Name() + ": "
	}
	var names []string
	for _, below := range c.Commands() {
		names = append(names, below.Name())
	}
	if like := expr.DidYouMean(args[0], names); like != "" {
		return &usageError{fmt.Errorf("%sunknown command %q%s", about, args[0], like)}
	}
	return &usageError{fmt.Errorf("%sunknown command %q (see %s --help)", about, args[0], c.CommandPath())}
}

// noArgs refuses what stands behind a command that takes nothing.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s: takes no arguments, got %q", c.Name(), args[0])}
	}
	return nil
}

// someFiles wants pipelines to be named.
func someFiles(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{fmt.Errorf("%s: which pipeline? Name a file or a folder of files", c.Name())}
	}
	return nil
}

// wrongFlag says in our words what is wrong with a flag.
func wrongFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = fmt.Errorf("%s: unknown flag -%s (see %s --help)", c.Name(), unknown.GetSpecifiedName(), c.CommandPath())
	case errors.As(err, &unknown):
		err = unknownFlag(c, unknown.GetSpecifiedName())
	case errors.As(err, &missing):
		err = fmt.Errorf("--%s: needs a value", missing.GetFlag().Name)
	case errors.As(err, &value) && explains(value.GetFlag().Value):
		err = fmt.Errorf("--%s: %w", value.GetFlag().Name, value.Unwrap())
	case errors.As(err, &value):
		err = fmt.Errorf("--%s: must be %s, got %q", value.GetFlag().Name, allowed(value.GetFlag()), value.GetValue())
	}
	return &usageError{err}
}

// explains says that a flag's own errors say what is wrong.
func explains(v pflag.Value) bool {
	switch v.(type) {
	case troubleFlag, incidentFlag:
		return true
	}
	return false
}

func unknownFlag(c *cobra.Command, name string) error {
	if like := expr.DidYouMean("--"+name, flagNames(c)); like != "" {
		return fmt.Errorf("%s: unknown flag --%s%s", c.Name(), name, like)
	}
	return fmt.Errorf("%s: unknown flag --%s (see %s --help)", c.Name(), name, c.CommandPath())
}

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}

// allowed says what a flag takes.
func allowed(f *pflag.Flag) string {
	switch kind := f.Value.Type(); {
	case kind == "duration":
		return "a time such as 30s or 5m"
	case strings.HasPrefix(kind, "uint"):
		return "a whole number, not negative"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case strings.HasPrefix(kind, "float"):
		return "a number"
	default:
		return "a " + kind
	}
}
