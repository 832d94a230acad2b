// Package pair is the stage that tells which of the frames that a publish sink sent
// a reply answers: a picture or message of the model that echoes what was sent
// with the frame. It sets the measurements "sent_seq" and "sent_pts_ms" of that
// frame and "round_trip_ms", from the sending to here, and with detections what
// somebody had found on it.
package pair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// Config of a pair stage.
type Config struct {
	// Sent is the name of the publish sink whose frames are answered.
	Sent string `yaml:"sent"`
	// Key is what a reply calls the frame that it answers, and must be what the
	// sink calls it: by default both take the user data.
	Key expr.Template `yaml:"key"`
	// Age that a frame may have when it is answered. Later replies are dropped and
	// counted.
	Age config.Duration `yaml:"age"`
	// Others says what becomes of what answers no frame, or one that was answered
	// before: pass or drop. It is counted, too.
	Others string `yaml:"others" oneof:"pass,drop"`
	// Detections names a stage in front of that sink: what it had detected on the
	// frame that was sent is set here, under this stage's name, in the pixels of the
	// reply, whose picture is taken to show the same.
	Detections string `yaml:"detections"`
}

// Default takes replies within two seconds, by their user data.
func Default() Config { return Config{Age: config.Duration(2 * time.Second), Others: "pass"} }

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if c.Sent == "" {
		return errors.New("sent: must be the name of a publish sink")
	}
	if c.Age <= 0 {
		return fmt.Errorf("age: must be positive, got %s", c.Age)
	}
	if ways := []string{"pass", "drop"}; !slices.Contains(ways, c.Others) {
		return fmt.Errorf("others: must be pass or drop, got %q", c.Others)
	}
	return nil
}

// Sets is what expressions may expect.
func (c *Config) Sets() []pipeline.AnyKind {
	if c.Detections == "" {
		return []pipeline.AnyKind{pipeline.Measurements}
	}
	return []pipeline.AnyKind{pipeline.Measurements, pipeline.Detections}
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "pair", Default: Default, New: New, Sets: []pipeline.AnyKind{pipeline.Measurements, pipeline.Detections},
	})
}

// Pair looks for the frames that replies answer.
type Pair struct {
	cfg          Config
	env          pipeline.Env
	late, others func(float64)
}

var _ pipeline.Stage = (*Pair)(nil)

// New returns a pair stage.
func New(env pipeline.Env, cfg Config) (pipeline.Stage, error) {
	if cfg.Detections != "" {
		env.Sent.Ask(cfg.Sent, cfg.Detections)
	}
	return &Pair{
		cfg: cfg, env: env,
		late:   env.Metrics.Counter("late_total", "Replies dropped because their frame was too old."),
		others: env.Metrics.Counter("unpaired_total", "Frames that answer none that was sent, or one that was answered before."),
	}, nil
}

// Process finds the frame that f answers.
func (p *Pair) Process(_ context.Context, f *pipeline.Frame) error {
	if !p.env.Sent.Sends(p.cfg.Sent) {
		return fmt.Errorf("sent: there is no publish sink %q: %w", p.cfg.Sent, pipeline.ErrFatal)
	}
	now := p.env.Clock.Now()
	key, err := p.key(f, now)
	if err != nil {
		return err
	}
	sent, ok := p.env.Sent.Answer(p.cfg.Sent, key)
	if key == "" || !ok {
		p.others(1)
		if p.cfg.Others == "drop" {
			return pipeline.ErrDrop
		}
		return nil
	}
	trip := now.Sub(sent.At)
	if trip > p.cfg.Age.Std() {
		p.late(1)
		return pipeline.ErrDrop
	}
	pipeline.Set(f, pipeline.Measurements, map[string]float64{
		"sent_seq":      float64(sent.Seq),
		"sent_pts_ms":   milliseconds(sent.PTS),
		"round_trip_ms": milliseconds(trip),
	})
	p.carry(f, sent)
	return nil
}

// carry sets what was detected on the frame that was sent.
func (p *Pair) carry(f *pipeline.Frame, sent pipeline.SentFrame) {
	var format pipeline.Format
	if img := f.Image(); img != nil {
		format = img.Format()
	}
	if found, ok := sent.Found(p.cfg.Detections, format.Width, format.Height); ok {
		pipeline.Set(f, pipeline.Detections, found)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// key returns what f calls the frame that it answers, "" if it calls none.
func (p *Pair) key(f *pipeline.Frame, now time.Time) (string, error) {
	if p.cfg.Key.String() == "" {
		return string(f.UserData), nil
	}
	key, ok, err := p.cfg.Key.Text(expr.Input{Frame: f, LastMessage: p.env.LastMessage, Now: now})
	if err != nil || !ok {
		return "", err
	}
	return key, nil
}
