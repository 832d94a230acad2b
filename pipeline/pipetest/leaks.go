package pipetest

import (
	"bufio"
	"bytes"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
)

// held is what a node may not leave behind: pictures in use, by [Case.Live], and
// gocv's Mats, by the places where they were made.
type held struct {
	images int
	mats   map[string]int
}

func (c Case) held() held {
	h := held{mats: openMats()}
	if c.Live != nil {
		h.images = c.Live()
	}
	return h
}

// mustBeAll says what is held now and was not before.
func (before held) mustBeAll(t *testing.T, c Case) {
	t.Helper()
	now := c.held()
	if now.images != before.images {
		t.Errorf("%d images in use before, %d after it was closed", before.images, now.images)
	}
	for place, n := range now.mats {
		if more := n - before.mats[place]; more > 0 {
			t.Errorf("Mats not closed: %d, made by %s", more, place)
		}
	}
}

// matProfile is where gocv, built with its tag matprofile, keeps the stacks that
// made Mats until they are closed.
const matProfile = "gocv.io/x/gocv.Mat"

// A profile's text (runtime/pprof, debug=1) is a line for each stack, which begins
// with how many there are of it, and one for each of its functions, the innermost
// first.
var (
	profiledStack = regexp.MustCompile(`^(\d+) @`)
	profiledFunc  = regexp.MustCompile(`^#\t0x[0-9a-f]+\t(\S+)\+0x[0-9a-f]+\s+(\S+)$`)
)

// openMats counts the Mats that are open, by who asked OpenCV for them. Package mat
// closes its own with the frames, or keeps them for those to come.
func openMats() map[string]int {
	profile := pprof.Lookup(matProfile)
	if profile == nil {
		return nil
	}
	var text bytes.Buffer
	if err := profile.WriteTo(&text, 1); err != nil {
		return nil // a buffer takes everything
	}
	open := make(map[string]int)
	n := 0
	for lines := bufio.NewScanner(&text); lines.Scan(); {
		if m := profiledStack.FindStringSubmatch(lines.Text()); m != nil {
			n, _ = strconv.Atoi(m[1]) // digits
		}
		m := profiledFunc.FindStringSubmatch(lines.Text())
		if m == nil || n == 0 || strings.HasPrefix(m[1], "gocv.io/x/gocv.") {
			continue
		}
		if !strings.HasPrefix(m[1], "github.com/reactorpipe/reactorpipe/pipeline/mat.") {
			open[m[1]+" ("+m[2]+")"] += n
		}
		n = 0 // the rest of the stack called it
	}
	return open
}
