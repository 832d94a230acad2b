package record

import (
	"errors"
	"time"

	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/encode/container"
	"github.com/reactorpipe/reactorpipe/encode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// keyframeInterval is what a player can seek by, and the most that is lost of
// a file whose writer is killed.
const keyframeInterval = time.Second

// segment is one video file and the encoder in front of it.
type segment struct {
	name          string
	begun         time.Duration // PTS of its first picture
	source        pipeline.Format
	width, height int
	bytes         int64 // of its pictures
	encoder       encode.Encoder
	muxer         *container.Muxer
}

// newSegment begins a file for pictures of one size.
func (s *Sink) newSegment(path string, source pipeline.Format, pts time.Duration) (*segment, error) {
	cfg := s.cfg
	f := &segment{
		name: path, begun: pts, source: source,
		width: encode.EvenDown(source.Width), height: encode.EvenDown(source.Height),
	}
	encoder, err := ffmpeg.New(encode.Config{
		Codec: cfg.Codec, Width: f.width, Height: f.height, FPS: float64(cfg.FPS),
		Bitrate: int(cfg.Bitrate), KeyframeInterval: keyframeInterval,
		Device: cfg.Device, Require: cfg.Require, OnSoftware: s.onSoftware,
	})
	if err != nil {
		return nil, err
	}
	muxer, err := container.Create(path, container.Config{
		Codec: cfg.Codec, Width: f.width, Height: f.height, FPS: float64(cfg.FPS), Audio: s.env.Audio,
	})
	if err != nil {
		return nil, &unwritable{errors.Join(err, encoder.Close())}
	}
	f.encoder, f.muxer = encoder, muxer
	return f, nil
}

func (s *segment) path() string { return s.name }

// WriteAudio writes a packet of sound.
func (s *segment) WriteAudio(a pipeline.Audio) error {
	s.bytes += int64(len(a.Data))
	return s.muxer.WriteAudio(a)
}

// takes says whether pictures of that format go into the file.
func (s *segment) takes(f pipeline.Format) bool {
	return f.Width == s.source.Width && f.Height == s.source.Height
}

func (s *segment) write(img pipeline.Image, pts time.Duration) error {
	packets, err := s.encoder.Encode(img, pts, false) // keyframes come by the encoder's interval
	if err != nil {
		return err
	}
	return s.mux(packets)
}

func (s *segment) mux(packets []encode.Packet) error {
	for _, p := range packets {
		if err := s.muxer.Write(p); err != nil {
			return &unwritable{err}
		}
		s.bytes += int64(len(p.Data))
	}
	return nil
}

// Close writes what the encoder holds and completes the file.
func (s *segment) Close() error {
	packets, err := s.encoder.Flush()
	if err == nil {
		err = s.mux(packets)
	}
	return errors.Join(err, s.encoder.Close(), s.muxer.Close())
}
