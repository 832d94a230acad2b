package session

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// said is a command of a test.
type said struct {
	node, command string
	args          map[string]any
}

func prompt(text string) said { return said{"steer", "set_prompt", map[string]any{"prompt": text}} }

func brightness(b any) said { return said{"light", "set_brightness", map[string]any{"brightness": b}} }

// times repeats commands.
func times(n int, commands ...said) []said {
	var all []said
	for range n {
		all = append(all, commands...)
	}
	return all
}

func cycling() config.Cycle {
	return config.Cycle{Repeats: 3, Within: config.Duration(5 * time.Second), Pause: config.Duration(time.Minute)}
}

func TestCircles(t *testing.T) {
	one, two, three := prompt("a crowd"), prompt("an empty street"), said{"alarm", "play", nil}
	tests := []struct {
		name     string
		commands []said
		every    time.Duration
		want     int // the command that closes the circle, from 1; 0 for none
	}{
		{"two prompts", times(5, one, two), time.Second, 6},
		{"not often enough", append(times(2, one, two), one), time.Second, 0},
		{"slower than a reaction", times(5, one, two), 6 * time.Second, 0},
		{"of three sinks' commands", times(5, one, two, three), time.Second, 9},
		{"of four", times(5, one, two, three, two), time.Second, 12},
		{"of five is a programme", times(5, one, two, three, prompt("a"), prompt("b")), time.Second, 0},
		{"the same again and again", times(20, one), time.Second, 0},
		{"always something else", []said{
			prompt("a"), prompt("b"), prompt("c"), prompt("d"), prompt("e"), prompt("f"), prompt("g"), prompt("h"),
		}, time.Second, 0},
		{"one that breaks the order", append(times(2, one, two), three, one, two, one, two), time.Second, 0},
		{"after something else", append([]said{three, three}, times(3, one, two)...), time.Second, 8},
		{"numbers that are never quite the same", []said{
			brightness(0.42), brightness(1.61), brightness(0.43), brightness(1.6), brightness(0.41), brightness(1.63),
		}, time.Second, 6},
		{"numbers that rise", []said{
			brightness(1), brightness(2), brightness(3), brightness(4), brightness(5), brightness(6), brightness(7.0), brightness(8),
		}, time.Second, 0},
		{"numbers that swing and die down", []said{
			brightness(1.0), brightness(-0.8), brightness(0.6), brightness(-0.5), brightness(0.4), brightness(-0.3),
		}, time.Second, 0},
		{"numbers in texts", []said{
			prompt("a crowd of 4"), two, prompt("a crowd of 6"), two, prompt("a crowd of 11"), two,
		}, time.Second, 6},
		{"texts that differ in numbers only", []said{prompt("4"), prompt("5"), prompt("4"), prompt("5"), prompt("4"), prompt("5")}, time.Second, 0},
		{"deep in the arguments", times(3, said{"a", "set", map[string]any{"l": []any{map[string]any{"x": true}}}}, said{"a", "set", map[string]any{"l": []any{map[string]any{"x": false}}}}), time.Second, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCircles(cycling(), slog.New(slog.DiscardHandler))
			now, got := time.Unix(0, 0), 0
			for i, s := range tt.commands {
				now = now.Add(tt.every)
				if err := c.judge(now, pipeline.Cause{Node: s.node, Stream: "cam"}, s.command, s.args); err != nil {
					got = i + 1
					break
				}
			}
			if got != tt.want {
				t.Errorf("noticed at %d, want %d", got, tt.want)
			}
		})
	}
}

// The parties of a circle are held back for a while, longer when it comes back at
// once, with the reason said; nobody else is.
func TestCirclesAreBroken(t *testing.T) {
	var log strings.Builder
	c := newCircles(cycling(), slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Unix(0, 0).UTC()
	cause := pipeline.Cause{Node: "steer", Stream: "cam"}
	turn := func() (err error) {
		for i := range 6 {
			now = now.Add(time.Second)
			text := fmt.Sprint([]string{"dark", "bright"}[i%2])
			err = errors.Join(err, c.judge(now, cause, "set_prompt", map[string]any{"prompt": text}))
		}
		return err
	}
	want := "command set_prompt held back: a circle: set_prompt and set_prompt caused each other 3 times, each within 5s of the one before; held back for 1m0s, until 00:01:06"
	var held *pipeline.Suppressed
	if err := turn(); !errors.As(err, &held) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := c.held(now.Add(59*time.Second), cause, "set_prompt"); err == nil || err.Error() != want {
		t.Errorf("held: %v", err)
	}
	for _, other := range []pipeline.Cause{{Node: "other", Stream: "cam"}, {Node: "steer"}} {
		if err := c.held(now, other, "set_prompt"); err != nil {
			t.Errorf("%+v: %v", other, err)
		}
	}
	if err := c.held(now, cause, "set_tint"); err != nil {
		t.Errorf("another command: %v", err)
	}
	for _, pause := range []string{"2m0s", "4m0s", "8m0s", "16m0s", "16m0s"} {
		for c.held(now, cause, "set_prompt") != nil {
			now = now.Add(time.Second)
		}
		if err := turn(); err == nil || !strings.Contains(err.Error(), "held back for "+pause+",") {
			t.Errorf("it came back: %v, want %s", err, pause)
		}
	}
	now = now.Add(time.Hour)
	if err := turn(); err == nil || !strings.Contains(err.Error(), "held back for 1m0s,") {
		t.Errorf("long after: %v", err)
	}
	if n := strings.Count(log.String(), "commands drive each other in a circle, held back"); n != 7 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
}

func TestCirclesTurnedOff(t *testing.T) {
	c := newCircles(config.Cycle{}, slog.New(slog.DiscardHandler))
	for i := range 100 {
		s := times(50, prompt("a"), prompt("b"))[i]
		if err := c.judge(time.Unix(int64(i), 0), pipeline.Cause{Node: s.node, Stream: "cam"}, s.command, s.args); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBucket(t *testing.T) {
	b := newBucket(config.Commands{Rate: 2, Burst: 3})
	now := time.Unix(1000, 0)
	steps := []struct {
		after time.Duration
		want  time.Duration
	}{
		{0, 0},
		{0, 0},
		{0, 0},
		{0, 500 * time.Millisecond},
		{200 * time.Millisecond, 300 * time.Millisecond},
		{300 * time.Millisecond, 0},
		{-time.Hour, 500 * time.Millisecond}, // the clock is set back: nothing is won
		{500 * time.Millisecond, 0},
		{24 * time.Hour, 0},
		{0, 0},
		{0, 0},
		{0, 500 * time.Millisecond}, // never more than the burst
	}
	for i, s := range steps {
		now = now.Add(s.after)
		if got := b.take(now); got != s.want {
			t.Errorf("step %d: wait %v, want %v", i, got, s.want)
		}
	}
	if wait := newBucket(config.Commands{}).take(now); wait != 0 {
		t.Errorf("without a rate: wait %v", wait)
	}
}
