package record

import (
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

const (
	// retryEvery is how often a disk that takes nothing is tried again.
	retryEvery = 2 * time.Second
	// enoughRoom is what there must be before a full disk is tried again, in
	// bytes: a few seconds of video.
	enoughRoom = 8 << 20
	// proven is how much must have been recorded before an outage is taken for
	// over: a container holds on to more than a fragment before it writes.
	proven = 2 * time.Second
)

// unwritable is an error of the disk, not of one picture.
type unwritable struct{ error }

func (u *unwritable) Unwrap() error { return u.error }

// outage is a time in which nothing can be written.
type outage struct {
	lost func(float64)

	on      bool
	missed  int // pictures
	retryAt time.Time
}

// begin begins an outage, or goes on with one. It returns err if that is news.
func (o *outage) begin(now time.Time, err error) error {
	o.miss()
	o.retryAt = now.Add(retryEvery)
	if o.on {
		return nil
	}
	o.on = true
	return fmt.Errorf("recording pauses: %w", err)
}

// waits says whether, in an outage, a picture is to be left out.
func (o *outage) waits(now time.Time, folder string) bool {
	if o.retryAt.IsZero() {
		return false
	}
	if now.Before(o.retryAt) {
		o.miss()
		return true
	}
	if full(folder) {
		o.retryAt = now.Add(retryEvery)
		o.miss()
		return true
	}
	o.retryAt = time.Time{} // until the next error
	return false
}

func (o *outage) miss() {
	o.missed++
	o.lost(1)
}

// end ends the outage and returns how many pictures it cost.
func (o *outage) end() int {
	missed := o.missed
	o.on, o.missed = false, 0
	return missed
}

// full says that a disk has no room to speak of. One that does not tell is
// tried.
func full(folder string) bool {
	free, known := outfile.Free(folder)
	return known && free < enoughRoom
}
