package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// videoCodecs are all that a track may bring.
var videoCodecs = []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.H265, decode.AV1}

// keyframeOf returns a picture in each codec, of ffmpeg.SampleSize.
func keyframeOf(t testing.TB, codec decode.Codec) []byte {
	t.Helper()
	b, err := os.ReadFile("../../decode/ffmpeg/samples/" + string(codec))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func payloaderOf(codec decode.Codec) rtp.Payloader {
	switch codec {
	case decode.VP8:
		return &codecs.VP8Payloader{EnablePictureID: true}
	case decode.VP9:
		return &codecs.VP9Payloader{}
	case decode.H264:
		return &codecs.H264Payloader{}
	case decode.H265:
		return &codecs.H265Payloader{}
	case decode.AV1:
		return &codecs.AV1Payloader{}
	case decode.Opus:
	}
	return nil
}

// wire numbers payloads as a sender does.
type wire struct {
	codec     decode.Codec
	seq       uint16
	timestamp uint32
	payloader rtp.Payloader
}

func newWire(codec decode.Codec) *wire { return &wire{codec: codec, payloader: payloaderOf(codec)} }

// unit returns the packets of a picture.
func (w *wire) unit(data []byte) []sdk.Packet {
	const mtu = 300
	payloads := w.payloader.Payload(mtu, data)
	out := make([]sdk.Packet, len(payloads))
	for i, payload := range payloads {
		out[i] = w.packet(payload, i == len(payloads)-1)
	}
	w.timestamp += ticksPerFrame
	return out
}

func (w *wire) packet(payload []byte, marker bool) sdk.Packet {
	w.seq++
	return sdk.Packet{Codec: string(w.codec), Epoch: 1, Arrival: time.Now(), Packet: &rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: 7, SequenceNumber: w.seq, Timestamp: w.timestamp, Marker: marker},
		Payload: payload,
	}}
}

// play sends packets to a source and looks at every picture that comes out, as a
// stage would. It returns how many came and what the source counted.
func play(t testing.TB, change func(*TrackConfig), packets []sdk.Packet) (int, pipeline.SourceCounts) {
	t.Helper()
	feed := newFakeFeed()
	for _, p := range packets {
		p.Arrival = time.Now()
		feed.packets <- p
	}
	feed.over <- sdk.ErrSessionEnded
	cfg := defaultTrack()
	cfg.Track = "main_video"
	change(&cfg)
	s := newTrackSource("cam", slog.New(slog.DiscardHandler), cfg, func() (feedOf, error) { return feed, nil })
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	n := 0
	for {
		f, err := s.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return n, s.Counts()
		}
		if err != nil {
			t.Fatalf("the stream ended the source: %v", err)
		}
		n++
		if _, err := mat.View(f); err != nil {
			t.Errorf("view: %v", err)
		}
		if err := f.Release(); err != nil {
			t.Error(err)
		}
	}
}

// feedOf lets a variable be called feed.
type feedOf = feed

func asIs(*TrackConfig) {}

// A picture in each codec comes through whole.
func TestSamplesArrive(t *testing.T) {
	for _, codec := range videoCodecs {
		t.Run(string(codec), func(t *testing.T) {
			w := newWire(codec)
			sample := keyframeOf(t, codec)
			n, counts := play(t, asIs, append(w.unit(sample), w.unit(sample)...))
			if n != 2 || counts.Decoded != 2 {
				t.Errorf("got %d pictures, %+v", n, counts)
			}
		})
	}
}

// garble damages packets as a broken or hostile sender might: bits turned over,
// ends cut off, packets lost, twice, in another order, with another marker.
func garble(rnd *rand.Rand, in []sdk.Packet) []sdk.Packet {
	var out []sdk.Packet
	for _, p := range in {
		packet := *p.Packet
		packet.Payload = append([]byte(nil), p.Payload...)
		p.Packet = &packet
		switch rnd.IntN(8) {
		case 0:
			for range 1 + rnd.IntN(8) {
				packet.Payload[rnd.IntN(len(packet.Payload))] ^= 1 << rnd.IntN(8)
			}
		case 1:
			packet.Payload = packet.Payload[:rnd.IntN(len(packet.Payload))]
		case 2:
			continue
		case 3:
			out = append(out, p)
		case 4:
			packet.Marker = !packet.Marker
		case 5:
			packet.Timestamp += uint32(rnd.IntN(3))
		case 6:
			if len(out) > 0 {
				out[len(out)-1], p = p, out[len(out)-1]
			}
		}
		out = append(out, p)
	}
	return out
}

