package app

import (
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

// What a model sounds like is recorded with its picture, as it comes or encoded
// anew: here the beat of the simulator.
func TestSoundIsRecorded(t *testing.T) {
	file := write(t, "p.yaml", `
session: {sim: {width: 64, height: 64}}
sources: {cam: {track: main_video, audio: main_audio}}
sinks:
- {name: original, type: record, audio: cam, config: {path: DIR/original.mkv, codec: copy}}
- {name: again, type: record, audio: cam, config: {path: DIR/again.mp4}}
- {name: mute, type: record, config: {path: DIR/mute.mp4}}
`)
	var v invocation
	if code := v.main(t, "run", file, "--frames", "75"); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	dir := filepath.Dir(file)
	for _, name := range []string{"original.mkv", "again.mp4"} {
		if loud := loudest(t, filepath.Join(dir, name)); loud < 4000 {
			t.Errorf("%s: the loudest sample is %d", name, loud)
		}
	}
	if f, err := ffmpeg.OpenSoundFile(filepath.Join(dir, "mute.mp4")); err == nil {
		t.Errorf("who did not ask for sound got some: %v", f.Close())
	}
}

func loudest(t *testing.T, path string) (loud int16) {
	t.Helper()
	f, err := ffmpeg.OpenSoundFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		s, err := f.Next()
		if errors.Is(err, io.EOF) {
			return loud
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range s.Samples {
			loud = max(loud, v)
		}
	}
}
