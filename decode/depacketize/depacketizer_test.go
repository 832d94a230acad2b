package depacketize_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

var arrival = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sender packetizes frames as pion does.
type sender struct {
	payloader rtp.Payloader
	mtu       uint16
	seq       uint16
	timestamp uint32
}

func newSender(codec decode.Codec) *sender {
	s := &sender{mtu: 100, seq: 65530, timestamp: 1<<32 - 6000}
	switch codec {
	case decode.VP8:
		s.payloader = &codecs.VP8Payloader{EnablePictureID: true}
	case decode.VP9:
		s.payloader = &codecs.VP9Payloader{FlexibleMode: true}
	case decode.H264:
		s.payloader = &codecs.H264Payloader{}
	case decode.H265:
		s.payloader = &codecs.H265Payloader{}
	case decode.AV1:
		s.payloader = &codecs.AV1Payloader{}
	case decode.Opus:
		s.payloader = &codecs.OpusPayloader{}
	}
	return s
}

func (s *sender) packets(frame []byte) []decode.Packet {
	payloads := s.payloader.Payload(s.mtu, frame)
	var out []decode.Packet
	for i, p := range payloads {
		out = append(out, decode.Packet{
			Packet: &rtp.Packet{
				Header:  rtp.Header{SequenceNumber: s.seq, Timestamp: s.timestamp, Marker: i == len(payloads)-1},
				Payload: p,
			},
			Arrival: arrival.Add(time.Duration(i) * time.Millisecond),
		})
		s.seq++
	}
	s.timestamp += 3000
	return out
}

// coded returns something that passes for the coded data of a picture.
func coded(codec decode.Codec, keyframe bool, size int) []byte {
	body := bytes.Repeat([]byte{0xab}, size)
	switch codec {
	case decode.VP8:
		if !keyframe {
			return append([]byte{0x31}, body...)
		}
		return append([]byte{0x30}, body...)
	case decode.VP9:
		if !keyframe {
			return append([]byte{0x86}, body...)
		}
		return append([]byte{0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xf0, 0x0e, 0xf0}, body...)
	case decode.H264:
		if !keyframe {
			return append([]byte{0, 0, 0, 1, 0x41, 0x9a}, body...)
		}
		return append([]byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1e, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88}, body...)
	case decode.H265:
		if !keyframe {
			return append([]byte{0, 0, 0, 1, 0x02, 0x01, 0xd0}, body...)
		}
		return append([]byte{0, 0, 0, 1, 0x40, 0x01, 0x0c, 0, 0, 0, 1, 0x42, 0x01, 0x01, 0, 0, 0, 1, 0x44, 0x01, 0xc0, 0, 0, 0, 1, 0x26, 0x01, 0xaf}, body...)
	case decode.AV1:
		frame := append(binary.AppendUvarint([]byte{0x32}, uint64(size)), body...) // OBU_FRAME with its size
		if !keyframe {
			return frame
		}
		return append([]byte{0x0a, 0x0b, 0, 0, 0, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x38, 0x18}, frame...)
	}
	return body
}

// push returns what came out, in words: "key 300" and "delta 300" with the size.
func push(d *depacketize.Depacketizer, packets ...decode.Packet) []string {
	var out []string
	for _, p := range packets {
		for _, au := range d.Push(p) {
			kind := "delta"
			if au.Keyframe {
				kind = "key"
			}
			out = append(out, fmt.Sprintf("%s %d", kind, len(au.Data)))
		}
	}
	return out
}

