package sdk

import (
	"slices"
	"time"
)

// Bounds of the repairs: a packet is asked for during the 500 ms in which a
// jitter buffer may still want it, within a few keyframes' worth of packets. SRTP
// has to take as old a packet: with pion's window of 64 a repair that came 65
// packets late, which is 35 ms at 20 Mbit/s, was thrown away.
const (
	nackTries   = 25
	repairDepth = 4096
)

// A packet is asked for as soon as two that were sent behind it are there, for
// neighbours change places on the way; and where none comes behind it, or packets
// were seen out of order in the last second, after as long as between two tries.
const (
	nackInterval = 20 * time.Millisecond
	orderMemory  = time.Second
)

// gaps are the packets of a stream that are missing and may still be wanted, in
// their order. What they cost is by how many they are, and that is bounded: a
// link that has lost a lot is not the time for work.
type gaps struct {
	missing   []gap
	opened    bool      // by the newest packet
	reordered time.Time // when a packet came late that nobody had asked for
}

type gap struct {
	seq   uint32 // extended to 32 bits
	asked int
	next  time.Time // when to ask
}

// skip notes that a packet came and those between it and the one before did not,
// and says whether to look at what is due. A jump beyond any repair begins anew.
func (g *gaps) skip(before, seq uint32, now time.Time) bool {
	overtaken := g.opened && now.Sub(g.reordered) > orderMemory
	if overtaken {
		g.hurry(now)
	}
	g.opened = false
	if seq-before > repairDepth {
		g.missing = g.missing[:0]
		return false
	}
	for s := before + 1; s != seq; s++ {
		g.missing = append(g.missing, gap{seq: s, next: now.Add(nackInterval)})
		g.opened = true
	}
	if over := len(g.missing) - repairDepth; over > 0 {
		g.missing = slices.Delete(g.missing, 0, over)
	}
	return g.opened || overtaken
}

// hurry makes due what was not asked for yet, which are the last ones. Those before
// what is due are due too.
func (g *gaps) hurry(now time.Time) {
	for i := len(g.missing) - 1; i >= 0 && g.missing[i].asked == 0 && g.missing[i].next.After(now); i-- {
		g.missing[i].next = now
	}
}

// fill notes that a packet came late.
func (g *gaps) fill(seq uint32, now time.Time) {
	i, found := slices.BinarySearchFunc(g.missing, seq, func(m gap, seq uint32) int { return int(int32(m.seq - seq)) })
	if !found {
		return
	}
	if g.missing[i].asked == 0 {
		g.reordered = now
	}
	g.missing = slices.Delete(g.missing, i, i+1)
}

// ask returns what is to be asked for now, and counts it as asked. What has been
// asked for often enough is given up. Next is when to ask again, zero where
// nothing is missing.
func (g *gaps) ask(now time.Time) (wanted []uint16, next time.Time) {
	for i := range g.missing {
		if m := &g.missing[i]; !m.next.After(now) {
			wanted = append(wanted, uint16(m.seq))
			m.asked++
			m.next = now.Add(nackInterval)
		}
	}
	g.missing = slices.DeleteFunc(g.missing, func(m gap) bool { return m.asked >= nackTries })
	for _, m := range g.missing {
		if next.IsZero() || m.next.Before(next) {
			next = m.next
		}
	}
	return wanted, next
}
