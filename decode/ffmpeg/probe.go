package ffmpeg

import (
	_ "embed" // the samples
	"errors"
	"fmt"
	"slices"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// The samples are one keyframe each of FFmpeg's test picture.
var (
	//go:embed samples/vp8
	vp8Sample []byte
	//go:embed samples/vp9
	vp9Sample []byte
	//go:embed samples/h264
	h264Sample []byte
	//go:embed samples/h265
	h265Sample []byte
	//go:embed samples/av1
	av1Sample []byte
)

// SampleSize is the width and height of the samples in pixels. Less than 144 is
// refused by decoders on graphics cards.
const SampleSize = 256

func sampleOf(codec decode.Codec) []byte {
	switch codec {
	case decode.VP8:
		return vp8Sample
	case decode.VP9:
		return vp9Sample
	case decode.H264:
		return h264Sample
	case decode.H265:
		return h265Sample
	case decode.AV1:
		return av1Sample
	case decode.Opus:
	}
	return nil
}

// Try decodes a picture of SampleSize on exactly that device and returns it,
// for the caller to close. That a decoder can be opened proves nothing.
func Try(device decode.Device, codec decode.Codec) (pipeline.Image, error) {
	id, err := codecID(codec)
	if err != nil {
		return nil, err
	}
	d, err := open(Config{Codec: codec, MaxPixels: maxPixels, id: id}, device)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return decodeSample(d, codec, sampleOf(codec))
}

// decodeSample returns the sample's picture.
func decodeSample(d decode.Decoder, codec decode.Codec, sample []byte) (pipeline.Image, error) {
	pictures, err := d.Decode(&decode.AccessUnit{Codec: codec, Data: sample, Keyframe: true})
	if err != nil {
		return nil, err
	}
	late, err := d.Flush()
	pictures = slices.Concat(pictures, late)
	if len(pictures) == 0 {
		return nil, errors.Join(errors.New("no picture came out"), err)
	}
	for _, p := range pictures[1:] {
		_ = p.Image.Close()
	}
	img := pictures[0].Image
	if f := img.Format(); f.Width != SampleSize || f.Height != SampleSize {
		_ = img.Close()
		return nil, fmt.Errorf("a picture of %d×%d came out of one of %d×%d", f.Width, f.Height, SampleSize, SampleSize)
	}
	return img, nil
}

// probe says whether hardware works. A codec without a sample, of a file, is
// probed by its first picture.
func probe(device decode.Device, codec decode.Codec) error {
	if device.Software() || sampleOf(codec) == nil {
		return nil
	}
	img, err := Try(device, codec)
	if err != nil {
		return err
	}
	return img.Close()
}
