package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// pace makes pictures come when they are due.
type pace struct {
	clock pipeline.Clock
	began time.Time // when PTS 0 was due
}

// await waits until a picture is due. The first one is at once; one that is late
// does not move those behind it.
func (p *pace) await(ctx context.Context, pts time.Duration) error {
	now := p.clock.Now()
	if p.began.IsZero() {
		p.began = now.Add(-pts)
	}
	wait := p.began.Add(pts).Sub(now)
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.clock.After(wait):
		return nil
	}
}

// maxFPS is more than any stage keeps up with.
const maxFPS = 1000

func checkFPS(fps float64) error {
	if !(fps > 0 && fps <= maxFPS) {
		return fmt.Errorf("fps: must be over 0 and at most %d, got %g", maxFPS, fps)
	}
	return nil
}

// frameAt is when the n-th picture is due.
func frameAt(n uint64, fps float64) time.Duration {
	return time.Duration(float64(n) * float64(time.Second) / fps)
}

func checkSize(width, height int) error {
	var errs []error
	if width < 16 || width > maxSide {
		errs = append(errs, fmt.Errorf("width: must be 16 to %d, got %d", maxSide, width))
	}
	if height < 16 || height > maxSide {
		errs = append(errs, fmt.Errorf("height: must be 16 to %d, got %d", maxSide, height))
	}
	return errors.Join(errs...)
}

// maxSide is that of 8K pictures, and some.
const maxSide = 8192
