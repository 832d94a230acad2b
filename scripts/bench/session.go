package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/depacketize"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// What is measured how often.
const (
	sessionStarts   = 20
	sessionCommands = 2000
	fullHouse       = 40 // sessions in one process
	receiveSeconds  = 10
	settleSeconds   = 2
)

// sessionBench measures package sdk by itself, without any decoding.
func sessionBench() bench {
	return bench{
		name: "session", title: "package sdk alone, the server in a process of its own, 720p30 H.264",
		run: inTurn(startRows, strangerRows, commandRows, receiveRows, sizeRows),
	}
}

// start is how long one start took, from the call of Connect.
type start struct{ Ready, Packet, Frame time.Duration }

func startRows(ctx context.Context, h *harness) ([]row, error) {
	var got []start
	if err := h.against(ctx, "h264", &got, "start", strconv.Itoa(sessionStarts)); err != nil {
		return nil, err
	}
	var ready, packet, frame []time.Duration
	for _, s := range got {
		ready, packet, frame = append(ready, s.Ready), append(packet, s.Packet), append(frame, s.Frame)
	}
	return []row{
		within("connect → ready", median(ready), 50*time.Millisecond),
		within("connect → first RTP packet, the server's own time included", median(packet), 50*time.Millisecond),
		within("connect → first decodable frame", median(frame), 100*time.Millisecond),
	}, nil
}

// stun is what the rows of the published runtime have in common: it waits for a
// STUN server that does not answer, unless it is told to use none.
const stun = "published runtime, its STUN server out of reach: "

