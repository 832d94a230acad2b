package app

import (
	"context"
	"errors"
	"io"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	encoder "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// What a model sounds like is recorded with its picture, as it comes or encoded
// anew: here the beat of the simulator.
func TestSoundIsRecorded(t *testing.T) {
	t.Parallel()
	file := write(t, "p.yaml", `
session: {sim: {width: 64, height: 64}}
sources: {cam: {track: main_video, audio: main_audio}}
sinks:
- {name: original, type: record, audio: cam, config: {path: DIR/original.mkv, codec: copy}}
- {name: again, type: record, audio: cam, config: {path: DIR/again.mp4}}
- {name: mute, type: record, config: {path: DIR/mute.mp4}}
`)
	var v invocation
	if code := v.main(t, "run", file, "--frames", "45"); code != exitDone {
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

// The sound of a file goes into a model, as packets of 20 ms, in its time.
func TestSoundIsPublished(t *testing.T) {
	t.Parallel()
	heard := &published{enough: make(chan struct{})}
	srv := serve(t, func(c *sessiontest.Config) {
		c.Model.Tracks = append(c.Model.Tracks, sessiontest.Track{Name: "mic", Kind: sessiontest.Audio, Direction: sessiontest.SendOnly})
		c.Model.Receive = heard.receive
	})
	file := write(t, "p.yaml", strings.ReplaceAll(`
session: {url: "URL", wait: 10s}
sources: {music: {file: beep.mkv, realtime: true, loop: true, audio: true}}
sinks:
- {name: voice, type: publish, audio: music, config: {audio_track: mic}}
`, "URL", srv.URL()))
	beep(t, filepath.Join(filepath.Dir(file), "beep.mkv"))
	var v invocation
	stop := v.start(t, "run", file)
	select {
	case <-heard.enough:
	case <-time.After(time.Minute):
		t.Error("the model hears nothing")
	}
	if code := stop(); code != exitDone {
		t.Fatalf("exit %d:\n%s", code, v.err.String())
	}
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if len(heard.packets) == 0 {
		t.Fatal("no packet came")
	}
	for i, p := range heard.packets[1:] {
		last := heard.packets[i]
		n, ticks := int16(p.SequenceNumber-last.SequenceNumber), int32(p.Timestamp-last.Timestamp) // back for one that came late
		if ticks != int32(n)*960 {
			t.Fatalf("packet %d: %d ticks after %d packets", i+1, ticks, n)
		}
	}
	d, err := ffmpeg.NewSoundDecoder(decode.Opus)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var loud int16
	for _, p := range heard.packets {
		s, err := d.DecodeSound(&decode.AccessUnit{Codec: decode.Opus, Data: p.Payload})
		if err != nil {
			t.Fatal(err)
		}
		for _, sample := range s.Samples {
			loud = max(loud, sample)
		}
	}
	if loud < 8000 {
		t.Errorf("the loudest sample is %d", loud)
	}
}

// published is what a model is sent on its audio tracks.
type published struct {
	mu      sync.Mutex // guards what follows
	packets []*rtp.Packet

	enough chan struct{} // closed once there is a second
}

func (p *published) receive(_ context.Context, in *sessiontest.Input) {
	for {
		packet, err := in.ReadRTP()
		if err != nil {
			return
		}
		p.mu.Lock()
		if in.Track == "mic" && len(packet.Payload) > 0 {
			p.packets = append(p.packets, packet)
			if len(p.packets) == 50 {
				close(p.enough)
			}
		}
		p.mu.Unlock()
	}
}

// beep makes a video of a second with a tone.
func beep(t *testing.T, path string) {
	t.Helper()
	clip := sessiontest.VP8Clip()
	keyframe := pipeline.Unit{Codec: clip.Codec, Data: clip.Frames[0], Keyframe: true}
	file, err := container.NewRelay(path, keyframe, true)
	if err != nil {
		t.Fatal(err)
	}
	e, err := encoder.NewSoundEncoder(96_000)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	samples := make([]int16, encode.SoundSamples*encode.SoundChannels)
	for i := range samples {
		samples[i] = int16(12_000 * math.Sin(2*math.Pi*1000*float64(i/2)/encode.SoundRate))
	}
	for n := range 30 {
		u := keyframe
		u.Data, u.PTS, u.Keyframe = clip.Frames[n], time.Duration(n)*time.Second/30, n == 0
		if err := file.Write(u); err != nil {
			t.Fatal(err)
		}
	}
	for at := time.Duration(0); at < time.Second; at += encode.SoundLength {
		packet, err := e.EncodeSound(samples)
		if err == nil {
			err = file.WriteAudio(pipeline.Audio{Codec: "opus", Data: packet, PTS: at, Duration: encode.SoundLength})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
