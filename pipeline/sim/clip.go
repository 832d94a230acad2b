package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// pictures are what a model shows before commands change it.
type pictures interface {
	// next draws the picture at t into m, a BGR Mat of the model's size.
	next(m *mat.Image, t time.Duration) error
	Close() error
}

// clip plays a video file in a loop, at the file's own speed whatever the
// model's rate.
type clip struct {
	file    *ffmpeg.File
	decoder decode.Decoder
	queue   []decode.Picture
	base    time.Duration // of the present round
	end     time.Duration // of the pictures so far: where the next round begins
	drained bool          // the decoder has given all of this round

	last    time.Duration // when a picture was asked for
	skipped time.Duration // in which nobody asked: the clip stood still
}

func openClip(path string) (*clip, error) {
	file, err := ffmpeg.OpenFile(path)
	if err != nil {
		return nil, err
	}
	decoder, err := file.NewDecoder(ffmpeg.Config{})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &clip{file: file, decoder: decoder}, nil
}

// longestGap is how long a clip goes on unseen. After a longer time without
// viewers it goes on where it was: to decode all that nobody saw would keep the
// first of them waiting.
const longestGap = time.Second

// next shows the newest picture that is due at t.
func (c *clip) next(m *mat.Image, t time.Duration) error {
	if gap := t - c.last; gap > longestGap {
		c.skipped += gap
	}
	c.last = t
	t -= c.skipped
	for len(c.queue) < 2 || c.queue[1].Unit.PTS <= t {
		if err := c.advance(); err != nil {
			return err
		}
		for len(c.queue) > 1 && c.queue[1].Unit.PTS <= t {
			if err := c.queue[0].Image.Close(); err != nil {
				return err
			}
			c.queue = append(c.queue[:0], c.queue[1:]...)
		}
	}
	converter, ok := c.queue[0].Image.(pipeline.Converter)
	if !ok {
		return fmt.Errorf("clip: pictures in %s cannot be converted", c.queue[0].Image.Format())
	}
	data, stride := m.Plane(0)
	return converter.ConvertTo(data, stride, m.Format())
}

func (c *clip) advance() error {
	if c.drained {
		return c.again()
	}
	got, err := c.decode()
	for _, p := range got {
		p.Unit.PTS += c.base
		c.end = max(c.end, p.Unit.PTS+time.Duration(float64(time.Second)/c.file.FPS()))
		c.queue = append(c.queue, p)
	}
	if errors.Is(err, decode.ErrNeedKeyframe) {
		return nil
	}
	return err
}

// decode returns the pictures of one more unit, or what the decoder holds at the
// end. A clip that cannot be read any further ends there.
func (c *clip) decode() ([]decode.Picture, error) {
	au, err := c.file.Next()
	if err != nil {
		c.drained = true
		return c.decoder.Flush()
	}
	return c.decoder.Decode(au)
}

func (c *clip) again() error {
	if c.end == c.base {
		return errors.New("clip: there is no picture in it")
	}
	c.base, c.drained = c.end, false
	return c.file.Rewind()
}

// Close closes the file.
func (c *clip) Close() error {
	var errs []error
	for _, p := range c.queue {
		errs = append(errs, p.Image.Close())
	}
	c.queue = nil
	return errors.Join(append(errs, c.decoder.Close(), c.file.Close())...)
}
