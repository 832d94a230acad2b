package rehearsal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFit(t *testing.T) {
	seconds := times{text: "1s..2s", least: time.Second, most: 2 * time.Second}
	tests := []struct {
		name      string
		want, got any
		tolerance float64
		fits      bool
		shown     any
	}{
		{"a number", 3, 3.0, 0, true, 3},
		{"another", 3, 4.0, 0, false, 4.0},
		{"one that is near", 3, 3.4, 0.5, true, 3},
		{"one that arithmetic has touched", 0.3, 0.1 + 0.2, 0, true, 0.3},
		{"a range", "2..4", 3.0, 0, true, "2..4"},
		{"below it", "2..4", 1.0, 0, false, 1.0},
		{"without an end", "2..", 1e9, 0, true, "2.."},
		{"without a begin", "..2", -5.0, 0, true, "..2"},
		{"around a number", "10 ± 2", 8.5, 0, true, "10 ± 2"},
		{"too far from it", "10 ± 2", 12.5, 0, false, 12.5},
		{"a text", "on", "on", 0, true, "on"},
		{"a text like a range", "2..4", "2..4", 0, true, "2..4"},
		{"another text", "on", "off", 0, false, "off"},
		{"a part of a text", partOf("fog"), "no fog today", 0, true, "fog"},
		{"a time", seconds, 1500 * time.Millisecond, 0, true, "1s..2s"},
		{"another time", seconds, 2500 * time.Millisecond, 0, false, "2.5s"},
		{"some keys", object{"a": 1}, object{"a": 1.0, "b": 2.0}, 0, true, object{"a": 1}},
		{"a key that is missing", object{"a": 1, "c": 1}, object{"a": 1.0}, 0, false, object{"a": 1}},
		{"a key that must not be there", object{"a": nil}, object{"a": 1.0}, 0, false, object{"a": 1.0}},
		{"one that is not", object{"a": nil}, object{}, 0, true, object{"a": nil}},
		{"nothing where nothing is wanted", object{"a": object{"b": nil}}, nil, 0, true, object{"a": object{"b": nil}}},
		{"nothing where something is", object{"a": 1}, nil, 0, false, object{}},
		{"a list", []any{1, object{}}, []any{1.0, object{"a": 1.0}}, 0, true, []any{1, object{}}},
		{"a longer list", []any{1}, []any{1.0, 2.0}, 0, false, []any{1, 2.0}},
		{"a shorter list", []any{1, 2}, []any{1.0}, 0, false, []any{1}},
		{"a list for a map", object{"a": 1}, []any{}, 0, false, []any{}},
		{"a truth", true, true, 0, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			shown, fits := fit(tt.want, tt.got, tt.tolerance)
			if fits != tt.fits {
				t.Errorf("fits: %v, want %v", fits, tt.fits)
			}
			if diff := cmp.Diff(written(shown), written(tt.shown)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

type object = map[string]any

func TestPairUp(t *testing.T) {
	tests := []struct {
		want, got string
		pairs     [][2]int
	}{
		{"", "", nil},
		{"ab", "ab", [][2]int{{0, 0}, {1, 1}}},
		{"ab", "b", [][2]int{{0, -1}, {1, 0}}},
		{"b", "ab", [][2]int{{-1, 0}, {0, 1}}},
		{"axb", "ayb", [][2]int{{0, 0}, {1, 1}, {2, 2}}},
		{"abc", "cab", [][2]int{{-1, 0}, {0, 1}, {1, 2}, {2, -1}}},
		{"aa", "bbb", [][2]int{{0, 0}, {1, 1}, {-1, 2}}},
	}
	for _, tt := range tests {
		t.Run(tt.want+"-"+tt.got, func(t *testing.T) {
			got := pairUp(len(tt.want), len(tt.got), func(w, g int) bool { return tt.want[w] == tt.got[g] })
			if diff := cmp.Diff(got, tt.pairs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPairUpLongLists(t *testing.T) {
	pairs := pairUp(5000, 5001, func(int, int) bool {
		t.Fatal("looks at what would take too long")
		return false
	})
	if len(pairs) != 5001 || pairs[4999] != [2]int{4999, 4999} || pairs[5000] != [2]int{-1, 5000} {
		t.Errorf("%d pairs, the last %v", len(pairs), pairs[len(pairs)-1])
	}
}

func TestDiff(t *testing.T) {
	want := object{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "x": 1, "y": 2}
	got := object{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "x": 9, "y": 2}
	const text = "  …\n  c: 3\n  d: 4\n  e: 5\n- x: 1\n+ x: 9\n  y: 2"
	if diff := cmp.Diff(diff(want, got), text); diff != "" {
		t.Error(diff)
	}
}
