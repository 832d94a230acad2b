// Package lookback is a stage with state across frames: it keeps a picture from
// a while ago and measures how much has changed since. A still camera in front
// of a slow scene shows more of that than two frames in a row.
package lookback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config is what stands under `config:` in a pipeline's file.
type Config struct {
	// Ago is how old the picture is at most that others are compared with.
	Ago config.Duration `yaml:"ago"`
	// Threshold is the difference in brightness from which a pixel counts as
	// changed, 1 to 255.
	Threshold float64 `yaml:"threshold"`
}

// Default looks a second back.
func Default() Config { return Config{Ago: config.Duration(time.Second), Threshold: 25} }

// Validate refuses what makes no sense. The message begins with the field.
func (c *Config) Validate() error {
	if c.Ago <= 0 {
		return fmt.Errorf("ago: must be above 0s, got %s", c.Ago)
	}
	if !(c.Threshold >= 1 && c.Threshold <= 255) {
		return fmt.Errorf("threshold: must be from 1 to 255, got %g", c.Threshold)
	}
	return nil
}

// Register adds the kind to r. It is not Stateless: frames come one after the
// other, to one instance.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "lookback", Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.Gray},
		Sets:   []pipeline.AnyKind{pipeline.Measurements},
	})
}

// Lookback sets the measurement "changed", the share of the picture that is not
// as it was, 0 to 1. It is absent where there is nothing to compare with.
type Lookback struct {
	cfg     Config
	earlier *pipeline.Frame // a Keep, ours to release; nil before the first
	changed gocv.Mat        // used again for each picture
}

// The state across frames is what makes a stage a Resetter, and keeping pixels
// what makes it a Closer.
var (
	_ pipeline.Stage    = (*Lookback)(nil)
	_ pipeline.Resetter = (*Lookback)(nil)
)

// New returns a lookback stage.
func New(_ pipeline.Env, cfg Config) (pipeline.Stage, error) {
	return &Lookback{cfg: cfg, changed: gocv.NewMat()}, nil
}

// Process compares the picture with the one that is kept. Time is that of the
// pictures, so that a file and a live stream give the same results.
func (l *Lookback) Process(_ context.Context, f *pipeline.Frame) error {
	now, err := mat.Gray(f)
	if err != nil {
		return err
	}
	if l.earlier == nil {
		l.earlier = f.Keep()
		return nil
	}
	before, err := mat.Gray(l.earlier)
	if err != nil {
		return err
	}
	if before.Cols() != now.Cols() || before.Rows() != now.Rows() {
		return l.remember(f) // the size changed in mid-stream
	}
	if err := gocv.AbsDiff(*before, *now, &l.changed); err != nil {
		return err
	}
	gocv.Threshold(l.changed, &l.changed, float32(l.cfg.Threshold), 255, gocv.ThresholdBinary)
	share := float64(gocv.CountNonZero(l.changed)) / float64(l.changed.Total())
	pipeline.Set(f, pipeline.Measurements, map[string]float64{"changed": share})
	if f.PTS-l.earlier.PTS >= l.cfg.Ago.Std() {
		return l.remember(f)
	}
	return nil
}

// remember keeps f in the place of the earlier picture. Keep it must be: f
// itself is lent for the call only, and a Share would hold up the line.
func (l *Lookback) remember(f *pipeline.Frame) error {
	err := l.forget()
	l.earlier = f.Keep()
	return err
}

func (l *Lookback) forget() error {
	if l.earlier == nil {
		return nil
	}
	err := l.earlier.Release()
	l.earlier = nil
	return err
}

// Reset is called where the next picture does not follow the last: after a loss,
// a reconnect, a new session, as a file begins again. A difference across that
// would say nothing.
func (l *Lookback) Reset(pipeline.Reason) {
	l.forget() //nolint:errcheck // a picture that cannot be freed is nothing a reset can mend
}

// Close frees what was kept.
func (l *Lookback) Close() error { return errors.Join(l.forget(), l.changed.Close()) }
