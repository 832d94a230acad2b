package effect

import (
	"math"
	"slices"
	"time"
)

// What is known of a stream before a command.
const (
	// memory is how many frames its changes are remembered for: ten seconds at 30
	// fps, so that the tail of their distribution is made of thirty.
	memory = 300
	// enough is how many there have to be.
	enough = 45
	// tail is the share of the changes that the distribution of the large ones is
	// fitted to.
	tail = 0.1
)

const (
	// noise is how far the luma of a cell moves between two frames of a picture
	// that stands still: encoders are never quite.
	noise = 1.0
	// learning is the weight of a new frame in what a cell usually does.
	learning = 1.0 / 30
	// clear is how far beyond what it usually does the change of a cell counts, in
	// squares, where it is asked how many cells changed.
	evident = 16
	// outlier is how far beyond what it usually does a cell's change counts in
	// full for that, in squares.
	outlier = 9
	// blockNoise is noise for the mean of a block.
	blockNoise = 0.4
	// little keeps the logarithm of no change finite.
	little = 0.05
	// longEffect is how many frames an effect is waited for to come to its end: what
	// changes by more than the stream did before is not learned meanwhile.
	longEffect = 60
	// longGap is a break between two frames that is not a usual one.
	longGap = 250 * time.Millisecond
)

// A block is a part of the picture in which noise and small movements cancel out.
const (
	across, down = 4, 3
	blocks       = across * down
	blockCells   = cells / blocks
)

// The ways to measure a change. What is evident in one of them is hardly to be seen
// in another: light that turns, something that appears in a corner, many small
// things at once.
const (
	byCells  = iota // how much the cells change
	byCount         // how many of them do
	byBlocks        // how much the light of the blocks does
	measures
)

// change is how much a picture differs from an earlier one, by what its parts
// usually do: logarithms of about 1 where nothing happens.
type change [measures]float64

// stream is the picture of one source: how it changes from frame to frame.
type stream struct {
	width, height int
	last          time.Time // arrival of the last frame; zero before the first
	previous      thumb
	usual         [cells]float32  // mean square of each cell's changes
	usualBlock    [blocks]float32 // and of each block's
	scratch       []byte
	next          thumb

	past []moment // a ring, of the last frames
	at   int      // where the next goes

	settling int         // frames for which an effect that was seen may go on
	calm     expectation // what the stream did before that
}

// moment is a frame's change, and its arrival.
type moment struct {
	change change
	at     time.Time
}

// forget begins anew: what comes next does not follow what was before.
func (s *stream) forget() {
	s.last, s.past, s.at, s.settling = time.Time{}, s.past[:0], 0, 0
	clear(s.usual[:])
	clear(s.usualBlock[:])
}

// change returns how much the next picture differs from an earlier one.
func (s *stream) change(from *thumb) (c change) {
	var all, counted float64
	var shift [blocks]float32
	for i := range from {
		d := s.next[i] - from[i]
		shift[blockOf(i)] += d / blockCells
		z := float64(d * d / (s.usual[i] + noise*noise))
		all += z
		counted += min(z, evident)
	}
	var light float64
	for b, d := range shift {
		light += float64(d * d / (s.usualBlock[b] + blockNoise*blockNoise))
	}
	for m, mean := range [measures]float64{byCells: all / cells, byCount: counted / cells, byBlocks: light / blocks} {
		c[m] = math.Log(math.Sqrt(mean) + little)
	}
	return c
}

func blockOf(cell int) int {
	x, y := cell%columns, cell/columns
	return y*down/rows*across + x*across/columns
}

// learn takes the next picture in.
func (s *stream) learn(at time.Time) {
	if !s.last.IsZero() {
		var shift [blocks]float32
		for i := range s.usual {
			d := s.next[i] - s.previous[i]
			shift[blockOf(i)] += d / blockCells
			getUsedTo(&s.usual[i], d, noise)
		}
		for b, d := range shift {
			getUsedTo(&s.usualBlock[b], d, blockNoise)
		}
	}
	s.previous, s.last = s.next, at
}

func getUsedTo(usual *float32, d, least float32) {
	square := min(d*d, outlier*(*usual+least*least))
	*usual += learning * (square - *usual)
}

// settle says that an effect was seen, which may go on for a while.
func (s *stream) settle(calm expectation) { s.settling, s.calm = longEffect, calm }

// remember takes a change in as one that the stream makes by itself. What an
// effect goes on to do is none.
func (s *stream) remember(m moment) {
	if s.settling > 0 {
		s.settling--
		if chance, _ := s.calm.chance(m.change, 1); chance <= falseAlarms {
			return
		}
	}
	if len(s.past) < memory {
		s.past = append(s.past, m)
		return
	}
	s.past[s.at] = m
	s.at = (s.at + 1) % memory
}

// expectation is what a stream does by itself: a change is as large as this with
// the chance of tail·exp(−(change−from)/scale), in each measure.
type expectation struct {
	from, scale [measures]float64
	interval    time.Duration
}

// leastScale and careful keep a stream that was calm by chance from making
// everything after it an effect.
const (
	leastScale = 0.1
	careful    = 1.0
	// rare is the share of the large changes that may be cuts and flashes, which are
	// no measure of the rest. inRest is what the mean of that is of the mean of all,
	// for an exponential distribution: 1 + rare·ln(rare)/(1−rare).
	rare   = 0.2
	inRest = 0.598
)

// expect fits the large ones among the changes.
func (s *stream) expect() (e expectation, ok bool) {
	n := len(s.past)
	if n < enough {
		return expectation{}, false
	}
	byTime := func(a, b moment) int { return a.at.Compare(b.at) }
	oldest, newest := slices.MinFunc(s.past, byTime).at, slices.MaxFunc(s.past, byTime).at
	e.interval = max(newest.Sub(oldest)/time.Duration(n-1), time.Millisecond)
	sorted := make([]float64, n)
	for m := range e.from {
		for i, p := range s.past {
			sorted[i] = p.change[m]
		}
		slices.Sort(sorted)
		e.from[m], e.scale[m] = fit(sorted)
	}
	return e, true
}

// fit returns the exponential distribution of the largest tenth.
func fit(sorted []float64) (from, scale float64) {
	large := sorted[len(sorted)-int(tail*float64(len(sorted))):]
	from = sorted[len(sorted)-len(large)-1]
	common := large[:len(large)-int(rare*float64(len(large)))]
	// Where rare ones are far out the mean of the common ones tells; where there are
	// none, and the large ones end at some bound, that of all.
	return from, max(leastScale, careful*min(mean(large, from), mean(common, from)/inRest))
}

// mean returns by how much values are above from.
func mean(values []float64, from float64) float64 {
	sum := 0.0
	for _, x := range values {
		sum += x - from
	}
	return sum / float64(len(values))
}

// chance is that of a change as large within so many frames of the stream by
// itself, in the measure in which it is the smallest.
func (e expectation) chance(c change, frames float64) (least float64, in int) {
	least = 1
	for m, x := range c {
		if chance := measures * frames * tail * math.Exp(-(x-e.from[m])/e.scale[m]); chance < least {
			least, in = chance, m
		}
	}
	return least, in
}
