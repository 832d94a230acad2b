package config

import (
	"errors"
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// The kinds that the files of the tests use: stand-ins for those that ship.

type trackConfig struct {
	Track  string   `yaml:"track"`
	Codecs []string `yaml:"codecs"`
}

type fileConfig struct {
	File  string `yaml:"file"`
	Loop  bool   `yaml:"loop"`
	Audio bool   `yaml:"audio"`
}

// HasAudio says whether there is sound.
func (c *fileConfig) HasAudio() bool { return c.Audio }

type messageConfig struct {
	Message string `yaml:"message"`
}

type blurConfig struct {
	Radius int `yaml:"radius"`
	Kernel struct {
		Shape string    `yaml:"shape"`
		Sigma []float64 `yaml:"sigma"`
	} `yaml:"kernel"`
	Colors map[string][3]uint8 `yaml:"colors"`
}

func (c *blurConfig) Validate() error {
	if c.Radius < 1 || c.Radius%2 == 0 {
		return fmt.Errorf("radius: must be odd and positive, got %d", c.Radius)
	}
	return nil
}

type detectConfig struct {
	Threshold float64  `yaml:"threshold"`
	Every     Duration `yaml:"every"`
	Score     float64  `yaml:"score" range:"0..<1"`
}

type overlayConfig struct {
	Text expr.Template `yaml:"text"`
}

type commandConfig struct {
	Command string     `yaml:"command"`
	Data    expr.Value `yaml:"data"`
	DryRun  bool       `yaml:"dry_run"`
}

func (c *commandConfig) Validate() error {
	if c.Command == "" {
		return errors.New("command: is missing")
	}
	return nil
}

type publishConfig struct {
	Track string `yaml:"track"`
	FPS   Rate   `yaml:"fps"`
	Voice string `yaml:"voice"`
}

// Audio says whether sound is taken.
func (c *publishConfig) Audio() bool { return c.Voice != "" }

type recordConfig struct {
	Path    expr.Template `yaml:"path"`
	Segment Duration      `yaml:"segment"`
	Size    Size          `yaml:"size"`
	Bitrate Bitrate       `yaml:"bitrate"`
	Boxes   bool          `yaml:"boxes"`
	Copy    bool          `yaml:"copy"`
}

// Encoded says whether the pictures are taken as they come.
func (c *recordConfig) Encoded() bool { return c.Copy }

// Pixels raises what the kind reads.
func (c *recordConfig) Pixels() pipeline.Pixels {
	if c.Boxes {
		return pipeline.Pixels{Read: pipeline.BGR}
	}
	return pipeline.Pixels{Read: pipeline.Native}
}

type logConfig struct {
	Fields []string `yaml:"fields"`
	Limit  *int     `yaml:"limit"`
}

func testRegistry() *pipeline.Registry {
	r := pipeline.NewRegistry()
	pipeline.RegisterSource(r, pipeline.SourceKind[trackConfig]{Name: "track", Session: true, Units: true})
	pipeline.RegisterSource(r, pipeline.SourceKind[fileConfig]{Name: "file"})
	pipeline.RegisterSource(r, pipeline.SourceKind[messageConfig]{Name: "message", Session: true, Messages: true})
	pipeline.RegisterStage(r, pipeline.StageKind[blurConfig]{
		Name: "blur", Default: func() blurConfig { return blurConfig{Radius: 3} },
		Pixels: pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit}, Stateless: true,
	})
	pipeline.RegisterStage(r, pipeline.StageKind[detectConfig]{
		Name: "people_detect", Pixels: pipeline.Pixels{Read: pipeline.BGR}, Stateless: true,
		Sets: []pipeline.AnyKind{pipeline.Detections},
	})
	pipeline.RegisterStage(r, pipeline.StageKind[struct{}]{Name: "track_objects", Sets: []pipeline.AnyKind{pipeline.Detections}})
	pipeline.RegisterStage(r, pipeline.StageKind[overlayConfig]{
		Name: "overlay", Pixels: pipeline.Pixels{Read: pipeline.BGR, Write: pipeline.Edit},
	})
	pipeline.RegisterSink(r, pipeline.SinkKind[commandConfig]{Name: "command", Session: true, Edge: pipeline.Rise})
	pipeline.RegisterSink(r, pipeline.SinkKind[publishConfig]{
		Name: "publish", Session: true, Audio: true, Pixels: pipeline.Pixels{Read: pipeline.Native},
	})
	pipeline.RegisterSink(r, pipeline.SinkKind[recordConfig]{Name: "record", Audio: true, Pixels: pipeline.Pixels{Read: pipeline.Native}})
	pipeline.RegisterSink(r, pipeline.SinkKind[logConfig]{Name: "log", Queue: pipeline.Queue{Depth: 1024, OnFull: pipeline.DropOldest}})
	pipeline.RegisterSink(r, pipeline.SinkKind[struct{}]{Name: "discard"})
	return r
}