// Whatever comes instead of a picture, the source goes on: what is whole after
// it is shown.
func TestGarbled(t *testing.T) {
	for _, codec := range videoCodecs {
		for _, loss := range []OnLoss{FreezeLoss, ShowLoss} {
			t.Run(string(codec)+" "+string(loss), func(t *testing.T) {
				before := mat.Live()
				rnd := rand.New(rand.NewPCG(1, 2))
				w := newWire(codec)
				sample := keyframeOf(t, codec)
				var packets []sdk.Packet
				for range 300 {
					hurt := slices.Clone(sample)
					if rnd.IntN(3) == 0 { // whole packets of a broken picture
						hurt[rnd.IntN(min(len(hurt), 64))] ^= 1 << rnd.IntN(8)
						packets = append(packets, w.unit(hurt)...)
						continue
					}
					packets = append(packets, garble(rnd, w.unit(hurt))...)
				}
				packets = append(packets, w.unit(sample)...)
				packets = append(packets, w.unit(sample)...)
				n, counts := play(t, func(c *TrackConfig) { c.OnLoss = loss }, packets)
				if n == 0 {
					t.Errorf("no picture came: %+v", counts)
				}
				if counts.Dropped["malformed"]+counts.Dropped["loss"] == 0 {
					t.Errorf("nothing was wrong with it: %+v", counts)
				}
				if left := mat.Live() - before; left != 0 {
					t.Errorf("%d pictures are left", left)
				}
			})
		}
	}
}

// What a stream announces beyond the largest picture is refused, by each
// decoder, and named; a picture that fits is shown after it.
func TestOverMaxPixels(t *testing.T) {
	for _, codec := range videoCodecs {
		t.Run(string(codec), func(t *testing.T) {
			w := newWire(codec)
			n, counts := play(t, func(c *TrackConfig) { c.MaxPixels = 255 * 256 }, w.unit(keyframeOf(t, codec)))
			if n != 0 || counts.Dropped["over_max_pixels"] != 1 {
				t.Errorf("got %d pictures, %+v", n, counts)
			}
		})
	}
}

// bits writes H.264's syntax elements.
type bits struct {
	out []byte
	n   int
}

func (b *bits) put(value uint, width int) {
	for i := width - 1; i >= 0; i-- {
		if b.n%8 == 0 {
			b.out = append(b.out, 0)
		}
		b.out[b.n/8] |= byte(value>>i&1) << (7 - b.n%8)
		b.n++
	}
}

// golomb writes ue(v) of each value.
func (b *bits) golomb(values ...uint) {
	for _, v := range values {
		width := 0
		for x := v + 1; x > 1; x >>= 1 {
			width++
		}
		b.put(0, width)
		b.put(v+1, width+1)
	}
}

// giant is a keyframe that announces more than anybody takes.
type giant struct {
	name   string
	codec  decode.Codec
	data   []byte
	reason string // for which it is dropped
}

const startCode = "\x00\x00\x00\x01"

// giants announce 16384 columns, and as many rows or half: beyond that FFmpeg's own
// bound of a parameter set is met before ours.
func giants(t *testing.T) []giant {
	t.Helper()
	vp8, vp9 := keyframeOf(t, decode.VP8), keyframeOf(t, decode.VP9)
	for _, i := range []int{6, 8} { // RFC 6386 §9.1: 14 bits, so one less
		vp8[i], vp8[i+1] = 0xff, 0x3f
	}
	// Width and height, less one, are in 16 bits each from the middle of byte 4 on.
	copy(vp9[4:], []byte{vp9[4]&0xf0 | 0x3, 0xff, 0xf3, 0xff, 0xf0 | vp9[8]&0x0f})
	return []giant{
		{"vp8", decode.VP8, vp8, "over_max_pixels"},
		{"vp9", decode.VP9, vp9, "over_max_pixels"},
		{"h264", decode.H264, giantH264(16384, 8192), "over_max_pixels"},
		{"h264, square", decode.H264, giantH264(16384, 16384), "undecodable"},
		{"h265", decode.H265, giantH265(t, 16384, 8192), "over_max_pixels"},
		{"h265, square", decode.H265, giantH265(t, 16384, 16384), "undecodable"},
	}
}

