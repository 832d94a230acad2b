package sessiontest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Frames last as long as they say, over the end and on; a wish for a keyframe
// goes on at the next one.
func TestPlayhead(t *testing.T) {
	const ms = time.Millisecond
	clip := &Clip{
		Codec: "vp8", Frames: [][]byte{{0}, {1}, {2}, {3}}, Keyframes: []int{0, 2},
		Lengths: []time.Duration{10 * ms, 20 * ms, 30 * ms, 40 * ms},
	}
	type played struct {
		Frame    byte
		PTS      time.Duration
		Keyframe bool
	}
	started := time.Unix(100, 0)
	h := playhead{clip: clip, due: started}
	take := func(late time.Duration) played {
		s := h.take(h.due.Add(late), started)
		return played{s.Data[0], s.PTS, s.Keyframe}
	}
	got := []played{take(0), take(5 * ms), take(0), take(0), take(0)}
	h.seek = true
	got = append(got, take(0), take(time.Second), take(0))
	h.seek = true // past the last one
	got = append(got, take(0))
	want := []played{
		{0, 0, true},
		{1, 10 * ms, false},
		{2, 30 * ms, true},
		{3, 60 * ms, false},
		{0, 100 * ms, true},
		{2, 110 * ms, true},   // in place of 1
		{3, 1140 * ms, false}, // nobody catches up on a second
		{0, 1180 * ms, true},  // its end
		{2, 1190 * ms, true},  // the next one again
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClipRefused(t *testing.T) {
	frames := [][]byte{{0}, {1}}
	tests := []struct {
		name string
		clip Clip
		want string
	}{
		{"empty", Clip{Codec: "vp8", FPS: 30}, "tracks[0]: loop[0]: frames: there are none"},
		{"no rate", Clip{Codec: "vp8", Frames: frames}, "tracks[0]: loop[0]: fps: must be positive, got 0"},
		{"lengths", Clip{Codec: "vp8", Frames: frames, Lengths: []time.Duration{1}}, "tracks[0]: loop[0]: lengths: must be as many as frames, 2, got 1"},
		{"no length", Clip{Codec: "vp8", Frames: frames, Lengths: []time.Duration{1, 0}}, "tracks[0]: loop[0]: lengths: must be positive, got 0s"},
		{"keyframes", Clip{Codec: "vp8", FPS: 30, Frames: frames, Keyframes: []int{0, 2}}, "tracks[0]: loop[0]: keyframes: must be from 0 to 1, got [0 2]"},
		{"codec", Clip{Codec: "theora", FPS: 30, Frames: frames}, `tracks[0]: codecs: "theora" is not a codec for video`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Serve(t.Context(), Config{Model: Model{Tracks: []Track{{Name: "v", Loop: []*Clip{&tt.clip}}}}})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	effect := Model{Commands: []Command{{Name: "c", Effect: []*Clip{{}}}}}
	if _, err := Serve(t.Context(), Config{Model: effect}); err == nil || err.Error() != `command "c": effect[0]: frames: there are none` {
		t.Errorf("an effect: %v", err)
	}
}
