package ffmpeg_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/decode/jitter"
	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

const benchWidth, benchHeight, benchPictures = 1280, 720, 150

// benchClip makes a clip of 720p with the ffmpeg program's test picture, 4
// Mbit/s, and returns it as a file and as RTP packets.
func benchClip(b testing.TB, codec decode.Codec) (path string, packets []*rtp.Packet) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "bench.mkv")
	encoder := map[decode.Codec][]string{
		decode.H264: {"libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline"},
		decode.VP8:  {"libvpx", "-deadline", "realtime", "-cpu-used", "8"},
		decode.VP9:  {"libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"},
	}[codec]
	args := []string{
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=30", benchWidth, benchHeight), "-frames:v", fmt.Sprint(benchPictures),
		"-pix_fmt", "yuv420p", "-b:v", "4M", "-g", "1000", "-c:v",
	}
	ffmpegCommand(b, append(append(args, encoder...), path)...)
	f, err := ffmpeg.OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p := payloader(codec)
	for {
		au, err := f.Next()
		if err != nil {
			break
		}
		payloads := p.Payload(1188, au.Data)
		for i, payload := range payloads {
			packets = append(packets, &rtp.Packet{
				Header:  rtp.Header{Timestamp: uint32(au.RTPTime), SequenceNumber: uint16(len(packets)), Marker: i == len(payloads)-1},
				Payload: append([]byte(nil), payload...),
			})
		}
	}
	return path, packets
}

// receive takes packets through the jitter buffer, the depacketizer and the
// decoder, and converts each picture into dst; without dst it is let go.
func receive(b testing.TB, codec decode.Codec, packets []*rtp.Packet, dst []byte) int {
	b.Helper()
	buffer := jitter.New(jitter.Config{})
	assembler, err := depacketize.New(codec, depacketize.Config{})
	if err != nil {
		b.Fatal(err)
	}
	d, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: codec})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	to := pipeline.Format{Layout: pipeline.BGR24, Width: benchWidth, Height: benchHeight}
	now := time.Now()
	n := 0
	for _, p := range packets {
		buffer.Push(p, now)
		in, ok := buffer.Pop(now)
		if !ok {
			b.Fatal("a packet is missing")
		}
		for _, au := range assembler.Push(in) {
			pictures, err := d.Decode(&au)
			if err != nil {
				b.Fatal(err)
			}
			for _, picture := range pictures {
				n++
				if dst != nil {
					err = picture.Image.(pipeline.Converter).ConvertTo(pointer(dst), 3*benchWidth, to)
				}
				if err != nil {
					b.Fatal(err)
				}
				picture.Image.Close()
			}
		}
	}
	return n
}

// BenchmarkDecodeBGR takes RTP packets in memory to BGR pictures in memory. An
// operation is a picture; cpu-µs/picture is the process's time, kernel included.
// The ffmpeg program does the same with the same access units, without RTP.
func BenchmarkDecodeBGR(b *testing.B) {
	dst := make([]byte, 3*benchWidth*benchHeight)
	for _, codec := range encodable {
		path, packets := benchClip(b, codec)
		b.Run(string(codec)+"/bgr", func(b *testing.B) { benchmarkReceive(b, codec, packets, dst) })
		b.Run(string(codec)+"/bgr-ffmpeg", func(b *testing.B) { benchmarkProgram(b, path, "-pix_fmt", "bgr24") })
		b.Run(string(codec)+"/native", func(b *testing.B) { benchmarkReceive(b, codec, packets, nil) })
		b.Run(string(codec)+"/native-ffmpeg", func(b *testing.B) { benchmarkProgram(b, path) })
	}
}

// benchmarkProgram measures the ffmpeg program over a clip, less what it takes
// to start and decode one picture.
func benchmarkProgram(b *testing.B, path string, output ...string) {
	var spent time.Duration
	pictures := 0
	for pictures < b.N {
		spent += programTime(b, path, benchPictures, output) - programTime(b, path, 1, output)
		pictures += benchPictures - 1
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(pictures), "cpu-µs/picture")
}

func programTime(b *testing.B, path string, pictures int, output []string) time.Duration {
	b.Helper()
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		b.Skip("there is no ffmpeg on PATH")
	}
	args := []string{"-hide_banner", "-loglevel", "error", "-nostdin", "-threads", "1", "-i", path, "-frames:v", fmt.Sprint(pictures)}
	cmd := exec.Command(program, append(append(args, output...), "-f", "null", "-")...)
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func benchmarkReceive(b *testing.B, codec decode.Codec, packets []*rtp.Packet, dst []byte) {
	b.ReportAllocs()
	before := cpuTime()
	pictures := 0
	for pictures < b.N {
		pictures += receive(b, codec, packets, dst)
	}
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(pictures), "cpu-µs/picture")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(pictures), "µs/picture")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMux writes H.264 into a file.
func BenchmarkMux(b *testing.B) {
	packets := clip(b, video(decode.H264, 320, 240), 30)
	m, err := container.Create(filepath.Join(b.TempDir(), "a.mp4"), container.Config{Codec: decode.H264, Width: 320, Height: 240, FPS: 30})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p := packets[n%len(packets)]
		p.PTS = time.Duration(n) * time.Second / 30
		if err := m.Write(p); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