func newDepacketizer(t testing.TB, codec decode.Codec, cfg depacketize.Config) *depacketize.Depacketizer {
	t.Helper()
	d, err := depacketize.New(codec, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRoundTrip(t *testing.T) {
	for _, codec := range decode.Codecs() {
		t.Run(string(codec), func(t *testing.T) {
			d := newDepacketizer(t, codec, depacketize.Config{})
			s := newSender(codec)
			first := int64(s.timestamp)
			for i := range 10 {
				size := []int{1000, 150, 20}[i%3]
				if codec == decode.Opus {
					size = 80
				}
				frame := coded(codec, i%5 == 0, size)
				packets := s.packets(frame)
				for j, p := range packets {
					units := d.Push(p)
					if j < len(packets)-1 {
						if len(units) > 0 {
							t.Fatalf("frame %d: a unit before its last packet", i)
						}
						continue
					}
					if len(units) != 1 {
						t.Fatalf("frame %d: got %d units from its last packet", i, len(units))
					}
					want := decode.AccessUnit{
						Codec:   codec,
						Data:    frame,
						RTPTime: first + int64(i)*3000,
						Arrival: p.Arrival, Receiving: p.Arrival.Sub(packets[0].Arrival),
						Keyframe: codec == decode.Opus || i%5 == 0,
					}
					if diff := cmp.Diff(want, units[0]); diff != "" {
						t.Fatalf("frame %d (-want +got):\n%s", i, diff)
					}
				}
			}
			if d.NeedKeyframe() {
				t.Error("needs a keyframe after a clean stream")
			}
		})
	}
}

// without returns packets less those at the given places, the gap reported.
func without(packets []decode.Packet, lost ...int) []decode.Packet {
	var out []decode.Packet
	gap := 0
	for i, p := range packets {
		if len(lost) > 0 && lost[0] == i {
			lost = lost[1:]
			gap++
			continue
		}
		p.Lost, gap = gap, 0
		out = append(out, p)
	}
	return out
}

func TestLoss(t *testing.T) {
	tests := []struct {
		name string
		// lost are packets of key(300) delta(300) delta(50) key(300) delta(50)
		lost func(frames [][]decode.Packet) []int
		want string
		// annexB is for H.264 and H.265, if different: the first packet of a
		// keyframe holds parameter sets, which the decoder may well have.
		annexB string
	}{
		{"nothing", func([][]decode.Packet) []int { return nil }, "key delta delta key delta", ""},
		{"first packet", func([][]decode.Packet) []int { return []int{0} }, "key delta", "key delta delta key delta"},
		{"middle of the first", func([][]decode.Packet) []int { return []int{1} }, "key delta", ""},
		{"marker of the first", func(f [][]decode.Packet) []int { return []int{len(f[0]) - 1} }, "key delta", ""},
		{"first of the second", func(f [][]decode.Packet) []int { return []int{len(f[0])} }, "key key delta", ""},
		{"end and beginning", func(f [][]decode.Packet) []int { return []int{len(f[0]) - 1, len(f[0])} }, "key delta", ""},
		{"a whole picture", func(f [][]decode.Packet) []int { n := len(f[0]) + len(f[1]); return []int{n} }, "key delta key delta", ""},
		{"the picture before a keyframe, and its first packet", func(f [][]decode.Packet) []int {
			n := len(f[0]) + len(f[1])
			return []int{n, n + 1}
		}, "key delta", "key delta key delta"},
	}
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.H265, decode.AV1} {
		for _, tt := range tests {
			t.Run(string(codec)+"/"+tt.name, func(t *testing.T) {
				s := newSender(codec)
				frames := [][]decode.Packet{
					s.packets(coded(codec, true, 300)),
					s.packets(coded(codec, false, 300)),
					s.packets(coded(codec, false, 50)),
					s.packets(coded(codec, true, 300)),
					s.packets(coded(codec, false, 50)),
				}
				var all []decode.Packet
				for _, f := range frames {
					all = append(all, f...)
				}
				d := newDepacketizer(t, codec, depacketize.Config{})
				var got []string
				for _, u := range push(d, without(all, tt.lost(frames)...)...) {
					got = append(got, strings.Fields(u)[0])
				}
				want := tt.want
				if codec.AnnexB() && tt.annexB != "" {
					want = tt.annexB
				}
				if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
					t.Errorf("units (-want +got):\n%s\n%+v", diff, d.Stats())
				}
			})
		}
	}
}

// A picture of which the first slices are lost is none, though nothing in it is
// missing in front of a packet that came: it began with the loss.
func TestFirstSliceLost(t *testing.T) {
	slices := map[decode.Codec][3][]byte{ // of a keyframe, behind its parameter set
		decode.H264: {{0x67, 0x42}, {0x65, 0x88, 1}, {0x65, 0x40, 1}},
		decode.H265: {{0x42, 1, 1}, {0x26, 1, 0xaf}, {0x26, 1, 0x2f}},
	}
	for codec, payloads := range slices {
		for _, lost := range []bool{false, true} {
			d := newDepacketizer(t, codec, depacketize.Config{})
			var packets []decode.Packet
			for i, payload := range payloads {
				header := rtp.Header{Timestamp: 100, Marker: i == len(payloads)-1}
				packets = append(packets, decode.Packet{Packet: &rtp.Packet{Header: header, Payload: payload}})
			}
			if lost {
				packets = without(packets, 0, 1)
			}
			if got := len(push(d, packets...)); (got == 0) != lost {
				t.Errorf("%s, lost %t: got %d units", codec, lost, got)
			}
		}
	}
}

