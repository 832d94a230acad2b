package container

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
)

// flushTime is how much of a file is held in memory, where no keyframe ends a
// part of it before: what is lost when the process is killed.
const flushTime = 500 * time.Millisecond

// ErrNoKeyframe says that a file was not begun with a keyframe.
var ErrNoKeyframe = errors.New("the first packet must be a keyframe")

// Config is what a file declares of its video.
type Config struct {
	Codec         decode.Codec
	Width, Height int
	// FPS is the nominal rate.
	FPS float64
	// Audio says that there is sound, Opus, beside the picture.
	Audio bool
}

// Muxer writes one file. It is used by one goroutine.
type Muxer struct {
	cfg    Config
	format format
	path   string
	ctx    *astiav.FormatContext
	io     *astiav.IOContext
	stream *astiav.Stream
	sound  soundtrack
	pkt    *astiav.Packet

	begun bool
	first time.Duration // PTS of the first packet, the file's zero
	last  time.Duration
	ticks int64 // of the last packet, in the stream's time base
}

// format is a kind of file.
type format struct {
	name    string // FFmpeg's
	codecs  []decode.Codec
	options []string
}

// formatOf returns the kind of file that a path's extension names.
func formatOf(path string) (format, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".mp4", ".m4v":
		return format{
			name:   "mp4",
			codecs: []decode.Codec{decode.H264, decode.VP9},
			options: []string{
				"movflags", "frag_keyframe+empty_moov+default_base_moof",
				"frag_duration", fmt.Sprint(flushTime.Microseconds()),
			},
		}, nil
	case ".mkv":
		return format{
			name:    "matroska",
			codecs:  []decode.Codec{decode.VP8, decode.VP9, decode.H264},
			options: []string{"cluster_time_limit", fmt.Sprint(flushTime.Milliseconds())},
		}, nil
	default:
		return format{}, fmt.Errorf("extension: must be .mp4 or .mkv, got %q", ext)
	}
}

