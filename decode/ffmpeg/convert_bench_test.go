package ffmpeg

import (
	"testing"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// BenchmarkConvertTo takes a decoded picture of 768×576 to what stages ask for.
// pipeline/plan names these figures, per megapixel.
func BenchmarkConvertTo(b *testing.B) {
	file, err := OpenFile("../../configs/street.mp4")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	decoder, err := file.NewDecoder(Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer decoder.Close()
	picture := firstPicture(b, file, decoder)
	defer picture.Close()
	format := picture.Format()
	dst := make([]byte, 3*format.Width*format.Height)
	for _, to := range []pipeline.Layout{pipeline.BGR24, pipeline.Gray8} {
		b.Run(to.String(), func(b *testing.B) {
			wanted, stride := pipeline.Format{Layout: to, Width: format.Width, Height: format.Height}, format.Width
			if to == pipeline.BGR24 {
				stride *= 3
			} else {
				wanted.Range = pipeline.Full
			}
			for b.Loop() {
				if err := picture.(pipeline.Converter).ConvertTo(unsafe.Pointer(&dst[0]), stride, wanted); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N)/(float64(format.Width*format.Height)/1e6), "ms/megapixel")
		})
	}
}

func firstPicture(b *testing.B, file *File, decoder decode.Decoder) pipeline.Image {
	b.Helper()
	for {
		au, err := file.Next()
		if err != nil {
			b.Fatal(err)
		}
		pictures, err := decoder.Decode(au)
		if err != nil {
			b.Fatal(err)
		}
		if len(pictures) > 0 {
			for _, p := range pictures[1:] {
				p.Image.Close()
			}
			return pictures[0].Image
		}
	}
}
