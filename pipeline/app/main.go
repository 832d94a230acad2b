// Package app is the reactorpipe program: its command line, signals, admin
// port, progress and summary, around whatever kinds of nodes a registry holds.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/cv"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// The exit codes. A service manager must not restart on the last two.
const (
	exitDone    = 0
	exitFailed  = 1  // failed while running; another try may work
	exitUsage   = 2  // wrong command line
	exitRefused = 77 // the key or token was refused (EX_NOPERM)
	exitConfig  = 78 // no retry can mend it (EX_CONFIG)
)

// program is one invocation.
type program struct {
	registry *pipeline.Registry
	out      io.Writer // results
	err      io.Writer // log and progress
	getenv   func(string) (string, bool)
}

// Main runs the program with the kinds of nodes in reg and the arguments of the
// process, and returns its exit code. SIGINT and SIGTERM drain; a second one
// ends the process at once.
func Main(reg *pipeline.Registry) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	ffmpeg.Silence() // what matters of its troubles comes back as errors
	cv.OneThread()   // the graph runs stages side by side already
	p := &program{registry: reg, out: os.Stdout, err: os.Stderr, getenv: os.LookupEnv}
	return p.main(ctx, os.Args[1:])
}

func (p *program) main(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(args)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var told *toldError
	if !errors.As(err, &told) {
		fmt.Fprintln(p.err, "reactorpipe:", err)
	}
	return exitCode(err)
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "reactorpipe",
		Short:         "Look at a generative video session with a machine, and steer it",
		Long:          "reactorpipe receives the video of a Reactor model session, runs it through a\npipeline of stages written in YAML, and feeds the results back into the model.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SuggestionsMinimumDistance = 2
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return &usageError{unknownCommand(c, args[0])}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(p.runCommand(), p.validateCommand(), p.listCommand(), p.simCommand(), p.envCommand(), p.versionCommand())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	return root
}

func unknownCommand(root *cobra.Command, name string) error {
	if like := root.SuggestionsFor(name); len(like) > 0 {
		return fmt.Errorf("unknown command %q, did you mean %q?", name, like[0])
	}
	return fmt.Errorf("unknown command %q (see reactorpipe --help)", name)
}

// usageError is a wrong command line.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// usageArgs marks what check returns as a mistake on the command line.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(cmd, args); err != nil {
			return &usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
}

// toldError is an error that the user has been told already.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// configError is a mistake in a pipeline's file or what it names.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage *usageError
	var cfg *configError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, sdk.ErrUnauthorized):
		return exitRefused
	case errors.As(err, &cfg), errors.Is(err, pipeline.ErrInvalid):
		return exitConfig
	}
	return exitFailed
}
