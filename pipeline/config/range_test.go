package config

import (
	"reflect"
	"testing"
)

func TestRange(t *testing.T) {
	tests := []struct {
		tag, says    string
		within, past []float64
	}{
		{`range:"0..1"`, "from 0 to 1", []float64{0, 0.5, 1}, []float64{-0.1, 1.1}},
		{`range:"0..<1"`, "from 0 to below 1", []float64{0, 0.99}, []float64{-0.1, 1}},
		{`range:"1.."`, "at least 1", []float64{1, 1e9}, []float64{0.9}},
		{`range:"..-2.5"`, "at most -2.5", []float64{-2.5, -3}, []float64{0}},
		{`range:"..<7"`, "below 7", []float64{6.9}, []float64{7}},
	}
	for _, tt := range tests {
		t.Run(tt.tag, func(t *testing.T) {
			r, ok := rangeOf(reflect.StructTag(tt.tag))
			if !ok || r.String() != tt.says {
				t.Errorf("says %q, want %q", r, tt.says)
			}
			for _, n := range tt.within {
				if !r.holds(n) {
					t.Errorf("refuses %v", n)
				}
			}
			for _, n := range tt.past {
				if r.holds(n) {
					t.Errorf("takes %v", n)
				}
			}
		})
	}
}

// A malformed tag is found as soon as the kind is described or used.
func TestMalformedRanges(t *testing.T) {
	for _, tag := range []string{`range:"1"`, `range:"a..b"`, `range:"1-2"`} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", tag)
				}
			}()
			rangeOf(reflect.StructTag(tag))
		}()
	}
}
