package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/sim"
)

// simulated is what `--sim` makes of a pipeline: each session is with a
// simulator of its own, which offers what the file asks of it.
func simulated(spec *config.Spec, clip string) {
	for i := range spec.Sessions {
		s := &spec.Sessions[i]
		s.Model, s.URL, s.APIKey, s.Token = "", "", "", ""
		s.Sim = &config.Sim{Clip: clip, Model: "sim"}
	}
}

// simConfig is what a session's simulator is made with. open says that the
// model is what the file asks for, not the built-in one.
func simConfig(spec *config.Spec, s *config.Session, open bool, log *slog.Logger) sim.Config {
	cfg := sim.Config{
		Name: s.Sim.Model, Clip: s.Sim.Clip, Codec: s.Sim.Codec, Width: s.Sim.Width, Height: s.Sim.Height, FPS: s.Sim.FPS,
		Log: troubleOnly(log.With("simulator", s.Name)),
	}
	if open {
		cfg.Surface = surface(spec, s)
	}
	return cfg
}

// surface collects what the file wants of one session.
func surface(spec *config.Spec, s *config.Session) sim.Surface {
	var all sim.Surface
	add := func(session string, cfg any) {
		d, ok := cfg.(pipeline.UseDeclarer)
		if !ok || session != s.Name {
			return
		}
		use := d.SessionUse()
		all.Outputs = appendNew(all.Outputs, use.Receives...)
		all.Inputs = appendNew(all.Inputs, use.Publishes...)
		all.Commands = appendNew(all.Commands, use.Commands...)
		all.Messages = appendNew(all.Messages, use.Messages...)
	}
	for _, n := range spec.Sources {
		add(n.Session, n.Config)
	}
	for _, n := range spec.Stages {
		add(n.Session, n.Config)
	}
	for _, n := range spec.Sinks {
		add(n.Session, n.Config)
	}
	for _, c := range s.Start {
		all.Commands = appendNew(all.Commands, c.Command)
		if c.Wait != "" {
			all.Messages = appendNew(all.Messages, c.Wait)
		}
	}
	return all
}

func appendNew(list []string, names ...string) []string {
	for _, n := range names {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

func (p *program) simCommand() *cobra.Command {
	var cfg sim.Config
	var logFormat, logLevel string
	c := &cobra.Command{
		Use:   "sim",
		Short: "Serve a simulated model, for pipelines and for the official clients",
		Long: "Serve a simulated model, for pipelines and for the official clients. It is ready when\n" +
			"/health answers, shows a clip or a test pattern, and changes the picture as its commands\n" +
			"say; `reactorpipe run` connects to it with session: {url: http://ADDR}.",
		RunE: func(c *cobra.Command, _ []string) error {
			log, _, err := p.logger(logFormat, logLevel)
			if err != nil {
				return err
			}
			cfg.Log = log
			return serveSim(c.Context(), cfg, log)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "address to listen on")
	f.StringVar(&cfg.Clip, "clip", "", "video to show in a loop; a test pattern without")
	f.StringVar(&cfg.Name, "name", "sim", "what the model calls itself")
	f.StringVar(&cfg.Codec, "codec", "vp8", "preferred codec: vp8, vp9 or h264")
	f.IntVar(&cfg.Width, "width", 0, "width of the picture in pixels; the clip's own if 0")
	f.IntVar(&cfg.Height, "height", 0, "height of the picture in pixels; the clip's own if 0")
	f.Float64Var(&cfg.FPS, "fps", 30, "frames a second")
	f.DurationVar(&cfg.Delay, "delay", 0, "time between a command and its effect")
	f.DurationVar(&cfg.SessionLimit, "session-limit", 0, "end each session after this time; 0 does not")
	f.StringSliceVar(&cfg.Surface.Inputs, "input", nil, "input tracks (default source)")
	f.StringSliceVar(&cfg.Surface.Commands, "command", nil, "commands taken besides the built-in ones, with any arguments")
	addLogFlags(c, &logFormat, &logLevel)
	return c
}

func serveSim(ctx context.Context, cfg sim.Config, log *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return &usageError{err}
	}
	s, err := sim.Serve(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	log.Info("model ready", "url", s.URL())
	<-ctx.Done()
	return s.Close()
}
