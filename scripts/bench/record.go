package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/record"
)

// recordBar is how much later frames may be in the first stage for a recording.
const recordBar = time.Millisecond

// recordBench measures what a recording costs, and what it does to the line
// beside it.
func recordBench() bench {
	return bench{
		name: "record", title: "a recording beside a line that looks at each frame as BGR, 720p30 in VP8 at 4 Mbit/s",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			ways := []struct{ name, file, codec string }{
				{"relayed into mkv", "relayed.mkv", string(record.Copy)}, {"x264 into mp4", "encoded.mp4", string(decode.H264)},
			}
			cost, late := make([][]time.Duration, len(ways)), make([][]time.Duration, len(ways))
			for range h.runs {
				none, err := h.recorded(ctx)
				if err != nil {
					return nil, err
				}
				for i, w := range ways {
					got, err := h.recorded(ctx, filepath.Join(h.dir, w.file), w.codec)
					if err != nil {
						return nil, err
					}
					cost[i] = append(cost[i], got.CPU/time.Duration(max(got.Frames, 1))-none.CPU/time.Duration(max(none.Frames, 1)))
					late[i] = append(late[i], got.P95-none.P95)
				}
			}
			var rows []row
			for i, w := range ways {
				rows = append(rows, row{what: w.name + ", CPU per frame", value: perFrame(median(cost[i]))},
					within("… the line's p95, more than without", median(late[i]), recordBar))
			}
			return rows, nil
		},
	}
}

// recorded is receive, with a recording of what comes.
func (h *harness) recorded(ctx context.Context, to ...string) (got received, err error) {
	err = h.against(ctx, "vp8", &got, "receive", append([]string{"vp8", strconv.Itoa(receivedFrames)}, to...)...)
	if got.Dropped > 0 {
		err = errors.Join(err, fmt.Errorf("%d frames dropped", got.Dropped))
	}
	return got, err
}

// recording is a sink that records what comes from the track.
func recording(path, codec string) config.Sink {
	reg := pipeline.NewRegistry()
	record.Register(reg)
	kind, _ := reg.Sink("record")
	cfg := kind.NewConfig().(*record.Config) //nolint:errcheck // the registry makes nothing else
	set(&cfg.Path, path)
	cfg.Exists, cfg.Codec = "overwrite", decode.Codec(codec)
	return config.Sink{
		Node: config.Node{Name: "video", From: "cam", OnError: "stop", Pixels: cfg.Pixels()},
		Type: kind, Config: cfg, Edge: pipeline.While, Encoded: cfg.Encoded(),
	}
}

// set sets a text whose type is the sinks' own.
func set[T ~string](to *T, text string) { *to = T(text) }
