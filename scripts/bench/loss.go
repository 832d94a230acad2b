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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/sim"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// lossBench compares what packet loss does to the picture of this client and of
// the published one, on the published runtime and on our simulator.
func lossBench() bench {
	return bench{
		name: "loss", title: "720p30 under packet loss, ours / the Python SDK: pictures that came more than 150 ms after the one before",
		alone: true,
		run: func(ctx context.Context, h *harness) ([]row, error) {
			kept, err := openResults(h.keep)
			if err != nil {
				return nil, err
			}
			defer kept.close()
			if err := h.loseAll(ctx, kept); err != nil {
				return nil, err
			}
			return kept.rows(h.seconds), nil
		},
	}
}

// The servers of the table.
const (
	onRuntime   = "runtime"
	onSimulator = "simulator"
)

// lossPercents are what is lost of the packets.
func lossPercents() []int { return []int{0, 2, 5, 10, 20} }

// cell is one run. Cells are measured in turn, so that whatever else happens on
// the machine happens to all of them.
type cell struct {
	Server  string
	Percent int
	Client  string
	Seconds float64
	Run     int
}

// among says that a list, as the flag has it, names the cell.
func (c cell) among(list string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), fmt.Sprintf("%s/%d", c.Server, c.Percent))
}

func cells(runs int, d time.Duration) []cell {
	var all []cell
	for run := range runs {
		for _, server := range []string{onRuntime, onSimulator} {
			for _, percent := range lossPercents() {
				for _, client := range []string{"ours", "theirs"} {
					all = append(all, cell{server, percent, client, d.Seconds(), run})
				}
			}
		}
	}
	return all
}

// outcome is a cell with what was seen.
type outcome struct {
	cell
	watched
}

// watched is what a viewer saw.
type watched struct {
	FPS     float64
	Freezes int
	Frozen  time.Duration // all freezes together
	Longest time.Duration // the longest time without a new picture
}

// freeze is how long a picture may stand before it counts as frozen.
const freeze = 150 * time.Millisecond

func watch(times []int64, end int64) watched {
	var w watched
	if len(times) == 0 {
		return w
	}
	for i, t := range times {
		next := end
		if i+1 < len(times) {
			next = times[i+1]
		}
		gap := time.Duration(next - t)
		w.Longest = max(w.Longest, gap)
		if gap > freeze {
			w.Freezes++
			w.Frozen += gap
		}
	}
	w.FPS = float64(len(times)) / time.Duration(end-times[0]).Seconds()
	return w
}

// loseAll measures the cells that are not in kept.
func (h *harness) loseAll(ctx context.Context, kept *results) error {
	if _, err := h.python(ctx); err != nil {
		return err
	}
	wire, err := newLossy(ctx)
	if err != nil {
		return err
	}
	for _, c := range cells(h.runs, h.seconds) {
		if kept.has(c) || !c.among(h.cells) {
			continue
		}
		w, err := h.lose(ctx, wire, c)
		if err != nil {
			return errors.Join(fmt.Errorf("%+v: %w", c, err), wire.close())
		}
		if err := kept.add(outcome{c, w}); err != nil {
			return errors.Join(err, wire.close())
		}
	}
	return wire.close()
}

// lose measures one cell.
func (h *harness) lose(ctx context.Context, wire *lossy, c cell) (watched, error) {
	from := here
	var server *child
	var url string
	var err error
	if c.Server == onRuntime {
		from = wire.client
		if err := wire.lose(ctx, c.Percent); err != nil {
			return watched{}, err
		}
		server, url, err = h.runtime(ctx, wire.server, from)
	} else {
		server, err = h.start(ctx, "simulate", h.clipOfStreet(), strconv.Itoa(c.Percent))
		if err == nil {
			err = server.read(&url)
		}
	}
	if err != nil {
		return watched{}, err
	}
	got, err := h.see(ctx, from, c.Client, url)
	if c.Server == onRuntime {
		err = errors.Join(err, server.interrupt())
	} else {
		err = errors.Join(err, server.stop())
	}
	return watch(got.Times, got.End), err
}

