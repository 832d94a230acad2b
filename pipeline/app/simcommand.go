package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
)

func (p *program) simCommand() *cobra.Command {
	var cfg sim.Config
	var logs logFlags
	c := &cobra.Command{
		Use:   "sim",
		Short: "Serve a simulated model, for pipelines and for the official clients",
		Args:  noArgs,
		Long: "Serve a simulated model, for pipelines and for the official clients. It is ready when\n" +
			"/health answers, shows a clip or a test pattern, and changes the picture as its commands\n" +
			"say; `reactorpipe run` connects to it with session: {url: http://ADDR}. With --loop it sends\n" +
			"a video of H.264, H.265, VP8, VP9 or AV1 as it is, twenty sessions on a fraction of a core;\n" +
			"commands are answered then, and change nothing. With --schema it stands in for another\n" +
			"model.\n\n" +
			"What goes wrong is set by flags, and while it runs by HTTP: PUT /_trouble takes what --trouble\n" +
			"takes, GET shows it, DELETE ends it, POST /_trouble/crash and the like have happen what --happen\n" +
			"has. POST /_say/TYPE with a JSON object has the model say that. docs/simulator.md has it all.",
		Example: "  reactorpipe sim --clip street.mp4\n" +
			"  reactorpipe sim --loop encoded.mp4 --sessions 20\n" +
			"  reactorpipe sim --schema helios.json --delay 200ms\n" +
			"  reactorpipe sim --loss 0.05 --latency 40ms --jitter 10ms --happen drop@20s\n" +
			`  reactorpipe sim --trouble '{"http": {"POST /start_session": [{"status": 429, "retry_after": "7", "times": 1}]}}'`,
		RunE: func(c *cobra.Command, _ []string) error {
			log, _, err := p.logger(logs)
			if err != nil {
				return err
			}
			cfg.Log = log
			return inFlags(c, serveSim(c.Context(), cfg, log))
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "listen on `ADDR`")
	f.StringVar(&cfg.Name, "name", "", "`NAME` that the model calls itself; that of the schema, or sim, if empty")
	addPicture(f, &cfg)
	addSessions(f, &cfg)
	addTrouble(f, &cfg)
	logs.add(c)
	return c
}

// addPicture adds the flags that say what the model shows.
func addPicture(f *pflag.FlagSet, cfg *sim.Config) {
	f.StringVar(&cfg.Clip, "clip", "", "show the video `FILE` in a loop; a test picture without")
	f.StringVar(&cfg.Pattern, "pattern", "", "show the test picture `NAME`: "+either(sim.Patterns())+"; bars if empty")
	f.StringVar(&cfg.Loop, "loop", "", "send the video `FILE` over and over as it is, without encoding")
	f.StringVar(&cfg.Codec, "codec", "", "prefer `CODEC`: vp8, vp9, h264 or av1; vp8 if empty")
	f.IntVar(&cfg.Width, "width", 0, "width of the picture in `PIXELS`; the clip's own if 0")
	f.IntVar(&cfg.Height, "height", 0, "height of the picture in `PIXELS`; the clip's own if 0")
	f.Float64Var(&cfg.FPS, "fps", 0, "frames a second, `N`; 30 if 0")
	f.IntVar(&cfg.Bitrate, "bitrate", 0, "encode with `BITS` a second; 4000000 if 0")
	f.DurationVar(&cfg.Delay, "delay", 0, "`TIME` between a command and its effect")
	f.BoolVar(&cfg.NeedsImage, "needs-image", false, "show nothing before set_image has brought a picture")
}

// addSessions adds those of what sessions are and what the model takes in them.
func addSessions(f *pflag.FlagSet, cfg *sim.Config) {
	f.StringVar(&cfg.Schema, "schema", "", "take over the tracks, commands and messages of the model whose schema is in `FILE`")
	f.StringSliceVar(&cfg.Surface.Inputs, "input", nil, "take these input `TRACKS` (default source)")
	f.StringSliceVar(&cfg.Surface.Commands, "command", nil, "take these `COMMANDS` besides the built-in ones, with any arguments")
	f.IntVar(&cfg.Sessions, "sessions", 0, "give `N` sessions at a time by the cloud's routes; 5 if 0")
	f.DurationVar(&cfg.SessionLimit, "session-limit", 0, "end each session after `TIME`; 0 does not")
	f.BoolVar(&cfg.Recording.Enabled, "record", false, "let clients fetch clips and recordings, of H.264 or VP9")
	f.DurationVar(&cfg.Recording.Chunk, "record-chunk", 0, "cut recordings into pieces of `TIME`; 4s if 0")
	f.IntVar(&cfg.StepFrames, "steps", 0, "let sessions be stepped, `N` pictures a step")
}

// addTrouble adds those of what goes wrong.
func addTrouble(f *pflag.FlagSet, cfg *sim.Config) {
	network := &cfg.Trouble.Network
	f.Float64Var(&network.Drop, "loss", 0, "lose `SHARE` of the media packets, 0 to 1")
	f.Float64Var(&network.Reorder, "reorder", 0, "let `SHARE` of the media packets change places with the next, 0 to 1")
	f.Float64Var(&network.Duplicate, "duplicate", 0, "send `SHARE` of the media packets twice, 0 to 1")
	f.DurationVar(&network.Delay, "latency", 0, "delay media packets by `TIME`")
	f.DurationVar(&network.Jitter, "jitter", 0, "delay media packets by up to `TIME` more, by chance")
	f.IntVar(&network.Bandwidth, "bandwidth", 0, "let `BITS` a second through to each connection; 0 does not bound")
	f.StringVar((*string)(&cfg.Trouble.Show), "show", "", "show `WHAT` in place of the picture: stopped, still, black or large")
	f.DurationVar(&cfg.Trouble.ClockSkew, "clock-skew", 0, "be `TIME` ahead of the true time")
	f.Var(troubleFlag{&cfg.Trouble}, "trouble", "make all of `TROUBLE`, as JSON, or @FILE with it")
	f.Var(incidentFlag{&cfg.Incidents}, "happen", "have `WHAT@TIME` happen, so long after the first client came, for example crash@30s: drop, mute, end, end=REASON, moderate, crash, restart, expire_tokens; may be repeated")
}

func serveSim(ctx context.Context, cfg sim.Config, log *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return &usageError{err}
	}
	s, err := sim.Serve(context.WithoutCancel(ctx), cfg)
	listening, ok := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("addr: another program listens on %s: name another port, or 127.0.0.1:0 for any that is free", cfg.Addr)
	case ok && listening.Op == "listen":
		return fmt.Errorf("addr: %w", err)
	case err != nil:
		return err
	}
	log.Info("model ready", "url", s.URL())
	<-ctx.Done()
	return s.Close()
}

