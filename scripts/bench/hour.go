package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
)

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
	codec, packets, err := packetized(args[0])
	if err != nil {
		return err
	}
	buffer := jitter.New(jitter.Config{})
	units, err := depacketize.New(codec, depacketize.Config{})
	if err != nil {
		return err
	}
	decoder, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: codec})
	if err != nil {
		return err
	}
	defer decoder.Close()
	got := hour{}
	begun := time.Now()
	now := begun
	for next := replay(packets); got.Frames < frames && ctx.Err() == nil; {
		buffer.Push(next(), now)
		for ordered, ok := buffer.Pop(now); ok; ordered, ok = buffer.Pop(now) {
			for _, au := range units.Push(ordered) {
				if err := view(decoder, au, true); err != nil {
					return err
				}
				if got.Frames++; got.Frames == hourSettled {
					if got.Before, err = needed(); err != nil {
						return err
					}
				}
				now = now.Add(time.Second / 30)
			}
		}
	}
	if got.Before == 0 {
		return fmt.Errorf("%d frames are not more than %d", frames, hourSettled)
	}
	got.Took = time.Since(begun)
	if got.After, err = needed(); err != nil {
		return err
	}
	runtime.KeepAlive(packets)
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
