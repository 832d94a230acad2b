package rehearsal

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

var infinity = math.Inf(1) //nolint:gochecknoglobals // a constant that Go has none for

// partOf is an expected text that is a part of the one that comes.
type partOf string

// fit compares got with want, which may say less: of a map only some keys, of a
// number a range. It returns got as far as want speaks of it, in want's words
// where it fits, so that what differs between the two is what is wrong.
func fit(want, got any, tolerance float64) (shown any, ok bool) {
	switch want := want.(type) {
	case map[string]any:
		return fitMap(want, got, tolerance)
	case []any:
		return fitList(want, got, tolerance)
	case times:
		at, isTime := got.(time.Duration)
		if isTime && want.holds(at) {
			return want.text, true
		}
		return written(got), false
	case partOf:
		text, isText := got.(string)
		if isText && strings.Contains(text, string(want)) {
			return string(want), true
		}
		return got, false
	case string:
		if n, isNumber := expr.Number(got); isNumber {
			if least, most, ok := numbers(want); ok && least <= n && n <= most {
				return want, true
			}
		}
	}
	if w, isNumber := expr.Number(want); isNumber {
		if n, isNumber := expr.Number(got); isNumber && math.Abs(w-n) <= max(tolerance, 1e-6*max(1, math.Abs(w))) {
			return want, true
		}
	}
	return got, reflect.DeepEqual(want, got)
}

func fitMap(want map[string]any, got any, tolerance float64) (any, bool) {
	m, ok := got.(map[string]any)
	if got == nil {
		ok = true // what is expected to be absent is
	}
	if !ok {
		return got, false
	}
	shown := make(map[string]any, len(want))
	for key, w := range want {
		g, there := m[key]
		if !there && !absent(w) {
			ok = false
			continue
		}
		s, fits := fit(w, g, tolerance)
		shown[key] = s
		ok = ok && fits
	}
	return shown, ok
}

// absent says that want is nothing, or a map of nothing.
func absent(want any) bool {
	m, isMap := want.(map[string]any)
	for _, w := range m {
		if !absent(w) {
			return false
		}
	}
	return want == nil || isMap && len(m) > 0
}

func fitList(want []any, got any, tolerance float64) (any, bool) {
	list, ok := got.([]any)
	if !ok {
		return got, false
	}
	shown := make([]any, len(list))
	ok = len(list) == len(want)
	for i, g := range list {
		if i >= len(want) {
			shown[i] = g
			continue
		}
		s, fits := fit(want[i], g, tolerance)
		shown[i] = s
		ok = ok && fits
	}
	return shown, ok
}

// written returns v as a file would have it.
func written(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return v.Round(time.Millisecond).String()
	case times:
		return v.text
	case partOf:
		return string(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, e := range v {
			m[key] = written(e)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = written(e)
		}
		return list
	}
	return v
}

// plain returns v as JSON has it: with numbers of one type.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var p any
	if json.Unmarshal(text, &p) != nil {
		return v
	}
	return p
}

// mostPairs bounds the work of lining two lists up. Longer ones, of thousands of
// entries each, go first with first.
const mostPairs = 1 << 22

// pairUp lines two lists up: which of got stands for which of want, by index, -1
// for none. What fits is lined up in the longest way that keeps the order; between
// that, first goes with first.
func pairUp(want, got int, fits func(w, g int) bool) [][2]int {
	var pairs [][2]int
	fromW, fromG := 0, 0
	upTo := func(w, g int) {
		for ; fromW < w || fromG < g; fromW, fromG = min(fromW+1, w), min(fromG+1, g) {
			pairs = append(pairs, [2]int{orNone(fromW, w), orNone(fromG, g)})
		}
	}
	if want*got <= mostPairs {
		for _, p := range alike(want, got, fits) {
			upTo(p[0], p[1])
			pairs = append(pairs, p)
			fromW, fromG = p[0]+1, p[1]+1
		}
	}
	upTo(want, got)
	return pairs
}

// orNone is -1 for an index that is at the end.
func orNone(i, end int) int {
	if i < end {
		return i
	}
	return -1
}

// alike returns the longest row of pairs that fit.
func alike(want, got int, fits func(w, g int) bool) (pairs [][2]int) {
	longest := make([][]int, want+1) // of what begins at w and g
	for w := range longest {
		longest[w] = make([]int, got+1)
	}
	for w := want - 1; w >= 0; w-- {
		for g := got - 1; g >= 0; g-- {
			longest[w][g] = max(longest[w+1][g], longest[w][g+1])
			if fits(w, g) {
				longest[w][g] = max(longest[w][g], 1+longest[w+1][g+1])
			}
		}
	}
	for w, g := 0, 0; w < want && g < got; {
		switch {
		case fits(w, g) && longest[w][g] == 1+longest[w+1][g+1]:
			pairs = append(pairs, [2]int{w, g})
			w, g = w+1, g+1
		case longest[w+1][g] >= longest[w][g+1]:
			w++
		default:
			g++
		}
	}
	return pairs
}
