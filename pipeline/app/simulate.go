package app

import (
	"log/slog"
	"slices"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/sim"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// simConfig is what a session's simulator is made with. asWanted says that it
// offers whatever the file wants of its model, besides what it always does.
func simConfig(spec *config.Spec, s *config.Session, asWanted bool, log *slog.Logger) sim.Config {
	cfg := sim.Config{
		Name: s.Sim.Model, Clip: s.Sim.Clip, Loop: s.Sim.Loop, Schema: s.Sim.Schema,
		Codec: s.Sim.Codec, Width: s.Sim.Width, Height: s.Sim.Height, FPS: s.Sim.FPS,
		NeedsImage: s.Sim.NeedsImage,
		Trouble:    sessiontest.Trouble{Network: sessiontest.Network{Drop: s.Sim.Loss}}, Log: troubleOnly(log.With("simulator", s.Name)),
	}
	if asWanted {
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
		all.AudioOutputs = appendNew(all.AudioOutputs, use.ReceivesAudio...)
		all.AudioInputs = appendNew(all.AudioInputs, use.PublishesAudio...)
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
	for _, c := range slices.Concat(s.Start, s.Stop, s.OnStall) {
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
