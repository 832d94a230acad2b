package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/pion/rtp"
)

// hourRows are what frames from memory leave behind.
func hourRows(ctx context.Context, h *harness) ([]row, error) {
	const bar = 1 << 20
	clip, err := h.clip(ctx, "h264")
	if err != nil {
		return nil, err
	}
	var got hour
	if err := h.call(ctx, &got, "hour", clip, strconv.Itoa(h.frames)); err != nil {
		return nil, err
	}
	grown := got.After - got.Before
	return []row{{
		what:  fmt.Sprintf("memory at %d frames and at %d, after %.0f s, packets in memory → BGR", hourSettled, got.Frames, got.Took.Seconds()),
		value: fmt.Sprintf("%.1f MB, %.1f MB: %+.1f MB", megabytes(got.Before), megabytes(got.After), megabytes(grown)),
		bar:   "≤ 1 MB more", ok: grown <= bar,
	}}, nil
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// hour is what an hour's frames in a row left behind.
type hour struct {
	Frames        int
	Took          time.Duration
	Before, After int64 // resident, in bytes
}

// hourSettled is after how many frames pools and heap have grown to their size.
const hourSettled = 3600

// hourChild takes a clip's packets to BGR Mats again and again, as fast as it
// can, on a stream whose numbers go on and wrap. Its arguments are the clip and
// the number of frames.
func hourChild(ctx context.Context, args []string) error {
	frames, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	play, err := openPlayer(args[0], asBGR)
	if err != nil {
		return err
	}
	defer play.close()
	var got hour
	begun := time.Now()
	now := begun
	seen := func() (err error) {
		if got.Frames++; got.Frames == hourSettled {
			got.Before, err = needed()
		}
		now = now.Add(time.Second / 30)
		return err
	}
	for next := replay(play.packets); got.Frames < frames; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := play.push(next(), now, seen); err != nil {
			return err
		}
	}
	got.Took = time.Since(begun)
	if got.After, err = needed(); err != nil {
		return err
	}
	runtime.KeepAlive(play)
	return tell(got)
}

// needed is the memory of this process without what Go has not collected yet.
func needed() (int64, error) {
	debug.FreeOSMemory()
	return resident()
}

// replay returns a clip's packets over and over, numbers and timestamps going on.
// A packet is another one each time, for buffers keep them.
func replay(packets []*rtp.Packet) func() *rtp.Packet {
	const frame = 3000 // ticks
	i := 0
	first, last := packets[0], packets[len(packets)-1]
	length := last.Timestamp - first.Timestamp + frame
	var rounds uint32
	return func() *rtp.Packet {
		if i == len(packets) {
			i = 0
			rounds++
		}
		p := *packets[i]
		p.SequenceNumber += uint16(rounds * uint32(len(packets)))
		p.Timestamp += rounds * length
		i++
		return &p
	}
}
