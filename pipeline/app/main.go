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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/cv"
)

// program is one invocation.
type program struct {
	registry *pipeline.Registry
	out      io.Writer // results
	err      io.Writer // log and progress
	getenv   func(string) (string, bool)
	hangups  <-chan os.Signal // SIGHUPs that `run` reads its files anew on; nil: none come
}

// Main runs the program with the kinds of nodes in reg and the arguments of the
// process, and returns its exit code. SIGINT and SIGTERM drain; a second one
// ends the process at once. SIGHUP has `run` read its files anew.
func Main(reg *pipeline.Registry) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	hangups := make(chan os.Signal, 1) // who reads a file reads all that was changed
	signal.Notify(hangups, syscall.SIGHUP)
	ffmpeg.Silence() // what matters of its troubles comes back as errors
	cv.OneThread()   // the graph runs stages side by side already
	p := &program{registry: reg, out: os.Stdout, err: os.Stderr, getenv: os.LookupEnv, hangups: hangups}
	return p.main(ctx, os.Args[1:])
}

// main runs one command line and returns its exit code.
func (p *program) main(ctx context.Context, args []string) int {
	root := p.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var told *toldError
	if err != nil && !errors.As(err, &told) {
		p.tell(err)
	}
	return exitCode(err)
}

// tell prints an error; each of several on a line of its own.
func (p *program) tell(err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(p.err, "reactorpipe:", line)
	}
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "reactorpipe",
		Short:         "Look at a generative video session with a machine, and steer it",
		Long:          "reactorpipe receives the video of a Reactor model session, runs it through a\npipeline of stages written in YAML, and feeds the results back into the model.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentPreRun = func(c *cobra.Command, _ []string) {
		if c.Name() != "run" {
			signal.Reset(syscall.SIGHUP) // ends the process, as it does for most
		}
	}
	root.SetHelpTemplate(root.HelpTemplate() + "{{if not .HasParent}}\nExit codes:\n" + exitCodes("  %-3d %s\n", "") + "{{end}}")
	root.SetFlagErrorFunc(wrongFlag)
	commands := []*cobra.Command{p.runCommand(), p.validateCommand(), p.planCommand(), p.testCommand(), p.initCommand(), p.listCommand(), p.schemaCommand(), p.sendCommand(), p.healthCommand(), p.simCommand(), p.modelCommand(), p.genCommand(), p.tokenCommand(), p.doctorCommand(), p.envCommand(), p.manCommand(), p.versionCommand()}
	root.AddCommand(commands...)
	root.SetOut(p.out) // which completion keeps
	root.SetErr(p.err)
	root.InitDefaultCompletionCmd()
	offerCompletions(commands)
	for _, c := range append(root.Commands(), root) {
		if c.HasSubCommands() && c.RunE == nil {
			c.Args, c.RunE = cobra.ArbitraryArgs, chosen
		}
	}
	return root
}
