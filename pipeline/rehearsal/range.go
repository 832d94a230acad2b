package rehearsal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// count is a whole number, or a range of them: 3, "2..4", "1..".
type count struct {
	text        string
	least, most uint64
}

// UnmarshalText reads a count.
func (c *count) UnmarshalText(text []byte) error {
	least, most, ok := bounds(string(text))
	*c = count{text: string(text), most: 1<<64 - 1}
	var err error
	if least != "" {
		c.least, err = strconv.ParseUint(least, 10, 64)
	}
	if most != "" && err == nil {
		c.most, err = strconv.ParseUint(most, 10, 64)
	}
	if !ok || err != nil || c.least > c.most {
		return fmt.Errorf("must be a whole number or a range of them such as 2..4, got %s", text)
	}
	return nil
}

// given says that the file has it.
func (c count) given() bool { return c.text != "" }

func (c count) holds(n uint64) bool { return c.least <= n && n <= c.most }

// one says that it is a single number.
func (c count) one() bool { return c.least == c.most }

// times is a time or a span of them, from the begin of the test: 2s, "1s..3s".
type times struct {
	text        string
	least, most time.Duration
}

// UnmarshalText reads times.
func (t *times) UnmarshalText(text []byte) error {
	least, most, ok := bounds(string(text))
	var from, to config.Duration
	var err error
	to = config.Duration(1<<63 - 1)
	if least != "" {
		err = from.UnmarshalText([]byte(least))
	}
	if most != "" && err == nil {
		err = to.UnmarshalText([]byte(most))
	}
	*t = times{text: string(text), least: from.Std(), most: to.Std()}
	if !ok || err != nil || t.least > t.most {
		return fmt.Errorf("must be a time or a span of times such as 1s..3s, got %s", text)
	}
	return nil
}

func (t times) given() bool { return t.text != "" }

// holds compares to the millisecond, which is what people write.
func (t times) holds(at time.Duration) bool {
	at = at.Round(time.Millisecond)
	return t.least <= at && at <= t.most
}

// bounds splits "a..b", of which either may be missing, and doubles "a".
func bounds(text string) (least, most string, ok bool) {
	least, most, isRange := strings.Cut(text, "..")
	if !isRange {
		most = least
	}
	least, most = strings.TrimSpace(least), strings.TrimSpace(most)
	return least, most, least != "" || most != ""
}

// numbers is a range of numbers in a text: "10..20", "15 ± 2".
func numbers(text string) (least, most float64, ok bool) {
	if middle, by, found := strings.Cut(text, "±"); found {
		m, err := strconv.ParseFloat(strings.TrimSpace(middle), 64)
		d, err2 := strconv.ParseFloat(strings.TrimSpace(by), 64)
		return m - d, m + d, err == nil && err2 == nil && d >= 0
	}
	if !strings.Contains(text, "..") {
		return 0, 0, false
	}
	low, high, ok := bounds(text)
	least, most = -infinity, infinity
	var err error
	if low != "" {
		least, err = strconv.ParseFloat(low, 64)
	}
	if high != "" && err == nil {
		most, err = strconv.ParseFloat(high, 64)
	}
	return least, most, ok && err == nil && least <= most
}