// Create creates the file, or empties the one that is there. It holds nothing
// until the first packet. The extension decides on the container: .mp4 takes
// H.264 and VP9, .mkv VP8, VP9 and H.264.
func Create(path string, cfg Config) (*Muxer, error) {
	m := &Muxer{cfg: cfg, path: path}
	if err := m.create(); err != nil {
		m.free()
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return m, nil
}

func (m *Muxer) create() error {
	f, err := formatOf(m.path)
	if err != nil {
		return err
	}
	m.format = f
	if err := m.check(); err != nil {
		return err
	}
	if m.ctx, err = astiav.AllocOutputFormatContext(nil, f.name, m.path); err != nil {
		return err
	}
	m.pkt = astiav.AllocPacket()
	m.io, err = astiav.OpenIOContext("file:"+m.path, astiav.NewIOContextFlags(astiav.IOContextFlagWrite))
	if err != nil {
		return system(err)
	}
	m.ctx.SetPb(m.io)
	return nil
}

func (m *Muxer) check() error {
	c := m.cfg
	for _, codec := range m.format.codecs {
		if c.Codec != codec {
			continue
		}
		if c.Width <= 0 || c.Height <= 0 || c.FPS <= 0 {
			return fmt.Errorf("width, height, fps: must be positive, got %d, %d, %g", c.Width, c.Height, c.FPS)
		}
		return nil
	}
	return fmt.Errorf("codec: %s takes %s, got %q", m.format.name, list(m.format.codecs), c.Codec)
}

func list(codecs []decode.Codec) string {
	var names []string
	for _, c := range codecs {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// Write appends a packet, the first of which must be a keyframe. PTS must grow;
// the file's own time begins at 0. A full disk is syscall.ENOSPC.
func (m *Muxer) Write(p encode.Packet) error {
	if err := m.write(p); err != nil {
		return fmt.Errorf("write %s: %w", m.path, err)
	}
	return nil
}

func (m *Muxer) write(p encode.Packet) error {
	if m.ctx == nil {
		return errors.New("the file is closed")
	}
	if len(p.Data) == 0 {
		return errors.New("the packet is empty")
	}
	if !m.begun {
		if err := m.begin(p); err != nil {
			return err
		}
	}
	if m.ticks >= 0 && p.PTS <= m.last {
		return fmt.Errorf("pts must grow: got %s after %s", p.PTS, m.last)
	}
	m.last = p.PTS
	m.ticks = max(toTicks(m.stream, p.PTS-m.first), m.ticks+1) // two may fall on one tick
	length := toTicks(m.stream, time.Duration(float64(time.Second)/m.cfg.FPS))
	if err := m.put(m.stream, p.Data, m.ticks, length, p.Keyframe); err != nil {
		return err
	}
	return m.quiet(p.PTS - m.first - soundPatience)
}

// put writes a packet of a stream.
func (m *Muxer) put(stream *astiav.Stream, data []byte, ticks, length int64, keyframe bool) error {
	if err := m.pkt.FromData(data); err != nil {
		return err
	}
	defer m.pkt.Unref()
	m.pkt.SetPts(ticks)
	m.pkt.SetDts(ticks)
	m.pkt.SetDuration(length)
	m.pkt.SetStreamIndex(stream.Index())
	var flags astiav.PacketFlags
	if keyframe {
		flags = flags.Add(astiav.PacketFlagKey)
	}
	m.pkt.SetFlags(flags)
	return system(m.ctx.WriteFrame(m.pkt))
}

func toTicks(s *astiav.Stream, d time.Duration) int64 {
	tb := s.TimeBase()
	return int64(math.Round(d.Seconds() * float64(tb.Den()) / float64(tb.Num())))
}

// begin writes the header, which for H.264 holds the keyframe's parameter sets.
func (m *Muxer) begin(p encode.Packet) error {
	if !p.Keyframe {
		return ErrNoKeyframe
	}
	var sets []byte
	if m.cfg.Codec == decode.H264 {
		if sets = parameterSets(p.Data); sets == nil {
			return errors.New("the first keyframe has no parameter sets")
		}
	}
	if err := m.declare(sets); err != nil {
		return err
	}
	if m.cfg.Audio {
		if err := m.declareSound(); err != nil {
			return err
		}
	}
	options := astiav.NewDictionary()
	defer options.Free()
	for o := append([]string{"flush_packets", "1"}, m.format.options...); len(o) > 0; o = o[2:] {
		if err := options.Set(o[0], o[1], 0); err != nil {
			return err
		}
	}
	if err := m.ctx.WriteHeader(options); err != nil {
		return errors.Join(system(err), m.free())
	}
	m.begun, m.first, m.ticks = true, p.PTS, -1
	return nil
}

func (m *Muxer) declare(parameterSets []byte) error {
	m.stream = m.ctx.NewStream(nil)
	if m.stream == nil {
		return errors.New("out of memory")
	}
	par := m.stream.CodecParameters()
	par.SetMediaType(astiav.MediaTypeVideo)
	par.SetWidth(m.cfg.Width)
	par.SetHeight(m.cfg.Height)
	par.SetPixelFormat(astiav.PixelFormatYuv420P)
	m.stream.SetTimeBase(astiav.NewRational(1, 90_000))
	m.stream.SetAvgFrameRate(astiav.NewRational(int(math.Round(m.cfg.FPS*1000)), 1000))
	switch m.cfg.Codec {
	case decode.VP8:
		par.SetCodecID(astiav.CodecIDVp8)
	case decode.VP9:
		par.SetCodecID(astiav.CodecIDVp9)
	case decode.H264:
		par.SetCodecID(astiav.CodecIDH264)
		return par.SetExtraData(parameterSets)
	}
	return nil
}

// Close finishes the file and closes it.
func (m *Muxer) Close() error {
	if m.ctx == nil {
		return nil
	}
	var err error
	if m.begun {
		if err = m.quiet(m.last - m.first); err == nil {
			err = system(m.ctx.WriteTrailer())
		}
	}
	if freed := m.free(); err == nil { // else it says the same again
		err = freed
	}
	if err != nil {
		return fmt.Errorf("close %s: %w", m.path, err)
	}
	return nil
}

func (m *Muxer) free() error {
	var err error
	if m.io != nil {
		err = system(m.io.Close())
	}
	if m.ctx != nil {
		m.ctx.Free()
	}
	if m.pkt != nil {
		m.pkt.Free()
	}
	m.io, m.ctx, m.pkt = nil, nil, nil
	return err
}

// system turns FFmpeg's error into the operating system's where it is one, so
// that callers can tell a full disk.
func system(err error) error {
	var code astiav.Error
	if errors.As(err, &code) && -4096 < code && code < 0 {
		return syscall.Errno(-code)
	}
	return err
}
