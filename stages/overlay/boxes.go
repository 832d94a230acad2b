package overlay

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"maps"
	"slices"
	"strings"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

// box is one box to draw and what is written above it.
type box struct {
	at    pipeline.Box
	text  string
	color color.RGBA
}

// drawable returns the stages upstream that set something to draw, sorted.
func drawable(scope *expr.Scope) []string {
	draws := func(k pipeline.AnyKind) bool {
		return k.Name() == pipeline.Detections.Name() || k.Name() == pipeline.Texts.Name()
	}
	names := slices.Sorted(maps.Keys(scope.Stages))
	return slices.DeleteFunc(names, func(name string) bool {
		return !slices.ContainsFunc(scope.Stages[name], draws)
	})
}

// boxes returns what there is to draw on f: of the stages that are known, else
// of the nearest.
func (o *Overlay) boxes(f *pipeline.Frame) []box {
	if len(o.stages) == 0 {
		detections, _ := pipeline.Get(f, pipeline.Detections)
		texts, _ := pipeline.Get(f, pipeline.Texts)
		return o.append(nil, detections, texts)
	}
	var boxes []box
	for _, name := range o.stages {
		detections, _ := pipeline.GetFrom(f, name, pipeline.Detections)
		texts, _ := pipeline.GetFrom(f, name, pipeline.Texts)
		boxes = o.append(boxes, detections, texts)
	}
	return boxes
}

func (o *Overlay) append(boxes []box, detections []pipeline.Detection, texts []pipeline.Text) []box {
	for i := range detections {
		d := &detections[i]
		boxes = append(boxes, box{d.Box, o.label(d), o.color(d.Label)})
	}
	for _, t := range texts {
		boxes = append(boxes, box{t.Box, t.Text, o.color("text")})
	}
	return boxes
}

// label returns, say, "person #7 86%".
func (o *Overlay) label(d *pipeline.Detection) string {
	switch o.cfg.Labels {
	case "none":
		return ""
	case "name":
		return d.Label
	}
	words := make([]string, 0, 3)
	if d.Label != "" {
		words = append(words, d.Label)
	}
	if d.TrackID != 0 {
		words = append(words, fmt.Sprintf("#%d", d.TrackID))
	}
	if d.Score > 0 {
		words = append(words, fmt.Sprintf("%.0f%%", 100*d.Score))
	}
	return strings.Join(words, " ")
}

// color returns the label's own colour, the same in every run.
func (o *Overlay) color(label string) color.RGBA {
	if c, ok := o.cfg.Colors[label]; ok {
		return c.RGBA()
	}
	palette := [...]color.RGBA{
		{64, 220, 64, 255},
		{255, 170, 0, 255},
		{0, 190, 255, 255},
		{255, 90, 160, 255},
		{250, 230, 50, 255},
		{170, 120, 255, 255},
		{0, 220, 190, 255},
		{255, 100, 70, 255},
	}
	h := fnv.New32a()
	h.Write([]byte(label))
	return palette[h.Sum32()%uint32(len(palette))]
}
