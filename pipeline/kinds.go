package pipeline

import "slices"

// Detection is something seen in the picture.
type Detection struct {
	Box   Box    `json:"box" expr:"box"`
	Label string `json:"label,omitempty" expr:"label"`
	// Score is the detector's confidence, 0 to 1.
	Score float64 `json:"score" expr:"score"`
	// TrackID is the same for one object over time; 0 where nobody tracks.
	TrackID   int64      `json:"track_id,omitempty" expr:"track_id"`
	Keypoints []Keypoint `json:"keypoints,omitempty" expr:"keypoints"`
}

// Keypoint is a named position on an object.
type Keypoint struct {
	Point
	Name  string  `json:"name,omitempty" expr:"name"`
	Score float64 `json:"score" expr:"score"`
}

// Event is something that happened at a frame.
type Event struct {
	Name string         `json:"name" expr:"name"`
	Data map[string]any `json:"data,omitempty" expr:"data"`
}

// Text is something read in the picture.
type Text struct {
	Text  string  `json:"text" expr:"text"`
	Box   Box     `json:"box" expr:"box"`
	Score float64 `json:"score" expr:"score"`
}

// The kinds of annotation that stages share. Users declare their own with
// [NewKind].
var (
	Detections = NewKind("detections", moveDetections)
	Events     = NewKind[[]Event]("events", nil)
	// Measurements are numbers by name; the stage that sets them documents
	// their units.
	Measurements = NewKind[map[string]float64]("measurements", nil)
	Texts        = NewKind("texts", moveTexts)
)

func moveDetections(ds []Detection, by Affine) []Detection {
	moved := slices.Clone(ds)
	for i := range moved {
		d := &moved[i]
		d.Box = by.Box(d.Box)
		d.Keypoints = slices.Clone(d.Keypoints)
		for j := range d.Keypoints {
			d.Keypoints[j].Point = by.Point(d.Keypoints[j].Point)
		}
	}
	return moved
}

func moveTexts(ts []Text, by Affine) []Text {
	moved := slices.Clone(ts)
	for i := range moved {
		moved[i].Box = by.Box(moved[i].Box)
	}
	return moved
}
