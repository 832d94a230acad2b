package ingest

import "time"

// timeline maps the RTP timestamps of one source to presentation times that
// never go back, whatever the sender's clock does.
type timeline struct {
	started bool
	origin  int64         // RTP time that base belongs to
	base    time.Duration // PTS of origin
	last    time.Duration // PTS given out last
	arrival time.Time     // of the unit it belonged to
}

// maxSkew is how far the sender's clock may run away from ours between two
// units before it is taken for a new clock: far more than any jitter, less than
// what a viewer would take for a pause.
const maxSkew = 10 * time.Second

// at returns the PTS of a unit. A new sender, or a clock that jumped, goes on
// by the time between the arrivals.
func (t *timeline) at(rtpTime int64, clockRate int, arrival time.Time) time.Duration {
	if !t.started {
		t.begin(rtpTime, 0, arrival)
	}
	gap := arrival.Sub(t.arrival)
	pts := t.base + ticks(rtpTime-t.origin, clockRate)
	if skew := pts - t.last - gap; skew > maxSkew || skew < -maxSkew {
		t.begin(rtpTime, t.last+gap, arrival)
		pts = t.base
	}
	if pts <= t.last {
		pts = t.last + time.Microsecond
	}
	t.last, t.arrival = pts, arrival
	return pts
}

// restart makes the next unit go on by the time since the last arrival, because
// its timestamps are not those of the units before.
func (t *timeline) restart(rtpTime int64, arrival time.Time) {
	if t.started {
		t.begin(rtpTime, t.last+max(arrival.Sub(t.arrival), time.Microsecond), arrival)
	}
}

// begin sets the PTS of the unit that is about to be asked for.
func (t *timeline) begin(rtpTime int64, pts time.Duration, arrival time.Time) {
	*t = timeline{started: true, origin: rtpTime, base: pts, last: pts - time.Microsecond, arrival: arrival}
}

// ticks converts n ticks of a clock without overflow over years.
func ticks(n int64, rate int) time.Duration {
	if rate <= 0 {
		return 0
	}
	r := int64(rate)
	return time.Duration(n/r)*time.Second + time.Duration(n%r)*time.Second/time.Duration(r)
}
