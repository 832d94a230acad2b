package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/traces"
)

// runFlags are the flags of `run`.
type runFlags struct {
	fileFlags
	logFlags
	duration  time.Duration
	frames    uint64
	summary   string
	admin     string
	tokenFile string
	watch     bool
	check     bool
}

func (p *program) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run PIPELINE.yaml|FOLDER ...",
		Short: "Run pipelines until they end, or until Ctrl-C",
		Long: "Run pipelines until their sources end, or until Ctrl-C: then what is in flight reaches\n" +
			"the sinks, files are finished and sessions end. Each pipeline lives and fails on its own.\n" +
			"SIGHUP reads the files anew: nodes that changed are replaced, all others, recordings and\n" +
			"the sessions go on. Changed sessions and sources need a restart; a file with a mistake\n" +
			"changes nothing.",
		Example: "  reactorpipe run pipeline.yaml\n" +
			"  reactorpipe run pipeline.yaml --sim clip.mp4 --duration 30s\n" +
			"  reactorpipe run pipeline.yaml --set people.rate=2fps --admin off",
		Args:              someFiles,
		ValidArgsFunction: pipelineArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return p.run(c.Context(), f, args)
		},
	}
	c.Flags().DurationVar(&f.duration, "duration", 0, "end after `TIME` of running, such as 30s")
	c.Flags().Uint64Var(&f.frames, "frames", 0, "end after `N` frames from each source")
	c.Flags().StringVar(&f.summary, "summary", "", "write the summary as JSON to `FILE` at the end")
	c.Flags().StringVar(&f.sim, "sim", "", "run with the built-in simulator showing `CLIP`, whatever the sessions of the file are")
	c.Flags().StringVar(&f.admin, "admin", defaultAdmin, "serve health, readiness, metrics and the API at `ADDR`, or off")
	c.Flags().StringVar(&f.tokenFile, "admin-token-file", "", "ask for the token in `FILE` on the admin port; needed beyond loopback")
	c.Flags().BoolVar(&f.watch, "watch", false, "take changes of the files as they are saved; on SIGHUP they are taken in any case")
	c.Flags().BoolVar(&f.check, "check-frames", false, "end with the name of the stage or sink that writes to pixels which are not its own, or keeps frames; slow")
	f.fileFlags.add(c)
	f.logFlags.add(c)
	return c
}

// run runs every pipeline, each on its own, until the last has ended.
func (p *program) run(ctx context.Context, f runFlags, args []string) error {
	if f.duration < 0 {
		return &usageError{fmt.Errorf("--duration: must not be negative, got %s", f.duration)}
	}
	log, screen, err := p.logger(f.logFlags)
	if err != nil {
		return err
	}
	specs, err := p.load(args, f.fileFlags)
	if err != nil {
		return err
	}
	if err := probeSummary(f.summary); err != nil {
		return err
	}
	if f.check {
		mat.Trace()
	}
	metrics := newMetrics()
	written, err := traces.Open(ctx, traces.Config{Variables: p.getenv, Version: Version(), Log: log, Metrics: metrics.registry})
	if err != nil {
		return err
	}
	defer closeTraces(ctx, written, log)
	s := p.supervise(specs, f, log, metrics, written)
	metrics.watch(s)
	admin, err := startAdmin(f, s, metrics, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rereader, err := s.reread(ctx, f, p.hangups, screen, stop)
	if err != nil {
		return errors.Join(err, admin.close())
	}
	stopProgress := showProgress(screen, s.lines)
	stopTelling := s.manager.attend(s)
	errs := s.run(ctx)
	stopTelling()
	stopProgress()
	if f.check {
		errs = append(errs, leaks(mat.Leaks()))
	}
	errs = append(errs, rereader.close(), admin.close(), p.summarize(f, s.lines()))
	return p.failed(f, log, errors.Join(errs...))
}

// tracesTimeout is what the last traces may take, on top of the end of the
// pipelines.
const tracesTimeout = time.Second

// closeTraces sends what waits, also when ctx is over.
func closeTraces(ctx context.Context, written *traces.Exporter, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesTimeout)
	defer cancel()
	if err := written.Close(ctx); err != nil {
		log.Warn("traces not ended well", "err", err)
	}
}

// leaks is the error of pictures that are in use though nothing runs any more.
func leaks(makers []string) error {
	errs := make([]error, len(makers))
	for i, maker := range makers {
		errs[i] = fmt.Errorf("pictures not closed, made by %s", maker)
	}
	return errors.Join(errs...)
}

// supervise returns what runs the pipelines.
func (p *program) supervise(specs []*config.Spec, f runFlags, log *slog.Logger, m *metrics, written *traces.Exporter) *supervisor {
	pipelines := make([]*supervised, len(specs))
	for i, spec := range specs {
		log := log
		// Who reads the log of one pipeline need not be told its name each time.
		if len(specs) > 1 || f.format == formatJSON {
			log = log.With("pipeline", spec.Name)
		}
		parse := func(text []byte) (*config.Spec, error) { return p.again(spec.Path, text, f.fileFlags) }
		pipelines[i] = newSupervised(spec, parse, func(spec *config.Spec) *line {
			for _, w := range spec.Warnings {
				log.Warn(w)
			}
			return newLine(lineConfig{
				spec: spec, log: log, metrics: m, traces: written, check: f.check,
				duration: f.duration, frames: f.frames, asWanted: f.sim != "",
			})
		})
	}
	return newSupervisor(pipelines, newServiceManager(log))
}

// saidError is a pipeline's failure that the log has told of.
type saidError struct {
	error
	pipeline string
}

func (e *saidError) Error() string { return "pipeline " + e.pipeline + " failed" }
func (e *saidError) Unwrap() error { return e.error }

// alike returns errs as they are if they all make the same exit code. Otherwise
// it hides what they are: one pipeline that no retry can mend is no reason not
// to start the others again.
func alike(errs []error) []error {
	if !slices.ContainsFunc(errs, func(err error) bool { return exitCode(err) != exitCode(errs[0]) }) {
		return errs
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("%v", err) //nolint:errorlint // not to be told apart
		}
	}
	return errs
}

// failed ends a run: where the log is read by a machine, with a line of it.
func (p *program) failed(f runFlags, log *slog.Logger, err error) error {
	if err == nil || f.format != formatJSON {
		return err
	}
	log.Error("run failed", "err", oneLine(err))
	return &toldError{err}
}
