package doctor

import (
	_ "embed" // the samples
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/encode"
	encoders "github.com/reactorpipe/reactorpipe/encode/ffmpeg"
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

// sampleSize is the width and height of the samples in pixels.
const sampleSize = 64

// codecChecks are a line for each way to decode and to encode, tried with a
// picture: that a codec can be opened proves nothing.
func codecChecks() []func() Result {
	return []func() Result{
		func() Result { return decodes(decode.VP8, vp8Sample) },
		func() Result { return decodes(decode.VP9, vp9Sample) },
		func() Result { return decodes(decode.H264, h264Sample) },
		func() Result { return decodes(decode.H265, h265Sample) },
		func() Result { return decodes(decode.AV1, av1Sample) },
		func() Result { return encodes(decode.VP8) },
		func() Result { return encodes(decode.VP9) },
		func() Result { return encodes(decode.H264) },
	}
}

func decodes(codec decode.Codec, sample []byte) Result {
	name := "decode " + string(codec)
	img, err := decodeSample(codec, sample)
	if err != nil {
		return warn(name, err.Error(), "leave "+string(codec)+" out of the source's codecs, or install an FFmpeg that has it")
	}
	_ = img.Close()
	return ok(name, "software")
}

// decodeSample returns the sample's picture, which the caller closes.
func decodeSample(codec decode.Codec, sample []byte) (pipeline.Image, error) {
	d, err := ffmpeg.NewDecoder(ffmpeg.Config{Codec: codec})
	if err != nil {
		return nil, err
	}
	defer d.Close()
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
	if f := img.Format(); f.Width != sampleSize || f.Height != sampleSize {
		_ = img.Close()
		return nil, fmt.Errorf("a picture of %d×%d came out of one of %d×%d", f.Width, f.Height, sampleSize, sampleSize)
	}
	return img, nil
}

func encodes(codec decode.Codec) Result {
	name := "encode " + string(codec)
	if err := encodeSample(codec); err != nil {
		return warn(name, err.Error(), "publish and record with another codec, or install an FFmpeg that has it")
	}
	return ok(name, "software")
}

// encodeSample encodes what comes out of the first sample.
func encodeSample(codec decode.Codec) error {
	img, err := decodeSample(decode.VP8, vp8Sample)
	if err != nil {
		return err
	}
	defer img.Close()
	e, err := encoders.New(encode.Config{Codec: codec, Width: sampleSize, Height: sampleSize, FPS: 30})
	if err != nil {
		return err
	}
	defer e.Close()
	packets, err := e.Encode(img, time.Second, true)
	if err == nil && (len(packets) == 0 || len(packets[0].Data) == 0) {
		return errors.New("no packet came out")
	}
	return err
}
