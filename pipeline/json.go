package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"time"
)

// timeLayout is RFC 3339 in UTC with microseconds.
const timeLayout = "2006-01-02T15:04:05.000000Z07:00"

// frameJSON is the one JSON form of a frame, the same in files, brokers,
// webhooks and on the web page.
type frameJSON struct {
	Stream      string                    `json:"stream"`
	Seq         uint64                    `json:"seq"`
	PTS         float64                   `json:"pts_ms"`
	Width       int                       `json:"width,omitempty"`
	Height      int                       `json:"height,omitempty"`
	ArrivedAt   string                    `json:"arrived_at,omitempty"`
	EmittedAt   string                    `json:"emitted_at"`
	FrameID     uint64                    `json:"frame_id,omitempty"`
	UserData    json.RawMessage           `json:"user_data,omitempty"`
	Type        string                    `json:"type,omitempty"`
	Data        map[string]any            `json:"data,omitempty"`
	Annotations map[string]map[string]any `json:"annotations,omitempty"`
}

// originJSON tells that a stage's results are older than the frame.
type originJSON struct {
	Seq   uint64  `json:"seq"`
	AgeMS float64 `json:"age_ms"`
	Fresh bool    `json:"fresh"`
}

// JSON returns f in the one JSON form, as one line without its end. Sizes and
// positions are in the pixels of the source picture. emitted is the time now.
func (f *Frame) JSON(emitted time.Time) ([]byte, error) { return f.json(emitted, Identity()) }

// LocalJSON is JSON with positions in the pixels of f, for who is given its
// picture too. The sizes are the source picture's all the same.
func (f *Frame) LocalJSON(emitted time.Time) ([]byte, error) { return f.json(emitted, f.geometry) }

func (f *Frame) json(emitted time.Time, by Affine) ([]byte, error) {
	j := frameJSON{
		Stream: f.Stream, Seq: f.Seq, PTS: milliseconds(f.PTS),
		Width: f.Width, Height: f.Height, EmittedAt: stamp(emitted),
		FrameID: f.FrameID, UserData: userDataJSON(f.UserData), Annotations: f.annotationsJSON(by),
	}
	if !f.Arrival.IsZero() {
		j.ArrivedAt = stamp(f.Arrival)
	}
	if f.Message != nil {
		j.Type, j.Data = f.Message.Type, f.Message.Data
	}
	return json.Marshal(j)
}

func (f *Frame) annotationsJSON(by Affine) map[string]map[string]any {
	if len(f.annotations) == 0 {
		return nil
	}
	stages := make(map[string]map[string]any)
	for _, a := range f.annotations {
		s := stages[a.stage]
		if s == nil {
			s = make(map[string]any)
			stages[a.stage] = s
		}
		s[a.kind.Name()] = a.kind.move(a.value, by)
		if a.held != nil {
			s["origin"] = originJSON{Seq: a.held.Seq, AgeMS: milliseconds(a.held.Age), Fresh: a.held.Fresh}
		}
	}
	return stages
}

// userDataJSON returns JSON as it is and anything else as base64.
func userDataJSON(data []byte) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	if json.Valid(data) {
		return data
	}
	quoted, _ := json.Marshal(base64.StdEncoding.EncodeToString(data)) // a string always marshals
	return quoted
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