// giantH264 is of ITU-T H.264 §7.3.2.1.1 and §7.3.2.2.
func giantH264(width, height uint) []byte {
	sps := &bits{out: []byte{0x67, 66, 0, 62}, n: 32}
	sps.golomb(0, 0, 2, 1)
	sps.put(0, 1)
	sps.golomb(width/16-1, height/16-1)
	sps.put(0b11001, 5) // frames only, 8×8 inference, no cropping, no VUI, stop
	pps := &bits{out: []byte{0x68}, n: 8}
	pps.golomb(0, 0)
	pps.put(0, 2)
	pps.golomb(0, 0, 0)
	pps.put(0, 3)
	pps.golomb(0, 0, 0)
	pps.put(0b0001, 4)
	slice := []byte{0x65, 0x88, 0x84, 0x21, 0xa0, 0x55, 0xaa, 0x55, 0xaa}
	return slices.Concat([]byte(startCode), sps.out, []byte(startCode), pps.out, []byte(startCode), slice)
}

// giantH265 is the sample with another sequence parameter set (ITU-T H.265
// §7.3.2.2).
func giantH265(t *testing.T, width, height uint) []byte {
	t.Helper()
	// Main profile, of one layer, with the bytes that keep start codes out.
	general := []byte{0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0xba}
	sps := &bits{out: general, n: 8 * len(general)}
	sps.golomb(0, 1, width, height)
	sps.put(0, 1) // no cropping
	sps.golomb(0, 0, 4)
	sps.put(1, 1)
	sps.golomb(1, 0, 0, 0, 3, 0, 3, 0, 0)
	sps.put(0, 4)
	sps.golomb(0)
	sps.put(0b000001, 6) // no long-term references, prediction of vectors, smoothing, VUI or extension; stop
	var out []byte
	replaced := false
	for nal := range bytes.SplitSeq(keyframeOf(t, decode.H265), []byte(startCode)[1:]) {
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) == 0 {
			continue
		}
		if nal[0] == general[0] {
			nal, replaced = sps.out, true
		}
		out = append(append(out, startCode...), nal...)
	}
	if !replaced {
		t.Fatal("the sample has no sequence parameter set")
	}
	return out
}

func TestGiants(t *testing.T) {
	for _, g := range giants(t) {
		t.Run(g.name, func(t *testing.T) {
			w := newWire(g.codec)
			n, counts := play(t, asIs, append(w.unit(g.data), w.unit(keyframeOf(t, g.codec))...))
			if n != 1 || counts.Dropped[g.reason] != 1 {
				t.Errorf("got %d pictures, %+v", n, counts)
			}
		})
	}
}

// Fragments that never end are given up at the limit.
func TestEndlessFragments(t *testing.T) {
	for _, codec := range videoCodecs {
		t.Run(string(codec), func(t *testing.T) {
			w := newWire(codec)
			sample := keyframeOf(t, codec)
			fragments := w.payloader.Payload(300, append(append([]byte(nil), sample...), make([]byte, 20_000)...))
			if len(fragments) < 30 {
				t.Fatalf("only %d fragments", len(fragments))
			}
			var packets []sdk.Packet
			for i := range 3000 { // the last one is not among them
				packets = append(packets, w.packet(fragments[min(i, 20)], false))
			}
			w.timestamp += ticksPerFrame
			packets = append(packets, w.unit(sample)...)
			n, counts := play(t, func(c *TrackConfig) { c.MaxUnit = 100_000 }, packets)
			if n != 1 || counts.Dropped["over_max_unit"] != 1 {
				t.Errorf("got %d pictures, %+v", n, counts)
			}
		})
	}
}

// A picture of another size each time is shown each time, and nothing of the
// sizes before it stays.
func TestSizeChangesEveryFrame(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264} {
		t.Run(string(codec), func(t *testing.T) {
			w := newWire(codec)
			var packets []sdk.Packet
			const sizes = 40
			for i := range sizes {
				packets = append(packets, w.unit(encoded(t, codec, 64+16*i, 64+8*i))...)
			}
			before := mat.Live()
			n, counts := play(t, asIs, packets)
			if n != sizes || mat.Live() != before {
				t.Errorf("got %d pictures, %+v, %d left", n, counts, mat.Live()-before)
			}
		})
	}
}

