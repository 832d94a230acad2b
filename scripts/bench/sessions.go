package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// sessionsBench finds how many sessions a process holds on this machine beside
// their server, and what each of them takes.
func sessionsBench() bench {
	return bench{
		name: "sessions", title: "720p30 sessions in one process, their server in another on the same cores",
		run: inTurn(holdRows, publishedHoldRows, memoryRows, allocationRows, hourRows),
	}
}

// What it takes to say that sessions are held, how many are wanted, and how long
// the search for their number may take: within so much of a try, and with no new
// try after so much in all.
const (
	heldFPS    = 29
	heldP95    = 50 * time.Millisecond
	wantedHeld = 20
	apart      = 2 // numbers that are tried
	tryTime    = 45 * time.Second
	climbTime  = 75 * time.Second
)

func holdRows(ctx context.Context, h *harness) ([]row, error) {
	var rows []row
	for _, kind := range []struct {
		codec string
		p     pixels
		bar   bool
	}{{"h264", asDecoded, true}, {"vp8", asDecoded, true}, {"vp8", asBGR, false}} {
		what := fmt.Sprintf("sessions held, %s, frames %s in the stage", kind.codec, kind.p)
		held, err := h.climbed(ctx, what, kind.codec, func(ctx context.Context, url string, n int) (c crowd, err error) {
			err = h.call(ctx, &c, "crowd", url, kind.codec, strconv.Itoa(n), string(kind.p))
			return c, err
		})
		if err != nil {
			return rows, err
		}
		more := held.rows()
		if kind.bar {
			more[0].bar, more[0].ok = fmt.Sprintf("≥ %d", wantedHeld), held.most >= wantedHeld
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// publishedHoldRows are those of the published client. It does not say when
// packets came, so that its frames need only be as many. It decodes VP8, and no
// H.264.
func publishedHoldRows(ctx context.Context, h *harness) ([]row, error) {
	python, err := h.python(ctx)
	if errors.Is(err, errNoPython) {
		return []row{{what: "the Python SDK", value: "skipped: " + err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	what := "the Python SDK: sessions held, whatever its p95, vp8, frames as RGB"
	held, err := h.climbed(ctx, what, "vp8", func(ctx context.Context, url string, n int) (c crowd, err error) {
		client, err := begin(here.command(ctx, python, filepath.Join(h.dir, "python", "many.py"), url, strconv.Itoa(n)))
		if err != nil {
			return c, err
		}
		err = client.read(&c)
		return c, errors.Join(err, client.stop())
	})
	if err != nil {
		return nil, err
	}
	return held.rows(), nil
}

// try is what came of a number of sessions. One that failed holds none.
type try struct {
	crowd
	err error
}

func (t try) held() bool { return t.err == nil && t.crowd.held() }

func (t try) String() string {
	if t.err != nil {
		return "failed: " + lastLine(t.err.Error())
	}
	return t.crowd.String()
}

// held is how many sessions are, and what came of each number that was tried last.
type held struct {
	what    string
	most    int
	tries   map[int]try
	stopped bool // for want of time
}

// rows say how many are held, and what came of more.
func (h held) rows() []row {
	value := "none"
	if h.most > 0 {
		value = fmt.Sprintf("%d: %v", h.most, h.tries[h.most])
	}
	if h.stopped {
		value += fmt.Sprintf("; no more was tried after %v", climbTime)
	}
	rows := []row{{what: h.what, value: value}}
	for _, n := range slices.Sorted(maps.Keys(h.tries)) {
		if n > h.most {
			return append(rows, row{what: fmt.Sprintf("… and with %d", n), value: h.tries[n].String()})
		}
	}
	return rows
}

// climbed looks for the most sessions that are held. Each number has a server of
// its own.
func (h *harness) climbed(ctx context.Context, what, codec string, hold func(ctx context.Context, url string, n int) (crowd, error)) (held, error) {
	if _, err := h.clip(ctx, codec); err != nil {
		return held{}, err
	}
	out := held{what: what, tries: map[int]try{}}
	begun := time.Now()
	out.most = climb(func(n int) (ok, more bool) {
		if time.Since(begun) > climbTime {
			out.stopped = true
			return false, false
		}
		t := h.try(ctx, codec, n, hold)
		if ctx.Err() != nil {
			return false, false
		}
		fmt.Fprintf(os.Stderr, "%s, %d: %v\n", what, n, t)
		out.tries[n] = t
		return t.held(), true
	})
	return out, ctx.Err()
}

func (h *harness) try(ctx context.Context, codec string, n int, hold func(ctx context.Context, url string, n int) (crowd, error)) (t try) {
	ctx, cancel := context.WithTimeoutCause(ctx, tryTime, fmt.Errorf("not over after %v", tryTime))
	defer cancel()
	t.err = h.served(ctx, codec, func(url string) (err error) {
		t.crowd, err = hold(ctx, url, n)
		return err
	})
	t.err = cmp.Or(context.Cause(ctx), t.err)
	return t
}

// climb finds the most that is held: in strides from wantedHeld that double until
// one number is held and a greater one is not, then by halves. The least that is too
// many is tried once more, for machines are noisy. It ends early where hold wants no
// more tries.
func climb(hold func(n int) (ok, more bool)) (most int) {
	const none = fullHouse + apart // nothing was too many yet
	over, stride, again := none, apart, 0
	for n := wantedHeld; ; {
		ok, more := hold(n)
		switch {
		case !more:
			return most
		case !ok:
			over = n
		case n == over:
			most, over, stride = n, none, apart
		default:
			most = n
		}
		switch {
		case over-most == apart && (over == none || over == again):
			return most
		case over-most == apart:
			n, again = over, over
		case over == none:
			n, stride = min(most+stride, fullHouse), 2*stride
		case most == 0:
			n, stride = max(over-stride, apart), 2*stride
		default:
			n = most + (over-most)/2/apart*apart
		}
	}
}

// memoryRows are what more sessions take in a process that has one.
func memoryRows(ctx context.Context, h *harness) ([]row, error) {
	const more, bar = 10, 25 << 20
	var all []float64
	for range h.runs {
		var got grown
		if err := h.against(ctx, "h264", &got, "grow", "h264", strconv.Itoa(more), string(asBGR)); err != nil {
			return nil, err
		}
		all = append(all, float64(got.After-got.Before)/more)
	}
	each := median(all)
	return []row{{
		what: "memory for each further session, frames as BGR", value: fmt.Sprintf("%.1f MB", each/(1<<20)),
		bar: "≤ 25 MB", ok: each <= bar,
	}}, nil
}
