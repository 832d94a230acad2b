package cv_test

import (
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/pipeline/cv"
)

var thorough = cv.HOGParams{Threshold: 0.5, Stride: 8, Scale: 1.05, Group: 2}

func TestHOGFindsAPerson(t *testing.T) {
	for name, how := range map[string]gocv.IMReadFlag{"colour": gocv.IMReadColor, "gray": gocv.IMReadGrayScale} {
		t.Run(name, func(t *testing.T) {
			m := gocv.IMRead("testdata/person.jpg", how)
			defer m.Close()
			found, err := newHOG(t).Detect(&m, thorough)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 {
				t.Fatalf("found %v, want one person", found)
			}
			f := found[0]
			if f.Weight < thorough.Threshold {
				t.Errorf("weight is %g, want at least %g", f.Weight, thorough.Threshold)
			}
			if middle := (f.Box.Min.X + f.Box.Max.X) / 2; middle < 36 || middle > 60 {
				t.Errorf("the person is at %v, want it in the middle", f.Box)
			}
		})
	}
}

func TestHOGFindsNobody(t *testing.T) {
	m := gocv.NewMatWithSize(256, 256, gocv.MatTypeCV8UC1)
	defer m.Close()
	found, err := newHOG(t).Detect(&m, thorough)
	if err != nil || len(found) != 0 {
		t.Errorf("found %v, error %v in black", found, err)
	}
}

func TestExceptionsAreErrors(t *testing.T) {
	tests := []struct {
		name string
		m    gocv.Mat
		how  cv.HOGParams
	}{
		{"wrong type", gocv.NewMatWithSize(256, 256, gocv.MatTypeCV32FC1), thorough},
		{"two channels", gocv.NewMatWithSize(256, 256, gocv.MatTypeCV8UC2), thorough},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer tt.m.Close()
			_, err := newHOG(t).Detect(&tt.m, tt.how)
			if err == nil || !strings.HasPrefix(err.Error(), "opencv: ") {
				t.Errorf("error is %v, want OpenCV's", err)
			}
		})
	}
}

func TestClosedHOG(t *testing.T) {
	h, err := cv.NewHOG()
	if err != nil {
		t.Fatal(err)
	}
	h.Close()
	h.Close()
	m := gocv.NewMatWithSize(256, 256, gocv.MatTypeCV8UC1)
	defer m.Close()
	if _, err := h.Detect(&m, thorough); err == nil {
		t.Error("a closed detector found no error")
	}
}

func newHOG(t *testing.T) *cv.HOG {
	t.Helper()
	h, err := cv.NewHOG()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}
