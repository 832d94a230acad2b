package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	osexec "os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/stages/exec"
)

// execBench compares a stage in another program with the same code in a stage
// in Go. The pictures are decoded before, so that what is measured is what a
// stage costs: the conversion to its colours, the way there and back, its work.
func execBench() bench {
	return bench{
		name: "exec", title: "a 720p picture is looked at, averaged, inverted: a stage that is another program / the same code in Go",
		run: func(ctx context.Context, h *harness) ([]row, error) {
			clip, err := h.clip(ctx, "h264")
			if err != nil {
				return nil, err
			}
			var rows []row
			for _, work := range []string{"look", "mean", "invert"} {
				for _, language := range languages(ctx) {
					r, err := execRows(ctx, h, clip, work, language)
					if err != nil {
						return nil, err
					}
					rows = append(rows, r...)
				}
			}
			return rows, nil
		},
	}
}

// languages are those that the programs here are written in.
func languages(ctx context.Context) []string {
	if pythonWithNumPy(ctx) == "" {
		return []string{"go"}
	}
	return []string{"go", "python"}
}

func pythonWithNumPy(ctx context.Context) string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if osexec.CommandContext(ctx, name, "-c", "import numpy").Run() == nil {
			return name
		}
	}
	return ""
}

// execCost is what a run of the exec child prints.
type execCost struct {
	Latency time.Duration // of Process, the median
	CPU     time.Duration // per frame, of both processes
}

// execRows measures both in turn.
func execRows(ctx context.Context, h *harness, clip, work, language string) ([]row, error) {
	var inside, outside struct{ latency, cpu []time.Duration }
	for range h.runs {
		var in, out execCost
		if err := h.call(ctx, &in, "exec", clip, work, "inside"); err != nil {
			return nil, err
		}
		if err := h.call(ctx, &out, "exec", clip, work, language); err != nil {
			return nil, err
		}
		inside.latency, inside.cpu = append(inside.latency, in.Latency), append(inside.cpu, in.CPU)
		outside.latency, outside.cpu = append(outside.latency, out.Latency), append(outside.cpu, out.CPU)
	}
	what := work + ", " + map[string]string{"go": "a program in Go", "python": "Python with NumPy"}[language]
	return []row{
		compared(what+", latency", outside.latency, inside.latency),
		compared(what+", CPU", outside.cpu, inside.cpu),
	}, nil
}

const (
	execPictures = 60
	execPasses   = 10
)

// execChild lends the clip's pictures to a stage. The CPU time of a first pass,
// with the start of the program in it, is subtracted.
func execChild(ctx context.Context, args []string) error {
	clip, work, where := args[0], args[1], args[2]
	pictures, err := decoded720(clip)
	if err != nil {
		return err
	}
	var cost execCost
	few, _, err := lendAll(ctx, pictures, work, where, 1)
	if err != nil {
		return err
	}
	many, latencies, err := lendAll(ctx, pictures, work, where, 1+execPasses)
	if err != nil {
		return err
	}
	cost.CPU, cost.Latency = (many-few)/(execPasses*execPictures), median(latencies)
	for _, p := range pictures {
		if err := p.Close(); err != nil {
			return err
		}
	}
	return tell(cost)
}

// decoded720 returns the first pictures of a clip as the decoder made them.
func decoded720(clip string) ([]pipeline.Image, error) {
	file, err := ffmpeg.OpenFile(clip)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: file.Codec()})
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var images []pipeline.Image
	for len(images) < execPictures {
		au, err := file.Next()
		if err != nil {
			return nil, err
		}
		pictures, err := decoder.Decode(au)
		if err != nil {
			return nil, err
		}
		for _, p := range pictures {
			images = append(images, p.Image)
		}
	}
	return images, nil
}

// lendAll returns the CPU time of the passes, children included, and how long
// each call took.
func lendAll(ctx context.Context, pictures []pipeline.Image, work, where string, passes int) (time.Duration, []time.Duration, error) {
	begun := usedCPU() + childrensCPU()
	stage, err := workingStage(ctx, work, where)
	if err != nil {
		return 0, nil, err
	}
	var latencies []time.Duration
	for n := range passes * len(pictures) {
		took, err := lend(ctx, stage, pictures[n%len(pictures)], uint64(n))
		if err != nil {
			return 0, nil, err
		}
		latencies = append(latencies, took)
	}
	if c, ok := stage.(io.Closer); ok {
		if err := c.Close(); err != nil {
			return 0, nil, err
		}
	}
	return usedCPU() + childrensCPU() - begun, latencies, nil
}

