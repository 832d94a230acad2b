package container

import (
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// nominalFPS is what a file says of its rate, which a relay does not know. Each
// picture has its own time all the same.
const nominalFPS = 30

// Takes says whether a file with that path may hold a codec.
func Takes(path string, codec decode.Codec) bool {
	f, err := formatOf(path)
	return err == nil && slices.Contains(f.codecs, codec)
}

// Relay writes access units into a file as they came, neither decoded nor
// encoded. It is used by one goroutine.
type Relay struct {
	begun         time.Duration
	bytes         int64
	codec         decode.Codec
	width, height int
	muxer         *Muxer
}

// NewRelay creates the file, or empties the one that is there, for pictures like
// a keyframe, which is not written yet. With audio there is sound beside them.
func NewRelay(path string, keyframe pipeline.Unit, audio bool) (*Relay, error) {
	codec := decode.Codec(keyframe.Codec)
	width, height, err := Size(codec, keyframe.Data)
	if err != nil {
		return nil, err
	}
	muxer, err := Create(path, Config{Codec: codec, Width: width, Height: height, FPS: nominalFPS, Audio: audio})
	if err != nil {
		return nil, err
	}
	return &Relay{begun: keyframe.PTS, codec: codec, width: width, height: height, muxer: muxer}, nil
}

// Begun returns the PTS of the first picture.
func (r *Relay) Begun() time.Duration { return r.begun }

// Size returns the width and height of the pictures.
func (r *Relay) Size() (width, height int) { return r.width, r.height }

// Bytes returns how much was written.
func (r *Relay) Bytes() int64 { return r.bytes }

// Continues says whether u goes into the file: what has another codec, or is a
// keyframe of another size, does not.
func (r *Relay) Continues(u pipeline.Unit) bool {
	if decode.Codec(u.Codec) != r.codec {
		return false
	}
	if !u.Keyframe {
		return true
	}
	width, height, err := Size(r.codec, u.Data)
	return err != nil || width == r.width && height == r.height
}

// Write adds a unit, the first of which must be a keyframe.
func (r *Relay) Write(u pipeline.Unit) error {
	err := r.muxer.Write(encode.Packet{Data: u.Data, PTS: u.PTS, Keyframe: u.Keyframe})
	if err == nil {
		r.bytes += int64(len(u.Data))
	}
	return err
}

// WriteAudio adds a packet of sound: see [Muxer.WriteAudio].
func (r *Relay) WriteAudio(a pipeline.Audio) error {
	err := r.muxer.WriteAudio(a)
	if err == nil {
		r.bytes += int64(len(a.Data))
	}
	return err
}

// Close finishes the file.
func (r *Relay) Close() error { return r.muxer.Close() }
