package plan

import (
	"fmt"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// Basis says what the costs are.
const Basis = "costs are what a conversion or copy took a core for each megapixel on the machine of docs/performance.md; " +
	"yours differs, the ratios hardly do"

// Costs in milliseconds of one core for each megapixel, the medians of runs on two
// cores that had other work, of
//
//	go test -bench ConvertTo ./decode/ffmpeg
//	go test -bench 'Edit|Convert' ./pipeline/mat
const (
	nativeToBGR  = 0.55
	nativeToGray = 0.75 // full range, which most streams are not
	bgrToGray    = 0.2
	bgrToI420    = 0.45
	copyOfBGR    = 0.12
)

// Work is what becomes of the pixels in front of a node.
type Work struct {
	// What is "convert", "copy" or "share"; the first two cost something.
	What string `json:"what"`
	From Pixels `json:"from"`
	To   Pixels `json:"to"`
	// Milliseconds of one core for each megapixel.
	Milliseconds float64 `json:"ms_per_megapixel"`
	// Why it is needed, or why not.
	Why string `json:"why"`
}

// Pixels is what flows along an edge.
type Pixels string

// What flows. Native is as the decoder has it: i420, nv12 or a surface.
const (
	Native   Pixels = "native"
	BGR      Pixels = "bgr"
	Gray     Pixels = "gray"
	I420     Pixels = "i420"
	Messages Pixels = "messages"
)

func (w Work) String() string {
	switch w.What {
	case "copy":
		return fmt.Sprintf("copies %s, %g ms/megapixel: %s", w.To, w.Milliseconds, w.Why)
	case "convert":
		return fmt.Sprintf("converts %s → %s, %g ms/megapixel: %s", w.From, w.To, w.Milliseconds, w.Why)
	default:
		return fmt.Sprintf("shares %s: %s", w.To, w.Why)
	}
}

// conversion returns the cost of making one from the other.
func conversion(from, to Pixels) float64 {
	switch {
	case from == Native && to == BGR:
		return nativeToBGR
	case from == Native && to == Gray:
		return nativeToGray
	case from == BGR && to == Gray:
		return bgrToGray
	case from == BGR && to == I420:
		return bgrToI420
	default:
		return 0
	}
}

// wanted returns the pixels that a node reads, "" for none or as they are.
func wanted(p pipeline.Pixels) Pixels {
	switch p.Read {
	case pipeline.BGR:
		return BGR
	case pipeline.Gray:
		return Gray
	default:
		return ""
	}
}

func usesPixels(p pipeline.Pixels) bool {
	return p.Read != pipeline.NoRead || p.Write != pipeline.NoWrite
}
