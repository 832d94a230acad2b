package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// runFlags are the flags of `run`.
type runFlags struct {
	duration  time.Duration
	frames    uint64
	summary   string
	set       []string
	sim       string
	admin     string
	adminKey  string
	logFormat string
	logLevel  string
}

func (p *program) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run PIPELINE.yaml|FOLDER ...",
		Short: "Run pipelines until they end, or until Ctrl-C",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.run(c.Context(), f, args)
		},
	}
	c.Flags().DurationVar(&f.duration, "duration", 0, "end after this time of running, such as 30s")
	c.Flags().Uint64Var(&f.frames, "frames", 0, "end after this number of frames from each source")
	c.Flags().StringVar(&f.summary, "summary", "", "write the summary as JSON to this file at the end")
	c.Flags().StringArrayVar(&f.set, "set", nil, "change a key of the file, such as people.rate=2fps")
	c.Flags().StringVar(&f.sim, "sim", "", "run against the built-in simulator showing this clip, whatever the file's session is")
	c.Flags().StringVar(&f.admin, "admin", defaultAdmin, `address of the admin port, or "off"`)
	c.Flags().StringVar(&f.adminKey, "admin-token-file", "", "file with the token that the admin port asks for; needed beyond loopback")
	addLogFlags(c, &f.logFormat, &f.logLevel)
	return c
}

func addLogFlags(c *cobra.Command, format, level *string) {
	c.Flags().StringVar(format, "log-format", "text", "text or json")
	c.Flags().StringVar(level, "log-level", "info", "debug, info, warn or error")
}

// logger returns the logger and the terminal that it shares with the progress
// line.
func (p *program) logger(format, level string) (*slog.Logger, *terminal, error) {
	l, err := parseLevel(level)
	if err != nil {
		return nil, nil, err
	}
	t := newTerminal(p.err)
	log, err := newLogger(t, format, l)
	return log, t, err
}

// run runs every pipeline, each on its own, until the last has ended.
func (p *program) run(ctx context.Context, f runFlags, args []string) error {
	log, term, err := p.logger(f.logFormat, f.logLevel)
	if err != nil {
		return err
	}
	specs, err := p.load(args, f)
	if err != nil {
		return err
	}
	for _, s := range specs {
		for _, w := range s.Warnings {
			log.Warn(w)
		}
	}
	metrics := newMetrics()
	lines := make([]*line, len(specs))
	for i, s := range specs {
		lines[i] = newLine(lineConfig{
			spec: s, registry: p.registry, log: log.With("pipeline", s.Name), metrics: metrics,
			duration: f.duration, frames: f.frames, openSim: f.sim != "",
		})
	}
	admin, err := startAdmin(f, lines, metrics, log)
	if err != nil {
		return err
	}
	stopProgress := showProgress(term, log, lines)
	err = runLines(ctx, lines)
	stopProgress()
	errAdmin := admin.close()
	return errors.Join(err, errAdmin, p.summarize(f.summary, lines))
}

// load reads the files; the error tells every mistake in all of them.
func (p *program) load(args []string, f runFlags) ([]*config.Spec, error) {
	paths, err := pipelineFiles(args)
	if err != nil {
		return nil, err
	}
	var specs []*config.Spec
	var errs []error
	for _, path := range paths {
		opt := config.Options{Env: p.getenv, Set: f.set}
		s, err := config.Load(path, p.registry, opt)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if f.sim != "" {
			simulated(s, f.sim)
		}
		if same := slices.IndexFunc(specs, func(o *config.Spec) bool { return o.Name == s.Name }); same >= 0 {
			errs = append(errs, fmt.Errorf("%s: name: %q is the name of %s already", path, s.Name, specs[same].Path))
		}
		specs = append(specs, s)
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(p.err, err)
		return nil, &toldError{&configError{err}}
	}
	return specs, nil
}

// pipelineFiles replaces folders by the YAML files in them.
func pipelineFiles(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &configError{fmt.Errorf("%s: no such file", arg)}
		case err != nil:
			return nil, &configError{err}
		case !info.IsDir():
			paths = append(paths, arg)
			continue
		}
		found, err := filepath.Glob(filepath.Join(arg, "*.y*ml"))
		if err != nil || len(found) == 0 {
			return nil, &configError{fmt.Errorf("%s: no .yaml files in this folder", arg)}
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

// runLines runs all pipelines. One that fails leaves the others alone.
func runLines(ctx context.Context, lines []*line) error {
	errs := make([]error, len(lines))
	var wg sync.WaitGroup
	for i, l := range lines {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = l.run(ctx)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (p *program) validateCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "validate PIPELINE.yaml|FOLDER ...",
		Short: "Check files without running them; needs no key, device or network",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			specs, err := p.load(args, f)
			if err != nil {
				return err
			}
			for _, s := range specs {
				for _, w := range s.Warnings {
					fmt.Fprintln(p.err, "warning:", w)
				}
				fmt.Fprintf(p.out, "%s: ok (%s)\n", s.Path, describe(s))
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "change a key of the file, such as people.rate=2fps")
	return c
}

func describe(s *config.Spec) string {
	return strings.Join([]string{
		count(len(s.Sources), "source"), count(len(s.Stages), "stage"), count(len(s.Sinks), "sink"),
	}, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
