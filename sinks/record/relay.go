package record

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// Relay records pictures as they came, without decoding or encoding them. A file
// begins with a keyframe, which the sender is asked for.
type Relay struct {
	files
	outage outage

	file *relayed // nil before the first keyframe and while nothing can be written
	last time.Duration
}

// relayed is a file of pictures as they came.
type relayed struct {
	*container.Relay
	name string
}

func (r *relayed) path() string { return r.name }

var (
	_ pipeline.UnitSink  = (*Relay)(nil)
	_ pipeline.AudioSink = (*Relay)(nil)
)

// Write does nothing: it is the access units that are recorded.
func (r *Relay) Write(context.Context, *pipeline.Frame) error { return nil }

// WriteUnit records u. That nothing can be written is an error once; the
// pictures that are lost meanwhile are counted.
func (r *Relay) WriteUnit(_ context.Context, u pipeline.Unit) error {
	now := r.env.Clock.Now()
	r.kept.Tidy()
	if r.outage.on && r.outage.waits(now, r.folder()) {
		return nil
	}
	err := r.write(u)
	if _, ok := errors.AsType[*unwritable](err); ok {
		return r.outage.begin(now, err)
	}
	if r.outage.on && r.file == nil {
		r.outage.miss()
	}
	if r.outage.on && r.file != nil && u.PTS-r.file.Begun() >= proven {
		r.env.Log.Info("recording again", "path", r.file.name, "frames_lost", r.outage.end())
	}
	return err
}

func (r *Relay) write(u pipeline.Unit) error {
	due := r.file != nil && r.due(u.PTS)
	if r.file != nil && (!r.file.Continues(u) || due && u.Keyframe) {
		file := r.file
		r.file = nil
		if err := r.finish(file, u.PTS); err != nil {
			return &unwritable{err}
		}
	}
	if r.file == nil {
		if !u.Keyframe {
			return pipeline.ErrNeedKeyframe
		}
		if err := r.begin(u); err != nil {
			return err
		}
	} else if u.PTS <= r.last {
		return nil // one picture an instant
	}
	err := r.hear(r.file, u.PTS)
	if err == nil {
		err = r.file.Write(u)
	}
	if err != nil {
		r.abandon(r.file)
		r.file = nil
		return &unwritable{err}
	}
	r.last = u.PTS
	if due && !u.Keyframe {
		return pipeline.ErrNeedKeyframe // for the next file to begin with
	}
	return nil
}

// due says whether the next file is to begin.
func (r *Relay) due(pts time.Duration) bool {
	return r.cfg.full(pts-r.file.Begun(), r.file.Bytes())
}

func (r *Relay) begin(keyframe pipeline.Unit) error {
	codec := decode.Codec(keyframe.Codec)
	if !container.Takes(string(r.cfg.Path), codec) {
		return fmt.Errorf("path: a file such as %s holds no %s; .mkv does: %w", r.cfg.Path, codec, pipeline.ErrFatal)
	}
	path, err := r.next()
	if err != nil {
		return err
	}
	if _, _, err := container.Size(codec, keyframe.Data); err != nil {
		return err // this keyframe's own
	}
	file, err := container.NewRelay(path, keyframe, r.env.Audio)
	if err != nil {
		return &unwritable{errors.Join(err, outfile.Discard(path))}
	}
	r.file = &relayed{file, path}
	width, height := file.Size()
	r.begun(path, width, height)
	return nil
}

// Close completes the recording.
func (r *Relay) Close() error {
	if r.file == nil {
		return r.close(nil)
	}
	file := r.file
	r.file = nil
	return r.close(file)
}
