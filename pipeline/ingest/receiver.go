package ingest

import (
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// receiver makes access units of a track's packets, over changes of codec and
// of connection. It is a state machine: its driver tells it the time.
type receiver struct {
	onLoss  OnLoss
	repairs bool // what is missing may come again
	maxUnit int  // in bytes; 0 is depacketize's

	codec        decode.Codec
	epoch        int
	started      bool
	buffer       *jitter.Buffer
	held         []sdk.Packet // that may lie in the buffer
	depacketizer *depacketize.Depacketizer
	restart      bool // the next unit begins a new timeline
	lost         bool // pictures were left out, or damaged, since the last unit
	past         receiverCounts
}

// receiverCounts are what a receiver counts over all its buffers.
type receiverCounts struct {
	units, broken, withheld uint64
	malformed, oversized    uint64 // of the broken ones, and of the unit in the making
	untrue                  uint64 // trailers
	stray                   uint64 // packets
}

func (c receiverCounts) plus(d receiverCounts) receiverCounts {
	return receiverCounts{
		units: c.units + d.units, broken: c.broken + d.broken, withheld: c.withheld + d.withheld,
		malformed: c.malformed + d.malformed, oversized: c.oversized + d.oversized,
		untrue: c.untrue + d.untrue, stray: c.stray + d.stray,
	}
}

// push takes the next packet as it came from the network.
func (r *receiver) push(p sdk.Packet) error {
	codec, err := decode.ParseCodec(p.Codec)
	if err != nil {
		return fmt.Errorf("received %w", err)
	}
	if !r.started || codec != r.codec || p.Epoch != r.epoch {
		if err := r.begin(codec, p.Epoch); err != nil {
			return err
		}
	}
	r.buffer.Push(p.Packet, p.Arrival)
	r.hold(p)
	return nil
}

// maxHeld is more than a buffer has that empties now and then.
const maxHeld = 4096

// hold remembers a packet until the buffer is empty. Of one that never is, Go's
// collector takes them.
func (r *receiver) hold(p sdk.Packet) {
	if len(r.held) == maxHeld {
		clear(r.held)
		r.held = r.held[:0]
	}
	r.held = append(r.held, p)
}

// letGo releases all packets if none waits in the buffer.
func (r *receiver) letGo() {
	if _, waits := r.buffer.Deadline(); waits {
		return
	}
	for _, p := range r.held {
		p.Release()
	}
	clear(r.held)
	r.held = r.held[:0]
}

// begin starts anew for another codec or connection.
func (r *receiver) begin(codec decode.Codec, epoch int) error {
	d, err := depacketize.New(codec, depacketize.Config{ShowDamaged: r.onLoss == ShowLoss, MaxBytes: r.maxUnit})
	if err != nil {
		return err
	}
	r.past = r.counts()
	r.restart = r.started
	r.codec, r.epoch, r.started = codec, epoch, true
	r.buffer, r.depacketizer = jitter.New(r.patience(codec)), d
	return nil
}

// patience is how long gaps are waited for. Who shows damaged pictures has no use
// for a repair that comes late.
func (r *receiver) patience(codec decode.Codec) jitter.Config {
	if r.onLoss == ShowLoss || !r.repairs {
		return jitter.Config{}
	}
	return jitter.Config{Keyframe: func(payload []byte) bool { return depacketize.BeginsKeyframe(codec, payload) }}
}

// pop hands every unit that is complete by now to take. A unit's data is valid
// during the call.
func (r *receiver) pop(now time.Time, take func(unit)) {
	if !r.started {
		return
	}
	for {
		p, ok := r.buffer.Pop(now)
		if !ok && r.skip() {
			continue
		}
		if !ok {
			r.letGo()
			return
		}
		r.restart = r.restart || p.Restart
		for _, au := range r.assemble(p) {
			take(unit{AccessUnit: au, restart: r.restart, lost: r.lost})
			r.restart, r.lost = false, false
		}
	}
}

// finish gives up every gap, because nothing comes any more.
func (r *receiver) finish(take func(unit)) {
	if !r.started {
		return
	}
	r.buffer.Flush()
	r.pop(time.Time{}, take)
}

// skip gives up a gap in which there was no picture.
func (r *receiver) skip() bool {
	p, ok := r.buffer.Behind()
	if !ok || !r.depacketizer.Follows(p) {
		return false
	}
	r.buffer.Skip()
	return true
}

// assemble returns the units that a packet completes, and notices what was lost
// before them.
func (r *receiver) assemble(p decode.Packet) []decode.AccessUnit {
	before, waiting := r.depacketizer.Stats(), r.needKeyframe()
	units := r.depacketizer.Push(p)
	after := r.depacketizer.Stats()
	r.lost = r.lost || r.needKeyframe() && !waiting ||
		after.Broken != before.Broken || after.Withheld != before.Withheld
	return units
}

// deadline returns when pop has something to do though no packet came.
func (r *receiver) deadline() (time.Time, bool) {
	if !r.started {
		return time.Time{}, false
	}
	return r.buffer.Deadline()
}

func (r *receiver) setRTT(rtt time.Duration) {
	if r.started {
		r.buffer.SetRTT(rtt)
	}
}

// needKeyframe says that nothing comes before the next keyframe.
func (r *receiver) needKeyframe() bool { return r.started && r.depacketizer.NeedKeyframe() }

// wantsKeyframe says that one should be asked for. A track begins with one: while
// its first picture is arriving there is no need to ask.
func (r *receiver) wantsKeyframe() bool {
	if r.started && r.buffer.Overdue() {
		return true
	}
	if !r.needKeyframe() {
		return false
	}
	n := r.depacketizer.Stats()
	return n.Units+n.Broken+n.Withheld > 0
}

func (r *receiver) counts() receiverCounts {
	c := r.past
	if !r.started {
		return c
	}
	d := r.depacketizer.Stats()
	c.units += d.Units
	c.broken += d.Broken
	c.withheld += d.Withheld
	c.malformed += d.Malformed
	c.oversized += d.Oversized
	c.untrue += d.Untrue
	c.stray += r.buffer.Stats().Stray
	return c
}
