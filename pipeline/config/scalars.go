package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span as people write it: "5s", "1m30s", "250ms", "7d".
type Duration time.Duration

// Size is a number of bytes as people write it: "50GB", "512k", "4MiB", 4096.
// Letters alone and with B are powers of 1000, with iB powers of 1024.
type Size int64

// Bitrate is a number of bits a second as people write it: "2M", "800k",
// "1.5Mbit/s", 64000.
type Bitrate int

// Rate is how often something happens, in hertz: "15fps", "2/s", "30/min", 7.5.
type Rate float64

// Std returns d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns, say, "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// String returns the number of bytes.
func (s Size) String() string { return strconv.FormatInt(int64(s), 10) }

// String returns the number of bits a second.
func (b Bitrate) String() string { return strconv.Itoa(int(b)) }

// String returns, say, "7.5/s".
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) + "/s" }

// UnmarshalText reads a duration. It is never negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err != nil {
		return fmt.Errorf("must be a duration such as 5s, got %s", orNothing(text))
	}
	*d = Duration(v)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := parseNumber(days)
		if err == nil && n*24 > math.MaxInt64/float64(time.Hour) {
			err = errors.New("too long")
		}
		return time.Duration(n * 24 * float64(time.Hour)), err
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	return d, err
}

// UnmarshalText reads a size. It is never negative.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseScaled(string(text), sizeUnits())
	if err != nil {
		return fmt.Errorf("must be a size such as 50GB or 512k, got %s", orNothing(text))
	}
	*s = Size(n)
	return nil
}

// UnmarshalText reads a bitrate. It is never negative.
func (b *Bitrate) UnmarshalText(text []byte) error {
	short := strings.TrimSpace(string(text))
	for _, unit := range []string{"bit/s", "bps", "b/s"} {
		short = strings.TrimSuffix(short, unit)
	}
	n, err := parseScaled(short, bitrateUnits())
	if err != nil {
		return fmt.Errorf("must be a bitrate such as 2M or 800k, got %s", orNothing(text))
	}
	*b = Bitrate(n)
	return nil
}

// UnmarshalText reads a rate. It is above zero.
func (r *Rate) UnmarshalText(text []byte) error {
	n, err := parseScaled(string(text), rateUnits())
	if err != nil || n == 0 {
		return fmt.Errorf("must be a rate such as 15fps or 2/s, got %s", orNothing(text))
	}
	*r = Rate(n)
	return nil
}

// unit is the end of a number and what it multiplies it by.
type unit struct {
	suffix string
	factor float64
}

// Longer suffixes come before those that they end with.

func sizeUnits() []unit {
	return []unit{
		{"KiB", 1 << 10},
		{"MiB", 1 << 20},
		{"GiB", 1 << 30},
		{"TiB", 1 << 40},
		{"kB", 1e3},
		{"KB", 1e3},
		{"MB", 1e6},
		{"GB", 1e9},
		{"TB", 1e12},
		{"k", 1e3},
		{"K", 1e3},
		{"M", 1e6},
		{"G", 1e9},
		{"T", 1e12},
		{"B", 1},
	}
}

func bitrateUnits() []unit {
	return []unit{{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}}
}

func rateUnits() []unit {
	return []unit{{"fps", 1}, {"/s", 1}, {"/min", 1. / 60}, {"/h", 1. / 3600}, {"Hz", 1}}
}

func parseScaled(s string, units []unit) (float64, error) {
	s = strings.TrimSpace(s)
	factor := 1.0
	for _, u := range units {
		if number, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = number, u.factor
			break
		}
	}
	n, err := parseNumber(s)
	if err == nil && n*factor > math.MaxInt64/2 {
		err = errors.New("too large")
	}
	return n * factor, err
}

// parseNumber reads a plain number of at least zero: no signs, no hexadecimals,
// no "inf".
func parseNumber(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "0123456789.") != "" {
		return 0, errors.New("not a number")
	}
	return strconv.ParseFloat(s, 64)
}

// orNothing shows what came in a message.
func orNothing(text []byte) string {
	if len(text) == 0 {
		return "nothing"
	}
	return shorten(string(text))
}

// shorten keeps what a message quotes on one short line.
func shorten(s string) string {
	const most = 60
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
