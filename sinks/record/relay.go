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

	file *container.Relay // nil before the first keyframe and while nothing can be written
	path string           // of file
	last time.Duration
}

var _ pipeline.UnitSink = (*Relay)(nil)

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
		r.env.Log.Info("recording again", "path", r.path, "frames_lost", r.outage.end())
	}
	return err
}

func (r *Relay) write(u pipeline.Unit) error {
	due := r.file != nil && r.due(u.PTS)
	if r.file != nil && (!r.file.Continues(u) || due && u.Keyframe) {
		if err := r.finish(); err != nil {
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
	if err := r.file.Write(u); err != nil {
		r.abandon()
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
	file, err := container.NewRelay(path, keyframe)
	if err != nil {
		return &unwritable{errors.Join(err, outfile.Discard(path))}
	}
	r.file, r.path = file, path
	width, height := file.Size()
	r.begun(path, width, height)
	return nil
}

// finish completes the file in hand.
func (r *Relay) finish() error {
	file := r.file
	r.file = nil
	err := file.Close()
	r.kept.End()
	return err
}

// abandon closes a file that could not be written to. What it holds stays; that
// the rest cannot be written either is no news.
func (r *Relay) abandon() {
	_ = r.finish()
	_ = outfile.Discard(r.path)
}

// Close completes the recording.
func (r *Relay) Close() error {
	if r.file != nil {
		return r.finish()
	}
	return r.close()
}
