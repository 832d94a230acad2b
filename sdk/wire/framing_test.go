package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/reactorpipe/reactorpipe/sdk/wire"
)

func TestChunks(t *testing.T) {
	tests := []struct {
		name    string
		size    int
		text    bool
		message string
		frames  []string
	}{
		{"binary, empty", 4, false, "", []string{"00"}},
		{"text, empty", 4, true, "", []string{"02"}},
		{"fits", 4, false, "616263", []string{"00616263"}},
		{"one more", 4, false, "61626364", []string{"01616263", "0064"}},
		{"text", 4, true, "68656c6c6f", []string{"0368656c", "026c6f"}},
		{"exactly two", 5, false, "6162636465666768", []string{"0161626364", "0065666768"}},
		{"cut inside a rune", 2, true, "e282ac", []string{"03e2", "0382", "02ac"}},
		{"seventeen", 16, false, "000102030405060708090a0b0c0d0e0f10", []string{"01000102030405060708090a0b0c0d0e", "000f10"}},
		{"ping, default size", 0, false, "10035200", []string{"0010035200"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message := fromHex(t, tt.message)
			var got []string
			for f := range wire.Chunks(tt.text, message, tt.size) {
				got = append(got, hex.EncodeToString(f))
			}
			if diff := cmp.Diff(tt.frames, got); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
			var r wire.Reassembler
			for i, f := range tt.frames {
				m, text, done, err := r.Push(fromHex(t, f))
				if err != nil || done != (i == len(tt.frames)-1) {
					t.Fatalf("frame %d: done %v, %v", i, done, err)
				}
				if done && (!bytes.Equal(m, message) || text != tt.text) {
					t.Errorf("got %x, text %v", m, text)
				}
			}
		})
	}
}

func TestReassemblerViolations(t *testing.T) {
	tests := []struct {
		name   string
		frames []string
	}{
		{"zero-length frame", []string{""}},
		{"an unframed ping", []string{"10035200"}},
		{"text bit that changes", []string{"0161", "0261"}},
		{"zero-length inside a message", []string{"0161", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r wire.Reassembler
			var last error
			for _, f := range tt.frames {
				_, _, _, last = r.Push(fromHex(t, f))
			}
			if !errors.Is(last, wire.ErrChunk) {
				t.Errorf("got %v, want ErrChunk", last)
			}
		})
	}
}

func TestReassemblerLimit(t *testing.T) {
	r := wire.Reassembler{Limit: 3}
	push := func(frame string) (string, error) {
		t.Helper()
		m, _, done, err := r.Push(fromHex(t, frame))
		if !done {
			return "-", err
		}
		return string(m), err
	}
	steps := []struct {
		frame, message string
		err            error
	}{
		{"00616263", "abc", nil},
		{"01616263", "-", nil},
		{"0164", "-", nil},
		{"0065", "-", wire.ErrMessageTooLarge},
		{"0161", "-", nil},
		{"006263", "abc", nil},
		{"0061626364", "-", wire.ErrMessageTooLarge},
		{"00", "", nil},
	}
	for i, s := range steps {
		if m, err := push(s.frame); m != s.message || !errors.Is(err, s.err) {
			t.Errorf("step %d: got %q, %v; want %q, %v", i, m, err, s.message, s.err)
		}
	}
}

func FuzzChunks(f *testing.F) {
	f.Add(true, []byte("hello"), 4)
	f.Add(false, []byte{}, 1)
	f.Add(false, bytes.Repeat([]byte{0}, 100), 17)
	f.Fuzz(func(t *testing.T, text bool, message []byte, size int) {
		var r wire.Reassembler
		finished := false
		for frame := range wire.Chunks(text, message, size%4096) {
			m, gotText, done, err := r.Push(frame)
			if err != nil || finished {
				t.Fatalf("finished %v, %v", finished, err)
			}
			if finished = done; done && (gotText != text || !bytes.Equal(m, message)) {
				t.Fatalf("got %x, want %x", m, message)
			}
		}
		if !finished {
			t.Fatal("the message did not end")
		}
	})
}

func FuzzReassembler(f *testing.F) {
	f.Add([]byte{0, 'a'}, []byte{1, 'b'}, []byte{0})
	f.Add([]byte{1}, []byte{3}, []byte{})
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		r := wire.Reassembler{Limit: 8}
		for _, frame := range [][]byte{a, b, c} {
			m, _, done, err := r.Push(frame)
			if done && (err != nil || len(m) > 8) {
				t.Fatalf("%d bytes, %v", len(m), err)
			}
		}
	})
}

func TestTrailer(t *testing.T) {
	md := &wire.FrameMetadata{FrameId: 1, CaptureTimeUs: 1000000, UserData: []byte("hi")}
	const tagged = "deadbeef080110c0843d1a0268690a00000052584d54"
	if got := hex.EncodeToString(wire.AppendTrailer(fromHex(t, "deadbeef"), md)); got != tagged {
		t.Errorf("got %s, want %s", got, tagged)
	}
	payload, got := wire.SplitTrailer(fromHex(t, tagged))
	if hex.EncodeToString(payload) != "deadbeef" || !proto.Equal(got, md) {
		t.Errorf("got %x, %v", payload, got)
	}
}

func TestSplitTrailerPassesThrough(t *testing.T) {
	tests := []struct{ name, frame string }{
		{"empty", ""},
		{"no magic", "deadbeefdeadbeefdeadbeef"},
		{"magic alone", "52584d54"},
		{"longer than the frame", "de0200000052584d54"},
		{"length near the end of 32 bits", "deffffffff52584d54"},
		{"not a message", "ffff0200000052584d54"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if payload, m := wire.SplitTrailer(fromHex(t, tt.frame)); hex.EncodeToString(payload) != tt.frame || m != nil {
				t.Errorf("got %x, %v", payload, m)
			}
		})
	}
	t.Run("empty metadata", func(t *testing.T) {
		payload, m := wire.SplitTrailer(fromHex(t, "de0000000052584d54"))
		if hex.EncodeToString(payload) != "de" || m == nil {
			t.Errorf("got %x, %v", payload, m)
		}
	})
}

func FuzzTrailer(f *testing.F) {
	f.Add(fromHex(f, "deadbeef080110c0843d1a0268690a00000052584d54"))
	f.Add(fromHex(f, "deffffffff52584d54"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		payload, m := wire.SplitTrailer(frame)
		if !bytes.HasPrefix(frame, payload) {
			t.Fatalf("%x is no prefix of %x", payload, frame)
		}
		if m == nil {
			return
		}
		var want wire.FrameMetadata // by the library
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(frame[len(payload):len(frame)-8], &want); err != nil || !proto.Equal(m, &want) {
			t.Fatalf("got %v, want %v, %v", m, &want, err)
		}
		again, n := wire.SplitTrailer(wire.AppendTrailer(slices.Clone(payload), m))
		if !bytes.Equal(again, payload) || !proto.Equal(m, n) {
			t.Fatalf("%x, %v became %x, %v", payload, m, again, n)
		}
	})
}
