package ffmpeg_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// drawing is an image that draws itself at whatever size it is asked for: a
// ramp of luma, with colours, and a box that moves with n.
type drawing struct{ n int }

func (d drawing) Format() pipeline.Format        { return pipeline.Format{Layout: pipeline.Opaque} }
func (d drawing) Clone() (pipeline.Image, error) { return d, nil }
func (d drawing) Close() error                   { return nil }

func (d drawing) ConvertTo(dst unsafe.Pointer, stride int, to pipeline.Format) error {
	luma := unsafe.Slice((*byte)(dst), stride*to.Height)
	for y := range to.Height {
		for x := range to.Width {
			luma[y*stride+x] = d.luma(x, y, to)
		}
	}
	w, h := to.Width/2, to.Height/2
	u := unsafe.Slice((*byte)(unsafe.Add(dst, stride*to.Height)), stride/2*h*2)
	v := u[stride/2*h:]
	for y := range h {
		for x := range w {
			u[y*stride/2+x] = byte(96 + 64*x/w)
			v[y*stride/2+x] = byte(96 + 64*y/h)
		}
	}
	return nil
}

func (d drawing) luma(x, y int, to pipeline.Format) byte {
	const box = 32
	left := 4 * d.n % max(1, to.Width-box)
	if left <= x && x < left+box && to.Height/2 <= y && y < to.Height/2+box {
		return 220
	}
	return byte(30 + 160*(x+y)/(to.Width+to.Height))
}

// clip encodes n drawings at 30 fps.
func clip(t testing.TB, cfg encode.Config, n int) []encode.Packet {
	t.Helper()
	e, err := encoder.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var out []encode.Packet
	for i := range n {
		packets, err := e.Encode(drawing{i}, time.Duration(i)*time.Second/30, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			p.Data = append([]byte(nil), p.Data...)
			out = append(out, p)
		}
	}
	return out
}

func unit(codec decode.Codec, p encode.Packet) *decode.AccessUnit {
	return &decode.AccessUnit{Codec: codec, Data: p.Data, PTS: p.PTS, Keyframe: p.Keyframe}
}

func payloader(codec decode.Codec) rtp.Payloader {
	switch codec {
	case decode.VP8:
		return &codecs.VP8Payloader{EnablePictureID: true}
	case decode.VP9:
		return &codecs.VP9Payloader{FlexibleMode: true}
	}
	return &codecs.H264Payloader{}
}

// overRTP takes packets through RTP and back.
func overRTP(t testing.TB, codec decode.Codec, packets []encode.Packet) []decode.AccessUnit {
	t.Helper()
	d, err := depacketize.New(codec, depacketize.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := payloader(codec)
	var out []decode.AccessUnit
	for i, packet := range packets {
		payloads := p.Payload(1188, packet.Data)
		for j, payload := range payloads {
			header := rtp.Header{Timestamp: uint32(i * 3000), Marker: j == len(payloads)-1}
			for _, au := range d.Push(decode.Packet{Packet: &rtp.Packet{Header: header, Payload: payload}}) {
				au.Data = append([]byte(nil), au.Data...)
				au.PTS = packet.PTS
				out = append(out, au)
			}
		}
	}
	return out
}

func newDecoder(t testing.TB, cfg ffmpeg.Config) decode.Decoder {
	t.Helper()
	d, err := ffmpeg.NewDecoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// convert returns the image's pixels in memory of rows without padding.
func convert(t testing.TB, img pipeline.Image, to pipeline.Format) []byte {
	t.Helper()
	stride, size := layout(to)
	out := make([]byte, size)
	if err := img.(pipeline.Converter).ConvertTo(unsafe.Pointer(&out[0]), stride, to); err != nil {
		t.Fatal(err)
	}
	return out
}

func layout(f pipeline.Format) (stride, size int) {
	even := (f.Width + 1) &^ 1
	switch f.Layout {
	case pipeline.BGR24, pipeline.RGB24:
		return 3 * f.Width, 3 * f.Width * f.Height
	case pipeline.I420, pipeline.NV12:
		return even, even*f.Height + even*((f.Height+1)/2)
	}
	return f.Width, f.Width * f.Height
}

// meanError returns the mean difference of two pictures' bytes.
func meanError(a, b []byte) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 255
	}
	sum := 0
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return float64(sum) / float64(len(a))
}

func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(&b[0]) }
