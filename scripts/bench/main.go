// Command bench measures reactorpipe beside the means that people have instead,
// in one run, and prints a table for each comparison.
//
//	go run ./scripts/bench [-only NAME] [-runs N] [-frames N]
//	go run ./scripts/bench -only loss [-runs N] [-for TIME] [-keep FILE] [-cells LIST]
//
// Machines are noisy, so what counts is the ratio of two things measured in
// turn, and its median. Whatever sends lives in a process of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// bench is one table.
type bench struct {
	name  string
	title string
	run   func(context.Context, *harness) (rows []row, err error)
	// alone says that it takes long and is run only when it is named.
	alone bool
}

// inTurn measures one part after the other. What was measured before an error counts.
func inTurn(parts ...func(context.Context, *harness) ([]row, error)) func(context.Context, *harness) ([]row, error) {
	return func(ctx context.Context, h *harness) ([]row, error) {
		var rows []row
		for _, part := range parts {
			more, err := part(ctx, h)
			rows = append(rows, more...)
			if err != nil {
				return rows, err
			}
		}
		return rows, nil
	}
}

// row is one line of a table: what was measured, beside what, and the bar.
type row struct {
	what  string
	value string
	bar   string // "" for rows that stand for comparison only
	ok    bool
}

func benches() []bench {
	return []bench{decodeBench(), wireBench(), latencyBench(), sessionBench(), commandBench(), sessionsBench(), publishBench(), recordBench(), loopBench(), graphBench(), execBench(), lossBench()}
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == childFlag {
		os.Exit(childMain(os.Args[2], os.Args[3:]))
	}
	only := flag.String("only", "", "the name of one table: "+names())
	runs := flag.Int("runs", 5, "measured runs of each thing")
	seconds := flag.Duration("for", 30*time.Second, "of each run of the table loss")
	wanted := flag.String("cells", "", "of the table loss, all if nothing is said: `LIST` like runtime/2,simulator/20")
	keep := flag.String("keep", "", "`FILE` of the results of the table loss: what it has is not measured again")
	frames := flag.Int("frames", 10_000, "decoded from memory in the table sessions, `N` of them: 108000 are an hour's")
	flag.Parse()
	if err := checkFlags(*only, *frames); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h, err := newHarness(".", *runs)
	if err == nil {
		h.seconds, h.keep, h.cells, h.frames = *seconds, *keep, *wanted, *frames
		err = h.benchAll(ctx, *only)
		h.close()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// checkFlags refuses what would only be seen after minutes, or not at all.
func checkFlags(only string, frames int) error {
	known := slices.ContainsFunc(benches(), func(b bench) bool { return b.name == only })
	if only != "" && !known {
		return fmt.Errorf("only: must be one of %s, got %q", names(), only)
	}
	if frames <= hourSettled {
		return fmt.Errorf("frames: must be more than %d, got %d", hourSettled, frames)
	}
	return nil
}

func names() string {
	var all []string
	for _, b := range benches() {
		all = append(all, b.name)
	}
	return strings.Join(all, ", ")
}

func (h *harness) benchAll(ctx context.Context, only string) error {
	fmt.Fprintln(os.Stdout, machine())
	for _, b := range benches() {
		if only != b.name && (only != "" || b.alone) {
			continue
		}
		rows, err := b.run(ctx, h)
		if len(rows) > 0 {
			show(b.title, rows)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func show(title string, rows []row) {
	fmt.Fprintf(os.Stdout, "\n%s\n", title)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		verdict := ""
		if r.bar != "" {
			verdict = "bar " + r.bar + map[bool]string{true: "  ok", false: "  MISSED"}[r.ok]
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", r.what, r.value, verdict)
	}
	_ = t.Flush() // standard output that is gone is seen by the next write
}
