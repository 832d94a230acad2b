// Package record is the sink that writes its pictures into a video file. `audio`
// adds the sound that belongs to them: Opus, as it came, with silence where none
// did.
package record

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/sinks/internal/outfile"
)

// Config says what is recorded, and where.
type Config struct {
	// Path of the file, relative to the working directory. Its extension
	// chooses the container: .mp4 or .mkv. Missing folders are made; {{date}}
	// and {{time}} stand for the start of the file.
	Path outfile.Path `yaml:"path"`
	// Exists says what becomes of a file that is there already: rename (the new
	// one gets a number), overwrite it, or fail.
	Exists outfile.Exists `yaml:"exists" oneof:"rename,overwrite,fail"`
	// Codec of the video; vp8 is for .mkv only. copy records the pictures as
	// they come, neither decoded nor encoded: from is then a source, and .mp4
	// takes H.264 and VP9, .mkv VP8, too.
	Codec decode.Codec `yaml:"codec" oneof:"h264,vp9,vp8,copy"`
	// Bitrate that is aimed at; 0 aims at a quality instead.
	Bitrate config.Bitrate `yaml:"bitrate"`
	// FPS is the usual number of pictures a second. Each is recorded when it
	// comes, be they more or less.
	FPS config.Rate `yaml:"fps"`
	// Device is where pictures are encoded: cpu, auto (a graphics card where one
	// encodes the codec, else cpu), cuda, or cuda:1 for the second card. A picture
	// is encoded for a trial; where that fails, and where the card fails later,
	// the cpu takes over, which is logged. Cards encode H.264.
	Device decode.Device `yaml:"device"`
	// Require refuses to begin on the cpu where a device is named.
	Require bool `yaml:"require"`
	// Segment is how long a file may become before the next one begins; 0 is
	// any length. No picture is lost in between.
	Segment config.Duration `yaml:"segment"`
	// SegmentSize is how large a file may become before the next one begins; 0
	// is any size.
	SegmentSize config.Size `yaml:"segment_size"`
	// Keep removes files, the oldest first: those older than age, those beyond
	// the size of all together, and as many as leave the disk that free. It is
	// only ever files that this sink has written, in this run or an earlier
	// one: a hidden list beside them says which.
	Keep outfile.Keep `yaml:"keep"`
}

// Copy stands for the codec that the pictures have already.
const Copy decode.Codec = "copy"

// Encoded says whether pictures are recorded as they come.
func (c *Config) Encoded() bool { return c.Codec == Copy }

// Pixels says whether there are any to be encoded.
func (c *Config) Pixels() pipeline.Pixels {
	if c.Encoded() {
		return pipeline.Pixels{}
	}
	return pipeline.Pixels{Read: pipeline.Native}
}

// full says whether a file of that length and size is followed by another.
func (c *Config) full(length time.Duration, bytes int64) bool {
	return c.Segment > 0 && length >= c.Segment.Std() || c.SegmentSize > 0 && bytes >= int64(c.SegmentSize)
}

// shortest is a segment that is worth a file.
const shortest = time.Second

// Default is H.264 of a good quality.
func Default() Config {
	return Config{Exists: outfile.Rename, Codec: decode.H264, FPS: 30, Device: decode.CPU}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	if err := c.Path.Validate(); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if err := c.Exists.Validate(outfile.Rename, outfile.Overwrite, outfile.Fail); err != nil {
		return fmt.Errorf("exists: %w", err)
	}
	ext := strings.ToLower(filepath.Ext(string(c.Path)))
	codecs, known := containers(ext)
	if !known {
		return fmt.Errorf("path: must end in .mp4 or .mkv, got %q", string(c.Path))
	}
	if !slices.Contains(codecs, c.Codec) {
		return fmt.Errorf("codec: %s takes %s, got %q", ext, list(codecs), string(c.Codec))
	}
	if c.Encoded() && c.Bitrate != 0 {
		return errors.New("bitrate: is that of an encoder, which codec copy does without")
	}
	if c.Bitrate < 0 {
		return errors.New("bitrate: must not be negative")
	}
	if c.FPS <= 0 {
		return fmt.Errorf("fps: must be positive, got %g", float64(c.FPS))
	}
	if 0 < c.Segment && c.Segment.Std() < shortest {
		return fmt.Errorf("segment: must be 0s, or %s at least, got %s", shortest, c.Segment)
	}
	if c.Encoded() && !c.Device.Software() {
		return errors.New("device: is that of an encoder, which codec copy does without")
	}
	return encode.CheckDevice(c.Device, c.Require)
}

// containers returns what goes into files with an extension.
func containers(ext string) (codecs []decode.Codec, known bool) {
	switch ext {
	case ".mp4":
		return []decode.Codec{decode.H264, decode.VP9, Copy}, true
	case ".mkv":
		return []decode.Codec{decode.H264, decode.VP8, decode.VP9, Copy}, true
	}
	return nil, false
}

func list(codecs []decode.Codec) string {
	names := make([]string, len(codecs))
	for i, c := range codecs {
		names[i] = string(c)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Register adds the sink to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterSink(r, pipeline.SinkKind[Config]{
		Name: "record", Audio: true, Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.Native},
		Queue:  pipeline.Queue{Depth: 30, OnFull: pipeline.DropOldest},
	})
}