// strangerRows starts sessions of the published runtime, beside the published
// client.
func strangerRows(ctx context.Context, h *harness) ([]row, error) {
	server, url, err := h.runtime(ctx, here, here)
	if errors.Is(err, errNoPython) {
		return []row{{what: stun + "skipped", value: err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	var got []start
	err = h.call(ctx, &got, "start", url, strconv.Itoa(max(h.runs, 3)), "local")
	var ours, theirs []time.Duration
	for _, s := range got {
		ours = append(ours, s.Frame)
	}
	for range h.runs {
		if err != nil {
			break
		}
		var took time.Duration
		took, err = h.publishedStart(ctx, url)
		theirs = append(theirs, took)
	}
	if err := errors.Join(err, server.interrupt()); err != nil {
		return nil, err
	}
	return []row{
		within(stun+"connect → first decodable frame", median(ours), 500*time.Millisecond),
		{what: stun + "the published client's first picture", value: fmt.Sprintf("%.1f ms", float64(median(theirs).Microseconds())/1000)},
	}, nil
}

// publishedStart is how long the published client takes to its first picture.
func (h *harness) publishedStart(ctx context.Context, url string) (time.Duration, error) {
	python, err := h.python(ctx)
	if err != nil {
		return 0, err
	}
	c, err := begin(here.command(ctx, python, filepath.Join(h.dir, "python", "start.py"), url))
	if err != nil {
		return 0, err
	}
	var got struct{ Seconds float64 }
	err = errors.Join(c.read(&got), c.stop())
	return time.Duration(got.Seconds * float64(time.Second)), err
}

func commandRows(ctx context.Context, h *harness) ([]row, error) {
	var got []time.Duration
	if err := h.against(ctx, "h264", &got, "command", strconv.Itoa(sessionCommands)); err != nil {
		return nil, err
	}
	return []row{
		within("command → reply p50", quantile(got, 0.5), 2*time.Millisecond),
		within("command → reply p99", quantile(got, 0.99), 10*time.Millisecond),
	}, nil
}

// took is what receiving took a process.
type took struct {
	CPU, Wall      time.Duration
	Packets, Bytes uint64
	Lost           int64  // missing in the sequence numbers
	Dropped        uint64 // not read in time
	Allocations    uint64
}

func receiveRows(ctx context.Context, h *harness) ([]row, error) {
	const bar = 2.0 // percent of a core
	var rows []row
	for _, sessions := range []int{1, fullHouse} {
		var shares []float64
		var last took
		var lost int64
		for range h.runs {
			if err := h.against(ctx, "h264", &last, "rtp", strconv.Itoa(sessions)); err != nil {
				return nil, err
			}
			shares = append(shares, 100*float64(last.CPU)/float64(last.Wall)/float64(sessions))
			lost += last.Lost + int64(last.Dropped)
		}
		what := "one session"
		if sessions > 1 {
			what = fmt.Sprintf("%d sessions in one process on one core", sessions)
		}
		share := median(shares)
		rows = append(rows,
			row{
				what: what + ", share of a core for each", value: fmt.Sprintf("%.2f %%", share),
				bar: fmt.Sprintf("≤ %.0f %%", bar), ok: share <= bar,
			},
			row{what: "… of a packet, of Mbit/s", value: fmt.Sprintf("%.1f µs, %.1f", float64(last.CPU.Microseconds())/float64(last.Packets),
				float64(last.Bytes)*8/last.Wall.Seconds()/float64(sessions)/1e6)},
			row{what: "… allocations a packet", value: fmt.Sprintf("%.2f", float64(last.Allocations)/float64(last.Packets))},
			row{what: "… packets lost, in all runs", value: strconv.FormatInt(lost, 10), bar: "0", ok: lost == 0},
		)
	}
	return rows, nil
}

// sized is a program that uses package sdk and nothing else.
const sized = `package main

import (
	"context"
	"fmt"

	"github.com/reactorpipe/reactorpipe/sdk"
)

func main() {
	s, err := sdk.Connect(context.Background(), sdk.Config{Local: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for m := range s.Messages(context.Background()) {
		fmt.Println(m.Type)
	}
}
`

func sizeRows(ctx context.Context, h *harness) ([]row, error) {
	const bar = 20 << 20
	source, program := filepath.Join(h.dir, "sized.go"), filepath.Join(h.dir, "sized")
	if err := os.WriteFile(source, []byte(sized), 0o600); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	st, err := os.Stat(program)
	if err != nil {
		return nil, err
	}
	return []row{{
		what: "a program that uses only sdk, without cgo", value: fmt.Sprintf("%.1f MiB", float64(st.Size())/(1<<20)),
		bar: "≤ 20 MiB", ok: st.Size() <= bar,
	}}, nil
}

// one opens a session of the cloud's kind.
func one(ctx context.Context, url string) (*sdk.Session, *sdk.Track, error) {
	return open(ctx, sdk.Config{BaseURL: url, Model: "bench", APIKey: "bench"})
}

func open(ctx context.Context, cfg sdk.Config) (*sdk.Session, *sdk.Track, error) {
	s, err := sdk.Connect(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.Track("main_video")
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, t, nil
}

// startChild starts sessions one after the other. Its arguments are the server's
// URL, how many, and "local" for a runtime that makes no difference between them.
func startChild(ctx context.Context, args []string) error {
	cfg := sdk.Config{BaseURL: args[0], Model: "bench", APIKey: "bench", Local: len(args) > 2}
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var all []start
	for range count {
		s, err := startOnce(ctx, cfg)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	return tell(all)
}

func startOnce(ctx context.Context, cfg sdk.Config) (start, error) {
	var out start
	begun := time.Now()
	s, t, err := open(ctx, cfg)
	if err != nil {
		return out, err
	}
	out.Ready = time.Since(begun)
	var d *depacketize.Depacketizer
	for seq := int64(0); out.Frame == 0; seq++ {
		p, err := t.ReadRTP(ctx)
		if d == nil && err == nil {
			out.Packet = p.Arrival.Sub(begun)
			d, err = depacketize.New(decode.Codec(p.Codec), depacketize.Config{})
		}
		if err != nil {
			return out, errors.Join(err, s.Close())
		}
		// The first packets come in order on a loopback; one that did not would
		// cost a keyframe, and show.
		for _, u := range d.Push(decode.Packet{Packet: p.Packet, Seq: seq, Arrival: p.Arrival}) {
			if u.Keyframe {
				out.Frame = time.Since(begun)
			}
		}
	}
	return out, s.Close()
}

// commandChild sends commands one after the other while a picture flows.
func commandChild(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	s, t, err := one(ctx, args[0])
	if err != nil {
		return err
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			if _, err := t.ReadRTP(ctx); err != nil {
				return
			}
		}
	}()
	all := make([]time.Duration, 0, count)
	for range count {
		begun := time.Now()
		if _, err := s.Command(ctx, "echo", nil); err != nil {
			return errors.Join(err, s.Close())
		}
		all = append(all, time.Since(begun))
	}
	err = s.Close()
	<-read
	return errors.Join(err, tell(all))
}

// rtpChild receives with several sessions and looks at nothing. Where there are
// several it keeps to one core.
func rtpChild(ctx context.Context, args []string) error {
	sessions, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if sessions > 1 {
		if err := keepToOneCore(); err != nil {
			return err
		}
	}
	var r receiver
	defer r.wg.Wait()
	for range sessions {
		s, t, err := one(ctx, args[0])
		if err != nil {
			return errors.Join(err, r.close())
		}
		r.add(ctx, s, t)
	}
	if err := pause(ctx, settleSeconds*time.Second); err != nil {
		return errors.Join(err, r.close())
	}
	before := r.measure()
	if err := pause(ctx, receiveSeconds*time.Second); err != nil {
		return errors.Join(err, r.close())
	}
	out := r.measure().since(before)
	for i, s := range r.sessions {
		stats, err := s.Stats(ctx)
		if err != nil {
			return errors.Join(err, r.close())
		}
		out.Lost += stats.PacketsLost
		out.Dropped += r.tracks[i].Dropped()
	}
	return errors.Join(r.close(), tell(out))
}

// receiver reads tracks.
type receiver struct {
	sessions []*sdk.Session
	tracks   []*sdk.Track
	packets  atomic.Uint64
	bytes    atomic.Uint64
	wg       sync.WaitGroup
}

func (r *receiver) add(ctx context.Context, s *sdk.Session, t *sdk.Track) {
	r.sessions, r.tracks = append(r.sessions, s), append(r.tracks, t)
	r.wg.Go(func() {
		for {
			p, err := t.ReadRTP(ctx)
			if err != nil {
				return
			}
			r.packets.Add(1)
			r.bytes.Add(uint64(len(p.Payload)))
		}
	})
}

func (r *receiver) close() error {
	var errs []error
	for _, s := range r.sessions {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// reading is what the counters say at a moment.
type reading struct {
	at      time.Time
	cpu     time.Duration
	packets uint64
	bytes   uint64
	memory  runtime.MemStats
}

func (r *receiver) measure() reading {
	out := reading{at: time.Now(), cpu: usedCPU(), packets: r.packets.Load(), bytes: r.bytes.Load()}
	runtime.ReadMemStats(&out.memory)
	return out
}

func (r reading) since(before reading) took {
	return took{
		CPU: r.cpu - before.cpu, Wall: r.at.Sub(before.at), Packets: r.packets - before.packets, Bytes: r.bytes - before.bytes,
		Allocations: r.memory.Mallocs - before.memory.Mallocs,
	}
}

// keepToOneCore binds all threads that there are to one core; later ones come of
// these.
func keepToOneCore() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return err
	}
	var one unix.CPUSet
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &one); err != nil {
			return err
		}
	}
	runtime.GOMAXPROCS(1)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
