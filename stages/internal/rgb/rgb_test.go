package rgb_test

import (
	"testing"

	"github.com/reactorpipe/reactorpipe/stages/internal/rgb"
)

func TestColor(t *testing.T) {
	var c rgb.Color
	if err := c.UnmarshalText([]byte("#FFcc08")); err != nil {
		t.Fatal(err)
	}
	if want := (rgb.Color{R: 0xff, G: 0xcc, B: 0x08}); c != want {
		t.Errorf("got %v, want %v", c, want)
	}
	if got := c.String(); got != "#ffcc08" {
		t.Errorf("String is %s", got)
	}
}

func TestColorRefuses(t *testing.T) {
	for _, text := range []string{"", "#", "red", "#fff", "#gggggg", "ffcc08x", "#ffcc08ff"} {
		var c rgb.Color
		err := c.UnmarshalText([]byte(text))
		if want := `must be a colour such as "#ffcc88", got "` + text + `"`; err == nil || err.Error() != want {
			t.Errorf("%q: error is %v, want %s", text, err, want)
		}
	}
}
