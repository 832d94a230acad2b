package ingest

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// ImagesConfig is the source that shows the images of a folder one after the
// other, in the order of their names, numbers in them counted: 9.png comes before
// 10.png. They may differ in size. One that cannot be read is left out, and counted.
type ImagesConfig struct {
	// Images is a folder, or a pattern such as shots/*.png, relative to the
	// pipeline's file. What OpenCV reads: JPEG, PNG, WebP, TIFF, BMP and others.
	Images string `yaml:"images"`
	// FPS is how many are shown in a second.
	FPS float64 `yaml:"fps"`
	// Loop begins again at the end; PTS goes on.
	Loop bool `yaml:"loop"`
	// Realtime shows images when they are due, as a live source that does not
	// wait. Otherwise every image is shown, as fast as the graph takes them.
	Realtime bool `yaml:"realtime"`
	// MaxPixels is the largest image taken, in width × height. A larger one is left
	// out, and counted.
	MaxPixels int `yaml:"max_pixels"`
}

func defaultImages() ImagesConfig { return ImagesConfig{FPS: 25, MaxPixels: defaultPixels} }

// Validate reports every field that is wrong.
func (c *ImagesConfig) Validate() error {
	var errs []error
	if c.Images == "" {
		errs = append(errs, errors.New("images: must be a folder or a pattern such as shots/*.png"))
	}
	if _, err := filepath.Match(c.Images, ""); err != nil {
		errs = append(errs, fmt.Errorf("images: must be a folder or a pattern such as shots/*.png, got %q", c.Images))
	}
	return errors.Join(append(errs, checkFPS(c.FPS), checkPixels(c.MaxPixels))...)
}

// imageSource shows images.
type imageSource struct {
	env    pipeline.Env
	cfg    ImagesConfig
	paths  []string
	pace   pace
	next   int // of paths
	shown  int // in this round
	seq    uint64
	mark   pipeline.Reason
	closed bool

	mu     sync.Mutex // guards counts
	counts pipeline.SourceCounts
}

var (
	_ pipeline.Source         = (*imageSource)(nil)
	_ pipeline.CountingSource = (*imageSource)(nil)
)

// NewImages lists the images. That there are none is ErrInvalid.
func NewImages(env pipeline.Env, cfg ImagesConfig) (pipeline.Source, error) {
	paths, err := listImages(env.ReadPath(cfg.Images))
	if err != nil {
		return nil, pipeline.Invalid(fmt.Errorf("images: %w", err))
	}
	return &imageSource{env: env, cfg: cfg, paths: paths, pace: pace{clock: env.Clock}}, nil
}

func listImages(path string) ([]string, error) {
	var all []string
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		all, err = filepath.Glob(filepath.Join(escaped(path), "*"))
	case err == nil:
		all = []string{path}
	default:
		all, err = filepath.Glob(path)
	}
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p string) bool { return !isImage(p) })
	if len(all) == 0 {
		return nil, fmt.Errorf("there are none in %s", path)
	}
	slices.SortFunc(all, naturally)
	return all, nil
}

// escaped is a path in which no character means something to Glob.
func escaped(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

func isImage(path string) bool {
	extensions := []string{
		".bmp", ".dib", ".jpeg", ".jpg", ".jpe", ".jp2", ".png", ".webp", ".pbm", ".pgm", ".ppm", ".pxm", ".pnm", ".tif", ".tiff", ".exr", ".hdr",
	}
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(path)))
}

// naturally orders names as people do: numbers by their value.
func naturally(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == "" || y == "" {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		if c := byValue(x, y); c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return len(a) - len(b)
}

// digits is the number that a name begins with.
func digits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

func byValue(a, b string) int {
	x, y := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	if c := strings.Compare(x, y); c != 0 {
		return c
	}
	return len(a) - len(b)
}

// Read returns the next image; with realtime, when it is due.
func (s *imageSource) Read(ctx context.Context) (*pipeline.Frame, error) {
	for {
		if s.closed {
			return nil, errClosed
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.next == len(s.paths) && !s.again() {
			return nil, io.EOF
		}
		path := s.paths[s.next]
		s.next++
		img, err := s.load(path)
		if err != nil {
			s.env.Log.Warn("image left out", "path", path, "err", err)
			continue
		}
		f, err := s.frame(ctx, img)
		if err != nil {
			return nil, errors.Join(err, img.Close())
		}
		return f, nil
	}
}

// again begins the next round. Images that cannot be read at all have no end.
func (s *imageSource) again() bool {
	if !s.cfg.Loop || s.shown == 0 {
		return false
	}
	s.next, s.shown, s.mark = 0, 0, pipeline.Loop
	return true
}

var errNoImage = errors.New("it is no image, or cannot be read")

// load reads an image and counts it.
func (s *imageSource) load(path string) (*mat.Image, error) {
	img, err := s.read(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Received++
	if err == nil {
		s.counts.Decoded++
		return img, nil
	}
	reason := "undecodable"
	if errors.Is(err, ffmpeg.ErrTooLarge) {
		reason = "over_max_pixels"
	}
	dropped := maps.Clone(s.counts.Dropped) // others may look at the one before
	if dropped == nil {
		dropped = make(map[string]uint64)
	}
	dropped[reason]++
	s.counts.Dropped = dropped
	return nil, err
}

func (s *imageSource) read(path string) (*mat.Image, error) {
	if err := s.fits(announced(path)); err != nil {
		return nil, err
	}
	m := gocv.IMRead(path, gocv.IMReadColor)
	defer m.Close()
	if m.Empty() {
		return nil, errNoImage
	}
	if err := s.fits(m.Cols(), m.Rows()); err != nil {
		return nil, err
	}
	return mat.From(&m)
}

func (s *imageSource) fits(width, height int) error {
	if height > 0 && width > s.cfg.MaxPixels/height {
		return fmt.Errorf("%w: %d×%d, at most %d pixels are taken", ffmpeg.ErrTooLarge, width, height, s.cfg.MaxPixels)
	}
	return nil
}

// announced is the size that a PNG or JPEG file has by its header, before memory is
// given to it. Others are 0×0: OpenCV decodes them, up to 2^30 pixels.
func announced(path string) (width, height int) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for _, header := range []func(io.Reader) (image.Config, error){png.DecodeConfig, jpeg.DecodeConfig} {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return 0, 0
		}
		if c, err := header(f); err == nil {
			return c.Width, c.Height
		}
	}
	return 0, 0
}

func (s *imageSource) frame(ctx context.Context, img *mat.Image) (*pipeline.Frame, error) {
	pts := frameAt(s.seq, s.cfg.FPS)
	if s.cfg.Realtime {
		if err := s.pace.await(ctx, pts); err != nil {
			return nil, err
		}
	}
	format := img.Format()
	f := pipeline.NewFrame(pipeline.Meta{
		Stream: s.env.Name, Seq: s.seq, PTS: pts, Arrival: s.env.Clock.Now(),
		Width: format.Width, Height: format.Height, Keyframe: true, Discontinuity: s.mark,
	}, img)
	s.mark = ""
	s.seq++
	s.shown++
	return f, nil
}

// Live says whether images are shown when they are due.
func (s *imageSource) Live() bool { return s.cfg.Realtime }

// Counts returns what was read.
func (s *imageSource) Counts() pipeline.SourceCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Close ends the source. Nobody may be in Read; later ones fail.
func (s *imageSource) Close() error {
	s.closed = true
	return nil
}