// inFlags has the errors of a configuration, each of which begins with a field,
// speak of the command's flags for them.
func inFlags(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = inFlag(c, line)
	}
	return &wordedError{strings.Join(lines, "\n"), err}
}

// troubles are the fields of a simulator's trouble, with their flags.
var troubles = map[string]string{
	"network: drop": "loss", "network: duplicate": "duplicate", "network: reorder": "reorder", "network: delay": "latency",
	"network: jitter": "jitter", "network: bandwidth": "bandwidth", "http": "trouble: http", "messages": "trouble: messages",
}

// inFlag does so for one error. What begins with no field stays as it is.
func inFlag(c *cobra.Command, text string) string {
	for field, flag := range troubles {
		if rest, ok := strings.CutPrefix(text, field+": "); ok {
			return "--" + flag + ": " + rest
		}
	}
	fields, rest, ok := strings.Cut(text, ": ")
	names := strings.Split(strings.ReplaceAll(fields, "_", "-"), ", ")
	for _, name := range names {
		if !ok || c.Flags().Lookup(name) == nil {
			return c.Name() + ": " + text
		}
	}
	return "--" + strings.Join(names, ", --") + ": " + rest
}

// wordedError is an error in other words.
type wordedError struct {
	text string
	err  error
}

func (e *wordedError) Error() string { return e.text }

func (e *wordedError) Unwrap() error { return e.err }
