package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
	"github.com/reactorpipe/reactorpipe/pipeline/session"
	"github.com/reactorpipe/reactorpipe/sinks/command"
)

const (
	decisions      = 2000
	decisionsEvery = 10 * time.Millisecond
	decisionBar    = 500 * time.Microsecond
)

// commandBench measures the command sink, on its way through the session.
func commandBench() bench {
	return bench{
		name: "command", title: "the command sink, the server in a process of its own",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			var got []time.Duration
			if err := h.against(ctx, "h264", &got, "decide", strconv.Itoa(decisions)); err != nil {
				return nil, err
			}
			p50 := quantile(got, 0.5)
			return []row{
				{what: "decision → command at the server p50", value: perFrame(p50), bar: "≤ " + perFrame(decisionBar), ok: p50 <= decisionBar},
				{what: "… p95, p99", value: perFrame(quantile(got, 0.95)) + ", " + perFrame(quantile(got, 0.99))},
			}, nil
		},
	}
}

// decideChild gives a command sink frames to decide on, and tells how long it took
// from giving it one until the server's model has the command, by the clock of the
// machine: the wire, and the server's reading of it, are part of that.
func decideChild(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	sent := make(chan pipeline.CommandRecord, 1)
	s := session.New(session.Config{
		Spec: config.Session{Name: "main", Model: "bench", APIKey: "bench", URL: args[0], Wait: patience, OnExit: "end"},
		Log:  slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{},
		OnCommand: func(r pipeline.CommandRecord, _ time.Time) { sent <- r },
	})
	if err := s.Open(ctx); err != nil {
		return err
	}
	sink, err := newDecider(s)
	if err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	all, err := decide(ctx, sink, sent, count)
	err = errors.Join(err, sink.Close(), s.Close(ctx))
	if err != nil {
		return err
	}
	return tell(all)
}

func newDecider(s *session.Session) (pipeline.Sink, error) {
	cfg := command.Default()
	cfg.Command = "echo"
	data, err := expr.NewValue(map[string]any{"text": "{{ len(people.detections) }} people in frame {{ frame.seq }}"})
	if err != nil {
		return nil, err
	}
	if err := data.Check(&expr.Scope{Stages: map[string][]pipeline.AnyKind{"people": {pipeline.Detections}}}); err != nil {
		return nil, err
	}
	cfg.Data = data
	return command.New(pipeline.Env{
		Name: "steer", Log: slog.New(slog.DiscardHandler), Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{}, Session: s,
	}, cfg)
}

func decide(ctx context.Context, sink pipeline.Sink, sent <-chan pipeline.CommandRecord, count int) ([]time.Duration, error) {
	all := make([]time.Duration, 0, count)
	for seq := range count {
		f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: uint64(seq)}, nil) //nolint:gosec // from 0 on
		f.Lend("people")
		pipeline.Set(f, pipeline.Detections, make([]pipeline.Detection, 4))
		begun := time.Now()
		if err := sink.Write(ctx, f); err != nil {
			return nil, err
		}
		if err := f.Release(); err != nil {
			return nil, err
		}
		select {
		case r := <-sent:
			at, ok := r.Reply.Data["at_us"].(float64)
			if r.Outcome != pipeline.CommandSent || !ok {
				return nil, errors.New("command " + string(r.Outcome) + ": " + r.Reason)
			}
			all = append(all, time.UnixMicro(int64(at)).Sub(begun.Round(0)))
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := pause(ctx, decisionsEvery); err != nil {
			return nil, err
		}
	}
	return all, nil
}
