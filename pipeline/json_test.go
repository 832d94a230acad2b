package pipeline_test

import (
	"testing"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

func TestJSON(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	emitted := time.Date(2026, 3, 4, 6, 6, 7, 890_123_456, zone)
	meta := pipeline.Meta{
		Stream: "cam", Seq: 42, PTS: 1234567 * time.Microsecond, Width: 640, Height: 480,
		Arrival: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
	with := func(change func(*pipeline.Meta)) pipeline.Meta {
		m := meta
		change(&m)
		return m
	}
	const head = `{"stream":"cam","seq":42,"pts_ms":1234.567,"width":640,"height":480,` +
		`"arrived_at":"2026-03-04T05:06:07.000000Z","emitted_at":"2026-03-04T05:06:07.890123Z"`
	tests := []struct {
		name  string
		frame func() *pipeline.Frame
		want  string
	}{
		{"a bare frame", func() *pipeline.Frame { return pipeline.NewFrame(meta, nil) }, head + `}`},
		{"trailer with JSON", func() *pipeline.Frame {
			return pipeline.NewFrame(with(func(m *pipeline.Meta) { m.FrameID, m.UserData = 9, []byte(`{"a": [1]}`) }), nil)
		}, head + `,"frame_id":9,"user_data":{"a":[1]}}`},
		{"trailer with bytes", func() *pipeline.Frame {
			return pipeline.NewFrame(with(func(m *pipeline.Meta) { m.UserData = []byte{0xff, 1} }), nil)
		}, head + `,"user_data":"/wE="}`},
		{"a message", func() *pipeline.Frame {
			return pipeline.NewFrame(pipeline.Meta{
				Stream: "state", Seq: 1,
				Message: &pipeline.Message{Type: "state", Data: map[string]any{"running": true}},
			}, nil)
		}, `{"stream":"state","seq":1,"pts_ms":0,"emitted_at":"2026-03-04T05:06:07.890123Z","type":"state","data":{"running":true}}`},
		{"annotations in source pixels", func() *pipeline.Frame {
			f := pipeline.NewFrame(meta, nil)
			f.Lend("people")
			pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{Box: pipeline.Box{X: 10, Y: 20, Width: 30, Height: 40}, Label: "person", Score: 0.5}})
			return f
		}, head + `,"annotations":{"people":{"detections":[{"box":{"x":10,"y":20,"width":30,"height":40},"label":"person","score":0.5}]}}}`},
		{"held results", func() *pipeline.Frame {
			old := pipeline.NewFrame(pipeline.Meta{Seq: 40, PTS: meta.PTS - 80*time.Millisecond}, nil)
			old.Lend("light")
			pipeline.Set(old, pipeline.Measurements, map[string]float64{"mean": 0.25})
			f := pipeline.NewFrame(meta, nil)
			f.Hold(old.Results("light"), true)
			return f
		}, head + `,"annotations":{"light":{"measurements":{"mean":0.25},"origin":{"seq":40,"age_ms":80,"fresh":true}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.frame().JSON(emitted)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestJSONShowsSourcePixelsAfterAReshape(t *testing.T) {
	f := newFrame(t, 1)
	f.Replace(paint(f.Image().(*picture).alive, 2), pipeline.Scale(0.5, 0.5))
	f.Lend("ocr")
	pipeline.Set(f, pipeline.Texts, []pipeline.Text{{Text: "A", Box: pipeline.Box{X: 1, Y: 2, Width: 3, Height: 4}, Score: 1}})
	got, err := f.JSON(time.Unix(0, 0))
	want := `{"stream":"cam","seq":7,"pts_ms":0,"emitted_at":"1970-01-01T00:00:00.000000Z",` +
		`"annotations":{"ocr":{"texts":[{"text":"A","box":{"x":2,"y":4,"width":6,"height":8},"score":1}]}}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	release(t, f)
}

func TestLocalJSON(t *testing.T) {
	f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Width: 640, Height: 480}, nil)
	f.Lend("people")
	pipeline.Set(f, pipeline.Detections, []pipeline.Detection{{Box: pipeline.Box{X: 10, Y: 20, Width: 30, Height: 40}}})
	f.Replace(nil, pipeline.Scale(0.5, 0.5))
	got, err := f.LocalJSON(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"stream":"cam","seq":0,"pts_ms":0,"width":640,"height":480,"emitted_at":"2026-03-04T05:06:07.000000Z",` +
		`"annotations":{"people":{"detections":[{"box":{"x":5,"y":10,"width":15,"height":20},"score":0}]}}}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
