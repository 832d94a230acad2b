package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/rehearsal"
)

// testFlags are the flags of `test`.
type testFlags struct {
	set     []string
	envs    []string
	run     string
	list    bool
	verbose bool
	format  string
	timeout time.Duration
}

// testTimeout is how long all tests may take, in real time.
const testTimeout = 10 * time.Minute

func (p *program) testCommand() *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test [PIPELINE_test.yaml|PIPELINE.yaml|FOLDER ...]",
		Short: "Test pipelines: a clip and messages in, expected commands and results out",
		Long: "Test pipelines. NAME_test.yaml holds the tests of NAME.yaml; a folder, by default the\n" +
			"present one, stands for all that end so in it. A test says what comes in (a clip, plain\n" +
			"pictures, messages and replies of the model, outages) and what has to come of it:\n" +
			"commands, annotations, frames at sinks, drops. It needs no model and no key. All time is\n" +
			"virtual: it passes as the pictures say, so that the outcome is the same on any machine.\n" +
			"Sinks that use no session are not made, and write nothing.\n\n" +
			"A test that fails prints what differs, with - for what was expected and + for what came,\n" +
			"and the exit code is 1. A mistake in a file is 78.",
		Example: "  reactorpipe test\n" +
			"  reactorpipe test crosswalk_test.yaml --run crowd -v\n" +
			"  reactorpipe test pipelines/ --format junit > report.xml",
		ValidArgsFunction: pipelineArgs,
		RunE:              func(c *cobra.Command, args []string) error { return p.test(c.Context(), f, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.run, "run", "", "run the tests only whose names match `REGEXP`")
	flags.BoolVar(&f.list, "list", false, "list the tests and run none")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "tell of each test, not only of those that fail")
	flags.StringVar(&f.format, "format", "text", "tell of them in `FORMAT`: text, json or junit")
	flags.DurationVar(&f.timeout, "timeout", testTimeout, "give up after `TIME`, in real time")
	flags.StringArrayVar(&f.set, "set", nil, "set `KEY=VALUE` in the pipelines, after what the tests set; may be repeated")
	flags.StringArrayVar(&f.envs, "env-file", nil, "read variables for ${…} from `FILE`, lines of KEY=VALUE; may be repeated")
	return c
}

// test runs the tests of all files.
func (p *program) test(ctx context.Context, f testFlags, args []string) error {
	tell, ok := reporters()[f.format]
	if !ok {
		return &usageError{fmt.Errorf("--format: must be text, json or junit, got %q", f.format)}
	}
	wanted, err := regexp.Compile(f.run)
	if err != nil {
		return &usageError{fmt.Errorf("--run: %w", err)}
	}
	suites, err := p.loadTests(f, args)
	if err != nil {
		return err
	}
	var tests []*rehearsal.Test
	for _, s := range suites {
		for _, t := range s.Tests {
			if wanted.MatchString(t.Name) {
				tests = append(tests, t)
			}
		}
	}
	switch {
	case len(tests) == 0:
		return &usageError{fmt.Errorf("--run: no test's name matches %q", f.run)}
	case f.list:
		for _, t := range tests {
			fmt.Fprintf(p.out, "%s:%d: %s\n", t.Path, t.Line, t.Name)
		}
		return nil
	}
	return p.runTests(ctx, f, tests, tell(p.out, f.verbose))
}

func (p *program) runTests(ctx context.Context, f testFlags, tests []*rehearsal.Test, r reporter) error {
	late := fmt.Errorf("not over after %s of real time (--timeout): a stage that runs a program or keeps a connection "+
		"needs outside: true in the test, and a source that reads a network needs pictures", f.timeout)
	limited, cancel := context.WithTimeoutCause(ctx, f.timeout, late)
	defer cancel()
	failed := false
	err := rehearsal.Run(limited, tests, func(result rehearsal.Result) {
		failed = failed || !result.Passed()
		r.tell(result)
	})
	if ctx.Err() != nil {
		return errors.New("test: interrupted")
	}
	if err == nil && failed {
		err = &toldError{errors.New("tests failed")}
	}
	return errors.Join(r.end(), err)
}

// loadTests reads the files of tests; the error tells every mistake in all of
// them.
func (p *program) loadTests(f testFlags, args []string) ([]*rehearsal.Suite, error) {
	p, err := p.withEnvFiles(f.envs)
	if err != nil {
		return nil, err
	}
	paths, err := testFiles(args)
	if err != nil {
		return nil, err
	}
	var suites []*rehearsal.Suite
	var errs []error
	for _, path := range paths {
		s, err := rehearsal.Load(path, rehearsal.Options{Registry: p.registry, Env: p.getenv, Set: f.set, Still: mat.Still})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		suites = append(suites, s)
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(p.err, err)
		return nil, &toldError{&configError{err}}
	}
	return suites, nil
}

// testFiles returns the files of tests that are meant: those named, those of the
// pipelines named, and those in the folders named.
func testFiles(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var paths []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			return nil, &configError{fmt.Errorf("%s: no such file", arg)}
		case info.IsDir():
			found, err := yamlFiles(arg)
			if err == nil {
				found = slices.DeleteFunc(found, func(path string) bool { return !rehearsal.IsTestFile(path) })
			}
			if len(found) == 0 {
				return nil, &configError{fmt.Errorf("%s: no tests in this folder: they are in files called NAME%s.yaml", arg, rehearsal.Suffix)}
			}
			paths = append(paths, found...)
		case rehearsal.IsTestFile(arg):
			paths = append(paths, arg)
		default:
			tests := rehearsal.TestFileOf(arg)
			if _, err := os.Stat(tests); err != nil {
				return nil, &configError{fmt.Errorf("%s: its tests would be in %s, and there is no such file", arg, filepath.Base(tests))}
			}
			paths = append(paths, tests)
		}
	}
	return paths, nil
}