// see has one of the clients watch.
func (h *harness) see(ctx context.Context, from place, client, url string) (received, error) {
	if client == "theirs" {
		return h.published(ctx, from, url, h.seconds, asItIs)
	}
	var got received
	err := h.callAt(ctx, from, &got, "receive", url, "vp8,vp9,h264", h.seconds.String())
	return got, err
}

// Trouble of the simulator's network besides its loss.
const (
	simJitter  = 50 * time.Millisecond
	simReorder = 0.05
)

// simulateChild is a simulated model behind a bad network. It prints its URL.
func simulateChild(ctx context.Context, args []string) error {
	percent, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	s, err := sim.Serve(ctx, sim.Config{
		Name: "street", Clip: args[0], Width: 1280, Height: 720, FPS: 30, Codec: "vp9", Log: slog.New(slog.DiscardHandler),
		Trouble: sessiontest.Trouble{Network: sessiontest.Network{Drop: float64(percent) / 100, Jitter: simJitter, Reorder: simReorder}},
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := tell(s.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// results are the outcomes so far, in a file with one a line, so that a run that
// was cut off goes on where it was.
type results struct {
	file *os.File // nil where nothing is kept
	all  []outcome
}

func openResults(path string) (*results, error) {
	if path == "" {
		return &results{}, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	r := &results{file: f}
	whole := int64(0)
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return r, f.Truncate(whole) // the last line may be cut off
		}
		if err != nil {
			return nil, err
		}
		var o outcome
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		r.all = append(r.all, o)
		whole += int64(len(line))
	}
}

func (r *results) has(c cell) bool {
	for _, o := range r.all {
		if o.cell == c {
			return true
		}
	}
	return false
}

func (r *results) add(o outcome) error {
	r.all = append(r.all, o)
	if r.file == nil {
		return nil
	}
	return json.NewEncoder(r.file).Encode(o)
}

func (r *results) close() {
	if r.file != nil {
		_ = r.file.Close() // every line is written when it is there
	}
}

// rows are the medians of each pair of cells.
func (r *results) rows(d time.Duration) []row {
	var rows []row
	for _, server := range []string{onRuntime, onSimulator} {
		for _, percent := range lossPercents() {
			ours, theirs := r.of(server, percent, "ours", d), r.of(server, percent, "theirs", d)
			if len(ours) == 0 {
				continue
			}
			rows = append(rows, row{
				what: fmt.Sprintf("%s, %d %% lost, %d runs", server, percent, len(ours)),
				value: fmt.Sprintf("freezes %.0f / %.0f, frozen %.1f / %.1f s, longest %d / %d ms, %.1f / %.1f fps",
					typical(ours, freezes), typical(theirs, freezes), typical(ours, frozen), typical(theirs, frozen),
					int(typical(ours, longest)), int(typical(theirs, longest)), typical(ours, fps), typical(theirs, fps)),
				bar: "no more, no longer",
				ok:  typical(ours, freezes) <= typical(theirs, freezes) && typical(ours, frozen) <= typical(theirs, frozen),
			})
		}
	}
	return rows
}

func (r *results) of(server string, percent int, client string, d time.Duration) []watched {
	var all []watched
	for _, o := range r.all {
		if o.Server == server && o.Percent == percent && o.Client == client && o.Seconds == d.Seconds() {
			all = append(all, o.watched)
		}
	}
	return all
}

func typical(all []watched, of func(watched) float64) float64 {
	values := make([]float64, len(all))
	for i, w := range all {
		values[i] = of(w)
	}
	return median(values)
}

func freezes(w watched) float64 { return float64(w.Freezes) }
func frozen(w watched) float64  { return w.Frozen.Seconds() }
func longest(w watched) float64 { return float64(w.Longest.Milliseconds()) }
func fps(w watched) float64     { return w.FPS }
