package sdk

import "slices"

// Bounds of the repairs: a packet is asked for during the 500 ms in which a
// jitter buffer may still want it, within a few keyframes' worth of packets. SRTP
// has to take as old a packet: with pion's window of 64 a repair that came 65
// packets late, which is 35 ms at 20 Mbit/s, was thrown away.
const (
	nackTries   = 25
	repairDepth = 4096
)

// gaps are the packets of a stream that are missing and may still be wanted, in
// their order. What they cost is by how many they are, and that is bounded: a
// link that has lost a lot is not the time for work.
type gaps struct{ missing []gap }

type gap struct {
	seq   uint32 // extended to 32 bits
	asked int
}

// skip notes that a packet came and those between it and the one before did not,
// and says whether there are any. A jump beyond any repair begins anew.
func (g *gaps) skip(before, seq uint32) bool {
	if seq-before > repairDepth {
		g.missing = g.missing[:0]
		return false
	}
	for s := before + 1; s != seq; s++ {
		g.missing = append(g.missing, gap{seq: s})
	}
	if over := len(g.missing) - repairDepth; over > 0 {
		g.missing = slices.Delete(g.missing, 0, over)
	}
	return seq-before > 1
}

// fill notes that a packet came late.
func (g *gaps) fill(seq uint32) {
	i, found := slices.BinarySearchFunc(g.missing, seq, func(m gap, seq uint32) int { return int(int32(m.seq - seq)) })
	if found {
		g.missing = slices.Delete(g.missing, i, i+1)
	}
}

// ask returns what is to be asked for now, and counts it as asked. What has been
// asked for often enough is given up.
func (g *gaps) ask() []uint16 {
	if len(g.missing) == 0 {
		return nil
	}
	wanted := make([]uint16, 0, len(g.missing))
	for i := range g.missing {
		wanted = append(wanted, uint16(g.missing[i].seq))
		g.missing[i].asked++
	}
	g.missing = slices.DeleteFunc(g.missing, func(m gap) bool { return m.asked >= nackTries })
	return wanted
}