func lend(ctx context.Context, stage pipeline.Stage, picture pipeline.Image, seq uint64) (time.Duration, error) {
	own, err := picture.Clone()
	if err != nil {
		return 0, err
	}
	format := own.Format()
	f := pipeline.NewFrame(pipeline.Meta{Stream: "clip", Seq: seq, Width: format.Width, Height: format.Height}, own)
	f.Lend("work")
	begun := time.Now()
	err = stage.Process(ctx, f)
	took := time.Since(begun)
	return took, errors.Join(err, f.Release())
}

// workingStage does the work inside this process, or in a program.
func workingStage(ctx context.Context, work, where string) (pipeline.Stage, error) {
	if where == "inside" {
		return map[string]pipeline.StageFunc{"look": lookInside, "mean": meanInside, "invert": invertInside}[work], nil
	}
	cfg := exec.Default()
	cfg.Writes = work == "invert"
	switch where {
	case "go":
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cfg.Command = []string{self, childFlag, "work", work}
	default:
		cfg.Command = []string{pythonWithNumPy(ctx), "-c", pythonWork()[work]}
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return exec.New(pipeline.Env{
		Name: "work", Log: log, Clock: pipeline.SystemClock{}, Metrics: pipeline.NoMetrics{},
	}, cfg)
}

func lookInside(_ context.Context, f *pipeline.Frame) error {
	_, err := mat.View(f)
	return err
}

func meanInside(_ context.Context, f *pipeline.Frame) error {
	m, err := mat.View(f)
	if err != nil {
		return err
	}
	pixels, err := m.DataPtrUint8()
	if err != nil {
		return err
	}
	pipeline.Set(f, pipeline.Measurements, map[string]float64{"mean": mean(pixels)})
	return nil
}

func invertInside(_ context.Context, f *pipeline.Frame) error {
	m, err := mat.Edit(f)
	if err != nil {
		return err
	}
	pixels, err := m.DataPtrUint8()
	if err != nil {
		return err
	}
	invert(pixels)
	return nil
}

func mean(pixels []byte) float64 {
	var sum uint64
	for _, v := range pixels {
		sum += uint64(v)
	}
	return float64(sum) / float64(len(pixels))
}

func invert(pixels []byte) {
	for i, v := range pixels {
		pixels[i] = ^v
	}
}

// pythonWork is the same in Python, as one writes it there.
func pythonWork() map[string]string {
	const program = `
from reactorpipe_stage import track, run

@track.on_frame(shared=True)
def on_frame(frame):
    %s

run()
`
	return map[string]string{
		"look":   fmt.Sprintf(program, "pass"),
		"mean":   fmt.Sprintf(program, "track.measure(mean=frame.mean())"),
		"invert": fmt.Sprintf(program, "frame ^= 255"),
	}
}

// workChild is the program in Go: it speaks the protocol of docs/exec.md.
func workChild(_ context.Context, args []string) error {
	socket := os.NewFile(3, "stage")
	lines := bufio.NewScanner(socket)
	lines.Buffer(nil, 1<<20)
	var memory []byte
	for lines.Scan() {
		var said struct {
			Type    string
			Seq     uint64
			Memory  int
			Picture struct{ Height, Stride int }
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return err
		}
		if said.Type == "hello" {
			var err error
			if memory, err = unix.Mmap(4, 0, said.Memory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
				return err
			}
			fmt.Fprintln(socket, `{"type":"ready"}`)
			continue
		}
		fmt.Fprintf(socket, `{"type":"result","seq":%d%s}`+"\n", said.Seq, workOn(args[0], memory[:said.Picture.Height*said.Picture.Stride]))
	}
	return lines.Err()
}

func workOn(work string, pixels []byte) string {
	switch work {
	case "mean":
		return fmt.Sprintf(`,"measurements":{"mean":%g}`, mean(pixels))
	case "invert":
		invert(pixels)
		return `,"pixels":true`
	}
	return ""
}
