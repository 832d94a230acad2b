package rehearsal

import (
	"context"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// What falls on the same time is parted on the virtual clock, by less than
// anybody sees, so that its order is always the same: between two times all that
// the first brought comes to its end. An outage comes first, then what the model
// says, then the pictures, sources in the order of the file.
const (
	step        = time.Microsecond
	messageStep = 1 * step
	pictureStep = 2 * step
)

// later is how much each picture is later than the one before, besides its time
// stamp. What began with an earlier one and ends as it comes, a call that takes
// so long, a deadline, is over before it.
const later = 16 * time.Nanosecond

// turn is how much a command of one sink is later than that of the sink before
// it in the file, on the same frame.
const turn = 1 * time.Nanosecond

// wait waits for some virtual time. It is false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-pipeline.SystemClock{}.After(d):
		return true
	}
}