// What is lost between two pictures whose numbers follow each other was a
// bandwidth probe.
func TestLostPadding(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9} {
		t.Run(string(codec), func(t *testing.T) {
			d := newDepacketizer(t, codec, depacketize.Config{})
			s := newSender(codec)
			packets := append(s.packets(coded(codec, true, 50)), s.packets(coded(codec, false, 50))...)
			packets[1].Lost = 12
			if got := len(push(d, packets...)); got != 2 {
				t.Errorf("got %d units, want 2", got)
			}
			if d.NeedKeyframe() {
				t.Error("asks for a keyframe")
			}
		})
	}
}

func TestNeedKeyframe(t *testing.T) {
	d := newDepacketizer(t, decode.VP8, depacketize.Config{})
	s := newSender(decode.VP8)
	expect := func(when string, want bool) {
		t.Helper()
		if got := d.NeedKeyframe(); got != want {
			t.Errorf("%s: got %t", when, got)
		}
	}
	expect("at the start", true)
	push(d, s.packets(coded(decode.VP8, false, 10))...)
	expect("after a picture that is none", true)
	push(d, s.packets(coded(decode.VP8, true, 10))...)
	expect("after a keyframe", false)
	push(d, without(s.packets(coded(decode.VP8, false, 300)), 1)...)
	expect("after a broken picture", true)
	push(d, s.packets(coded(decode.VP8, true, 10))...)
	expect("after another keyframe", false)
	restart := s.packets(coded(decode.VP8, false, 10))
	restart[0].Restart = true
	push(d, restart...)
	expect("after a restart", true)
	want := depacketize.Stats{Units: 2, Keyframes: 2, Broken: 1, Withheld: 2}
	if diff := cmp.Diff(want, d.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestShowDamaged(t *testing.T) {
	d := newDepacketizer(t, decode.VP8, depacketize.Config{ShowDamaged: true})
	s := newSender(decode.VP8)
	push(d, s.packets(coded(decode.VP8, true, 10))...)
	push(d, without(s.packets(coded(decode.VP8, false, 300)), 1)...)
	if got := push(d, s.packets(coded(decode.VP8, false, 20))...); len(got) != 1 {
		t.Errorf("got %q, want the picture after the broken one", got)
	}
	if !d.NeedKeyframe() {
		t.Error("a keyframe is still needed")
	}
}

// A sender that sets no marker ends a unit by beginning the next.
func TestNoMarker(t *testing.T) {
	d := newDepacketizer(t, decode.H264, depacketize.Config{})
	s := newSender(decode.H264)
	var got []string
	for i := range 3 {
		packets := s.packets(coded(decode.H264, i == 0, 300))
		packets[len(packets)-1].Marker = false
		got = append(got, push(d, packets...)...)
	}
	if diff := cmp.Diff([]string{"key 322", "delta 306"}, got); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

// Two units come of one packet where the first had no marker.
func TestTwoUnits(t *testing.T) {
	d := newDepacketizer(t, decode.VP8, depacketize.Config{})
	s := newSender(decode.VP8)
	first := s.packets(coded(decode.VP8, true, 20))
	first[0].Marker = false
	push(d, first...)
	second := s.packets(coded(decode.VP8, false, 30))
	units := d.Push(second[0])
	if len(units) != 2 {
		t.Fatalf("got %d units", len(units))
	}
	if !bytes.Equal(units[0].Data, coded(decode.VP8, true, 20)) || !bytes.Equal(units[1].Data, coded(decode.VP8, false, 30)) {
		t.Error("the units overwrite each other")
	}
}

func TestH264Payloads(t *testing.T) {
	tests := []struct {
		name     string
		payloads []string // hex, the last with the marker
		want     string   // hex
	}{
		{"single", []string{"658801"}, "00000001658801"},
		{"STAP-A", []string{"780002674200026800" + "0003658801"}, "000000016742" + "000000016800" + "00000001658801"},
		{"FU-A", []string{"7c858801", "7c0502", "7c4503"}, "000000016588010203"},
		{"FU-A of one fragment", []string{"7cc58801"}, "00000001658801"},
		{"two slices", []string{"658801", "654001"}, "00000001658801" + "00000001654001"},
		{"FU-A without a start", []string{"7c0502", "7c4503"}, ""},
		{"FU-A without an end", []string{"7c858801", "7c0502"}, ""},
		{"FU-A broken off by another", []string{"7c858801", "658801"}, ""},
		{"STAP-A cut off", []string{"78000367"}, ""},
		{"STAP-A with half a size", []string{"78000367420001"}, ""},
		{"an empty NAL unit", []string{"65"}, ""},
		{"FU-B", []string{"7d8588010203"}, ""},
		{"reserved", []string{"7f8801"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDepacketizer(t, decode.H264, depacketize.Config{})
			var got string
			for i, p := range tt.payloads {
				payload, err := hex.DecodeString(p)
				if err != nil {
					t.Fatal(err)
				}
				header := rtp.Header{Marker: i == len(tt.payloads)-1}
				for _, au := range d.Push(decode.Packet{Packet: &rtp.Packet{Header: header, Payload: payload}}) {
					got += hex.EncodeToString(au.Data)
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Parameter sets that come with a marker of their own stay with the picture.
func TestParameterSetsAlone(t *testing.T) {
	d := newDepacketizer(t, decode.H264, depacketize.Config{})
	packet := func(timestamp uint32, payload ...byte) decode.Packet {
		return decode.Packet{Packet: &rtp.Packet{Header: rtp.Header{Marker: true, Timestamp: timestamp}, Payload: payload}}
	}
	got := push(d, packet(100, 0x67, 0x42), packet(100, 0x68, 0xce), packet(200, 0x65, 0x88))
	if diff := cmp.Diff([]string{"key 18"}, got); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

func TestVP9Descriptor(t *testing.T) {
	const key = "8249834200"
	tests := []struct {
		name    string
		payload string // hex, before the data
		ok      bool
	}{
		{"the shortest", "0c", true},
		{"picture ID of 7 bits", "8c11", true},
		{"picture ID of 15 bits", "8c8111", true},
		{"flexible, as the reference server sends", "9d8111", true},
		{"flexible with references", "dc81110304", true},
		{"layers, not flexible", "2c0000", true},
		{"layers, flexible", "3c00", true},
		{"structure with sizes and pictures", "0e18" + "050002d0" + "02" + "0401" + "0802" + "03", true},
		{"not the beginning", "04", false},
		{"too many references", "5c0303030304", false},
		{"a higher spatial layer", "3c02", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDepacketizer(t, decode.VP9, depacketize.Config{})
			payload, err := hex.DecodeString(tt.payload + key)
			if err != nil {
				t.Fatal(err)
			}
			units := d.Push(decode.Packet{Packet: &rtp.Packet{Header: rtp.Header{Marker: true}, Payload: payload}})
			if got := len(units) == 1 && hex.EncodeToString(units[0].Data) == key; got != tt.ok {
				t.Errorf("got %t, want %t: %v", got, tt.ok, units)
			}
		})
	}
}

func TestTrailer(t *testing.T) {
	meta := &wire.FrameMetadata{FrameId: 7, CaptureTimeUs: 1_000_000, UserData: []byte("hi")}
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.H265} {
		t.Run(string(codec), func(t *testing.T) {
			d := newDepacketizer(t, codec, depacketize.Config{})
			frame := coded(codec, true, 300)
			packets := newSender(codec).packets(wire.AppendTrailer(bytes.Clone(frame), meta))
			push(d, packets[:len(packets)-1]...)
			units := d.Push(packets[len(packets)-1])
			if len(units) != 1 {
				t.Fatalf("got %d units", len(units))
			}
			au := units[0]
			if !bytes.Equal(au.Data, frame) {
				t.Errorf("got %d bytes, want the %d before the trailer", len(au.Data), len(frame))
			}
			if au.FrameID != 7 || au.CaptureTime != time.Second || string(au.UserData) != "hi" {
				t.Errorf("got id %d, capture time %s, user data %q", au.FrameID, au.CaptureTime, au.UserData)
			}
		})
	}
}

func TestOversized(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.H264, decode.AV1} {
		d := newDepacketizer(t, codec, depacketize.Config{MaxBytes: 500})
		s := newSender(codec)
		got := push(d, append(s.packets(coded(codec, true, 1000)), s.packets(coded(codec, true, 100))...)...)
		if len(got) != 1 || d.Stats().Oversized != 1 {
			t.Errorf("%s: got %q, %+v", codec, got, d.Stats())
		}
	}
}

func TestUnknownCodec(t *testing.T) {
	_, err := depacketize.New("h266", depacketize.Config{})
	if err == nil || err.Error() != `codec: no depacketizer for "h266"` {
		t.Errorf("got %v", err)
	}
}

func TestNoAllocations(t *testing.T) {
	for _, codec := range []decode.Codec{decode.VP8, decode.VP9, decode.H264, decode.H265} {
		d := newDepacketizer(t, codec, depacketize.Config{})
		tagged := wire.AppendTrailer(coded(codec, true, 5000), &wire.FrameMetadata{FrameId: 7, UserData: []byte("hi")})
		packets := newSender(codec).packets(tagged)
		frame := func() {
			for _, p := range packets {
				d.Push(p)
			}
		}
		frame()
		frame()
		if got := testing.AllocsPerRun(100, frame); got != 0 {
			t.Errorf("%s: got %v allocations per frame", codec, got)
		}
	}
}
