package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// decodeBench compares the way from RTP packets in memory to BGR Mats with the
// ffmpeg program decoding the same access units to BGR.
func decodeBench() bench {
	return bench{
		name: "decode", title: "RTP packets in memory → BGR Mat, 720p, CPU per frame / ffmpeg -threads 1 -pix_fmt bgr24",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			var rows []row
			for _, codec := range []string{"h264", "vp8", "vp9"} {
				r, err := decodeRow(ctx, h, codec)
				if err != nil {
					return nil, err
				}
				rows = append(rows, r)
			}
			return rows, nil
		},
	}
}

// measuredFrames of each run, and those that are subtracted as start-up.
const (
	measuredFrames = 550
	startFrames    = 10
)

func decodeRow(ctx context.Context, h *harness, codec string) (row, error) {
	clip, err := h.clip(ctx, codec)
	if err != nil {
		return row{}, err
	}
	var ours, theirs []time.Duration
	for range h.runs {
		var got decoded
		if err := h.call(ctx, &got, "decode", clip); err != nil {
			return row{}, err
		}
		ours = append(ours, got.CPU/time.Duration(got.Frames))
		t, err := h.ffmpegPerFrame(ctx, clip)
		if err != nil {
			return row{}, err
		}
		theirs = append(theirs, t)
	}
	return atMost(codec, ours, theirs, 1.25), nil
}

// ffmpegPerFrame is the CPU time of the ffmpeg program for one frame, start-up
// subtracted.
func (h *harness) ffmpegPerFrame(ctx context.Context, clip string) (time.Duration, error) {
	decode := func(frames int) (time.Duration, error) {
		return h.cpu(ctx, "ffmpeg", "-loglevel", "error", "-threads", "1", "-i", clip, "-an",
			"-frames:v", strconv.Itoa(frames), "-pix_fmt", "bgr24", "-f", "null", "-")
	}
	few, err := decode(startFrames)
	if err != nil {
		return 0, err
	}
	many, err := decode(measuredFrames)
	return (many - few) / (measuredFrames - startFrames), err
}

// decoded is what the decode child prints.
type decoded struct {
	Frames int
	CPU    time.Duration
}

// decodeChild takes a clip's packets from memory to BGR Mats.
func decodeChild(_ context.Context, args []string) error {
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
	var frames int
	var begun time.Duration
	now := time.Now()
	for _, p := range packets {
		buffer.Push(p, now)
		for {
			ordered, ok := buffer.Pop(now)
			if !ok {
				break
			}
			for _, au := range units.Push(ordered) {
				if err := view(decoder, au); err != nil {
					return err
				}
				if frames++; frames == startFrames {
					begun = usedCPU()
				}
			}
		}
	}
	return tell(decoded{Frames: frames - startFrames, CPU: usedCPU() - begun})
}

// view decodes a unit and looks at it as BGR, as a stage would.
func view(decoder decode.Decoder, au decode.AccessUnit) error {
	pictures, err := decoder.Decode(&au)
	if err != nil {
		return err
	}
	for _, p := range pictures {
		f := pipeline.NewFrame(pipeline.Meta{}, p.Image)
		m, err := mat.View(f)
		if err == nil && m.Empty() {
			err = errors.New("empty picture")
		}
		if err := errors.Join(err, f.Release()); err != nil {
			return err
		}
	}
	return nil
}

// mtu is the payload that a packet carries, as the real server's do.
const mtu = 1190

// packetized reads a clip and returns its video as RTP packets.
func packetized(path string) (decode.Codec, []*rtp.Packet, error) {
	file, err := ffmpeg.OpenFile(path)
	if err != nil {
		return "", nil, err
	}
	defer file.Close()
	payloader, err := payloaderFor(file.Codec())
	if err != nil {
		return "", nil, err
	}
	packetizer := rtp.NewPacketizer(mtu, 96, 1, payloader, rtp.NewRandomSequencer(), 90000)
	var packets []*rtp.Packet
	for {
		au, err := file.Next()
		if errors.Is(err, io.EOF) {
			return file.Codec(), packets, nil
		}
		if err != nil {
			return "", nil, err
		}
		packets = append(packets, packetizer.Packetize(append([]byte(nil), au.Data...), 3000)...)
	}
}

func payloaderFor(codec decode.Codec) (rtp.Payloader, error) {
	switch codec {
	case decode.H264:
		return &codecs.H264Payloader{}, nil
	case decode.VP8:
		return &codecs.VP8Payloader{EnablePictureID: true}, nil
	case decode.VP9:
		return &codecs.VP9Payloader{FlexibleMode: true}, nil
	}
	return nil, fmt.Errorf("no packetizer for %s", codec)
}