// encoded returns a keyframe of that size.
func encoded(t *testing.T, codec decode.Codec, width, height int) []byte {
	t.Helper()
	img, err := ffmpeg.Try(decode.CPU, decode.VP8)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	e, err := encoder.New(encode.Config{Codec: codec, Width: width, Height: height, FPS: 30})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	packets, err := e.Encode(img, 0, true)
	if err != nil || len(packets) != 1 {
		t.Fatalf("got %d packets, %v", len(packets), err)
	}
	return append([]byte(nil), packets[0].Data...)
}

// A trailer that lies about its length, or is no message, is taken for picture
// data or left out, and counted: the picture is shown.
func TestLyingTrailer(t *testing.T) {
	tails := []struct {
		tail string
		lies uint64
	}{
		{"RXMT", 1},
		{"\xff\xff\xff\xffRXMT", 1},
		{"\xff\xff\xff\x7fRXMT", 1},
		{"\xff\xff\xff\x03\x00\x00\x00RXMT", 1}, // 3 bytes that are no message
		{"\x00\x00\x00\x00RXMT", 0},             // an empty message
		{strings.Repeat("\x00", 64), 0},
	}
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.H265} {
		for i, tt := range tails {
			t.Run(fmt.Sprintf("%s/%d", codec, i), func(t *testing.T) {
				w := newWire(codec)
				n, counts := play(t, asIs, w.unit(append(keyframeOf(t, codec), tt.tail...)))
				if n != 1 || counts.Dropped["untrue_trailer"] != tt.lies {
					t.Errorf("got %d pictures, %+v", n, counts)
				}
			})
		}
	}
}

// Sound of packets that are damaged, lost, twice or in another order goes on
// without a gap, and with what is whole.
func TestGarbledSound(t *testing.T) {
	began := time.Now().Add(-time.Minute) // no gap is waited for
	var packets []sdk.Packet
	for n := range 300 {
		p := spoken(n, 1<<32-48_000)
		p.Arrival = began.Add(time.Duration(n) * 20 * time.Millisecond)
		packets = append(packets, p)
	}
	packets = garble(rand.New(rand.NewPCG(3, 4)), packets)
	feed := silentFeed{newFakeFeed(), false}
	for _, p := range packets {
		feed.packets <- p
	}
	feed.over <- sdk.ErrSessionEnded
	s, err := newSounds(feed, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	heard, end := 0, time.Duration(-1)
	for s.Next(t.Context()) {
		sound := s.Sound()
		if end >= 0 && sound.PTS != end {
			t.Fatalf("a piece at %v behind one that ended at %v", sound.PTS, end)
		}
		end = sound.PTS + sound.Duration()
		if !sound.Arrival.IsZero() {
			heard++
		}
	}
	if s.Err() != nil || heard < 100 || end > time.Minute {
		t.Errorf("%d packets heard in %v, %v", heard, end, s.Err())
	}
}

// Packets that lay in the feed for longer than a picture may wait are not
// shown; a keyframe is asked for instead.
func TestStalePackets(t *testing.T) {
	feed := newFakeFeed()
	w := newWire(decode.VP8)
	sample := keyframeOf(t, decode.VP8)
	old := w.unit(sample)
	for _, p := range old {
		p.Arrival = time.Now().Add(-time.Minute)
		feed.packets <- p
	}
	for _, p := range w.unit(sample) {
		feed.packets <- p
	}
	cfg := defaultTrack()
	cfg.Track = "main_video"
	s := newTrackSource("cam", slog.New(slog.DiscardHandler), cfg, func() (feedOf, error) { return feed, nil })
	defer s.Close()
	f, err := s.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	if f.Seq != 0 || time.Since(f.Arrival) > 30*time.Second {
		t.Errorf("got frame %d of %v ago", f.Seq, time.Since(f.Arrival))
	}
	c := s.Counts()
	if c.Dropped["stale_packet"] != uint64(len(old)) || c.Received != 1 || len(feed.asked()) != 1 {
		t.Errorf("got %+v, asked for %d keyframes", c, len(feed.asked()))
	}
}
