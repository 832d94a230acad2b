package config

import (
	"encoding"
	"testing"
	"time"
)

func TestScalars(t *testing.T) {
	var (
		d Duration
		s Size
		b Bitrate
		r Rate
	)
	tests := []struct {
		into encoding.TextUnmarshaler
		text string
		got  func() float64
		want float64
		err  string
	}{
		{into: &d, text: "5s", got: func() float64 { return d.Std().Seconds() }, want: 5},
		{into: &d, text: "1m30s", got: func() float64 { return d.Std().Seconds() }, want: 90},
		{into: &d, text: "7d", got: func() float64 { return float64(d.Std() / time.Hour) }, want: 168},
		{into: &d, text: "0", got: func() float64 { return float64(d) }, want: 0},
		{into: &d, text: "soon", err: "must be a duration such as 5s, got soon"},
		{into: &d, text: "5", err: "must be a duration such as 5s, got 5"},
		{into: &d, text: "-5s", err: "must be a duration such as 5s, got -5s"},
		{into: &d, text: "999999999d", err: "must be a duration such as 5s, got 999999999d"},
		{into: &d, text: "", err: "must be a duration such as 5s, got nothing"},
		{into: &s, text: "50GB", got: func() float64 { return float64(s) }, want: 50e9},
		{into: &s, text: "512k", got: func() float64 { return float64(s) }, want: 512000},
		{into: &s, text: "4MiB", got: func() float64 { return float64(s) }, want: 4 << 20},
		{into: &s, text: "4096", got: func() float64 { return float64(s) }, want: 4096},
		{into: &s, text: "big", err: "must be a size such as 50GB or 512k, got big"},
		{into: &s, text: "1e300TB", err: "must be a size such as 50GB or 512k, got 1e300TB"},
		{into: &b, text: "2M", got: func() float64 { return float64(b) }, want: 2e6},
		{into: &b, text: "1.5Mbit/s", got: func() float64 { return float64(b) }, want: 1.5e6},
		{into: &b, text: "64000", got: func() float64 { return float64(b) }, want: 64000},
		{into: &b, text: "fast", err: "must be a bitrate such as 2M or 800k, got fast"},
		{into: &r, text: "15fps", got: func() float64 { return float64(r) }, want: 15},
		{into: &r, text: "2/s", got: func() float64 { return float64(r) }, want: 2},
		{into: &r, text: "30/min", got: func() float64 { return float64(r) }, want: 0.5},
		{into: &r, text: "7.5", got: func() float64 { return float64(r) }, want: 7.5},
		{into: &r, text: "0", err: "must be a rate such as 15fps or 2/s, got 0"},
		{into: &r, text: "often", err: "must be a rate such as 15fps or 2/s, got often"},
		{into: &r, text: "NaN", err: "must be a rate such as 15fps or 2/s, got NaN"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			err := tt.into.UnmarshalText([]byte(tt.text))
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.got(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
