package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
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

// decodeBench compares the way from RTP packets in memory to BGR Mats, or to
// pictures that nobody looks at, with the ffmpeg program and with GStreamer doing
// the same to the same access units.
func decodeBench() bench {
	return bench{
		name: "decode", title: "RTP packets in memory → BGR Mat, or decoded alone, 720p, CPU per frame",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			var rows []row
			for _, codec := range []string{"h264", "vp8", "vp9"} {
				r, err := decodeRows(ctx, h, codec)
				if err != nil {
					return nil, err
				}
				rows = append(rows, r...)
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

// decodeRows measures all in turn.
func decodeRows(ctx context.Context, h *harness, codec string) ([]row, error) {
	clip, err := h.clip(ctx, codec)
	if err != nil {
		return nil, err
	}
	var ours, alone, toBGR, toNull, gst []time.Duration
	for range h.runs {
		for _, m := range []struct {
			into    *[]time.Duration
			measure func() (time.Duration, error)
		}{
			{&ours, func() (time.Duration, error) { return h.decodePerFrame(ctx, clip, asBGR) }},
			{&toBGR, func() (time.Duration, error) { return h.ffmpegPerFrame(ctx, clip, "-pix_fmt", "bgr24") }},
			{&alone, func() (time.Duration, error) { return h.decodePerFrame(ctx, clip, asDecoded) }},
			{&toNull, func() (time.Duration, error) { return h.ffmpegPerFrame(ctx, clip) }},
			{&gst, func() (time.Duration, error) { return h.gstreamerPerFrame(ctx, clip, codec) }},
		} {
			t, err := m.measure()
			if errors.Is(err, exec.ErrNotFound) {
				continue // no GStreamer
			}
			if err != nil {
				return nil, err
			}
			*m.into = append(*m.into, t)
		}
	}
	rows := []row{
		atMost(codec+" → BGR / ffmpeg -threads 1 -pix_fmt bgr24", ours, toBGR, 1.10),
		atMost(codec+" decoded / ffmpeg -threads 1 -f null", alone, toNull, 1.15),
	}
	if len(gst) > 0 {
		rows = append(rows, atMost(codec+" → BGR / GStreamer … ! videoconvert", ours, gst, 0.75))
	}
	return rows, nil
}

func (h *harness) decodePerFrame(ctx context.Context, clip string, to pixels) (time.Duration, error) {
	var got decoded
	err := h.call(ctx, &got, "decode", clip, string(to))
	return got.CPU / time.Duration(max(got.Frames, 1)), err
}

// ffmpegPerFrame is the CPU time of the ffmpeg program for one frame, start-up
// subtracted.
func (h *harness) ffmpegPerFrame(ctx context.Context, clip string, output ...string) (time.Duration, error) {
	return h.ffmpegPerFrameOf(ctx, clip, measuredFrames, output...)
}

// ffmpegPerFrameOf is ffmpegPerFrame of a clip that has that many frames.
func (h *harness) ffmpegPerFrameOf(ctx context.Context, clip string, most int, output ...string) (time.Duration, error) {
	return perFrameOf(most, func(frames int) (time.Duration, error) {
		args := []string{"-loglevel", "error", "-threads", "1", "-i", clip, "-an", "-frames:v", strconv.Itoa(frames)}
		return h.cpu(ctx, "ffmpeg", append(append(args, output...), "-f", "null", "-")...)
	})
}

// gstreamerPerFrame is the same of GStreamer.
func (h *harness) gstreamerPerFrame(ctx context.Context, clip, codec string) (time.Duration, error) {
	decoder := map[string]string{
		"h264": "h264parse ! avdec_h264 max-threads=1", "vp8": "vp8dec threads=1", "vp9": "vp9dec threads=1",
	}[codec]
	return perFrameOf(measuredFrames, func(frames int) (time.Duration, error) {
		line := fmt.Sprintf("filesrc location=%s ! matroskademux ! %s ! identity eos-after=%d ! videoconvert n-threads=1 ! video/x-raw,format=BGR ! fakesink sync=false",
			clip, decoder, frames)
		return h.cpu(ctx, "gst-launch-1.0", append([]string{"-q"}, strings.Fields(line)...)...)
	})
}

// perFrameOf measures few frames and many, so that what is left is without the
// start.
func perFrameOf(most int, decode func(frames int) (time.Duration, error)) (time.Duration, error) {
	if most <= startFrames {
		return 0, fmt.Errorf("only %d frames to measure", most)
	}
	few, err := decode(startFrames)
	if err != nil {
		return 0, err
	}
	many, err := decode(most)
	return (many - few) / time.Duration(most-startFrames), err
}

// decoded is what the decode child prints.
type decoded struct {
	Frames int
	CPU    time.Duration
}

// decodeChild takes a clip's packets from memory to BGR Mats, or only to decoded
// pictures.
func decodeChild(_ context.Context, args []string) error {
	play, err := openPlayer(args[0], pixels(args[1]))
	if err != nil {
		return err
	}
	defer play.close()
	var frames int
	var begun time.Duration
	now := time.Now()
	for _, p := range play.packets {
		err := play.push(p, now, func() error {
			if frames++; frames == startFrames {
				begun = usedCPU()
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return tell(decoded{Frames: frames - startFrames, CPU: usedCPU() - begun})
}

// player has a clip's packets in memory, and the way of a frame from there on.
type player struct {
	packets []*rtp.Packet
	pixels  pixels
	buffer  *jitter.Buffer
	units   *depacketize.Depacketizer
	decoder decode.Decoder
}

// openPlayer reads a clip. Who opens it closes it.
func openPlayer(path string, to pixels) (*player, error) {
	codec, packets, err := packetized(path)
	if err != nil {
		return nil, err
	}
	units, err := depacketize.New(codec, depacketize.Config{})
	if err != nil {
		return nil, err
	}
	decoder, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: codec})
	if err != nil {
		return nil, err
	}
	return &player{packets: packets, pixels: to, buffer: jitter.New(jitter.Config{}), units: units, decoder: decoder}, nil
}

func (p *player) close() { _ = p.decoder.Close() }

// push takes a packet and whatever it completes all the play. Each unit is followed
// by a call of seen.
func (p *player) push(packet *rtp.Packet, now time.Time, seen func() error) error {
	p.buffer.Push(packet, now)
	for ordered, ok := p.buffer.Pop(now); ok; ordered, ok = p.buffer.Pop(now) {
		for _, au := range p.units.Push(ordered) {
			if err := p.view(au); err != nil {
				return err
			}
			if err := seen(); err != nil {
				return err
			}
		}
	}
	return nil
}

// view decodes a unit and, where that is wanted, looks at it as BGR, as a stage
// would.
func (p *player) view(au decode.AccessUnit) error {
	pictures, err := p.decoder.Decode(&au)
	if err != nil {
		return err
	}
	for _, picture := range pictures {
		f := pipeline.NewFrame(pipeline.Meta{}, picture.Image)
		var err error
		if p.pixels == asBGR {
			_, err = mat.View(f)
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
