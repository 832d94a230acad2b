package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
)

// pictures is a source whose pictures come when the virtual clock is at their
// time stamps, which count from the begin of the test.
type pictures struct {
	from    pipeline.Source // yields them at any time
	name    string
	live    bool
	play    *play
	outages []outageFile
	after   time.Duration // of the first
	most    int           // 0: all
	delay   time.Duration // parts sources

	read  int // pictures read
	seq   uint64
	shift time.Duration // from the pictures' own time stamps to the test's
	lost  pipeline.Reason
}

var _ pipeline.Source = (*pictures)(nil)

// Read waits for the next picture, and at the end until all that is scripted is
// over.
func (p *pictures) Read(ctx context.Context) (*pipeline.Frame, error) {
	for {
		f, err := p.next(ctx)
		if errors.Is(err, io.EOF) {
			if !wait(ctx, p.play.end-p.play.now()) {
				return nil, ctx.Err()
			}
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		if !wait(ctx, f.PTS+p.delay+time.Duration(p.read)*later-p.play.now()) {
			return nil, errors.Join(ctx.Err(), f.Release())
		}
		if p.away(f) {
			if err := f.Release(); err != nil {
				return nil, err
			}
			continue
		}
		f.Stream, f.Seq, f.Arrival = p.name, p.seq, time.Now()
		p.seq++
		return f, nil
	}
}

// next reads a picture and gives it its time in the test.
func (p *pictures) next(ctx context.Context) (*pipeline.Frame, error) {
	if p.most > 0 && p.read == p.most {
		return nil, io.EOF
	}
	f, err := p.from.Read(ctx)
	if err != nil {
		return nil, err
	}
	if p.read == 0 {
		p.shift = max(p.after, p.play.now().Truncate(time.Millisecond)) - f.PTS
	}
	p.read++
	f.PTS += p.shift
	switch {
	case p.play.limit > 0 && f.PTS > p.play.limit:
		err = io.EOF
	case p.play.limit == 0 && f.PTS > endless:
		err = fmt.Errorf("the pictures do not end within %s: say how long the test lasts (duration)", endless)
	}
	if err != nil {
		return nil, errors.Join(err, f.Release())
	}
	return f, nil
}

// endless is when pictures that nobody bounded have come for too long.
const endless = 10 * time.Minute

// away says that f falls into an outage. The first picture after one says so.
func (p *pictures) away(f *pipeline.Frame) bool {
	for i, o := range p.outages {
		if f.PTS < o.At.Std() {
			continue
		}
		p.lost = pipeline.Reason(o.Reason)
		if p.lost == "" {
			p.lost = pipeline.Reconnect
		}
		if f.PTS < o.At.Std()+o.For.Std() {
			return true
		}
		p.outages = append(p.outages[:i:i], p.outages[i+1:]...)
		break
	}
	if p.lost != "" {
		f.Discontinuity, p.lost = p.lost, ""
	}
	return false
}

// Live says whether the graph may miss pictures.
func (p *pictures) Live() bool { return p.live }

// Close closes what yields the pictures.
func (p *pictures) Close() error { return p.from.Close() }

// plainPictures yields pictures of one colour.
type plainPictures struct {
	picture *plainPicture
	left    int
	period  time.Duration
	pts     time.Duration
}

var _ pipeline.Source = (*plainPictures)(nil)

func newPlainPictures(s picturesFile) *plainPictures {
	fps, width, height, c := s.FPS, s.Width, s.Height, s.Color
	if fps == 0 {
		fps = 25
	}
	if width == 0 {
		width = 320
	}
	if height == 0 {
		height = 240
	}
	if c == "" {
		c = "#808080"
	}
	return &plainPictures{
		picture: newPlainPicture(width, height, c), left: s.Frames,
		period: time.Duration(float64(time.Second) / float64(fps)),
	}
}

func (s *plainPictures) Read(context.Context) (*pipeline.Frame, error) {
	if s.left == 0 {
		return nil, io.EOF
	}
	s.left--
	f := pipeline.NewFrame(pipeline.Meta{
		PTS: s.pts, Width: s.picture.format.Width, Height: s.picture.format.Height, Keyframe: true,
	}, s.picture)
	s.pts += s.period
	return f, nil
}

func (s *plainPictures) Live() bool { return true }

func (s *plainPictures) Close() error { return nil }

// fileKind is the kind of source that plays clips.
const fileKind = "file"

// openClip plays a file by the program's own kind of source for that.
func (t *Test) openClip(env pipeline.Env, name string) (pipeline.Source, error) {
	kind, ok := t.reg.Source(fileKind)
	if !ok {
		return nil, errors.New("this program has no source that plays files")
	}
	path, err := filepath.Abs(t.path(name))
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]string{fileKind: path})
	if err != nil {
		return nil, err
	}
	cfg := kind.NewConfig()
	if err := config.Decode(t.Path, text, cfg, nil); err != nil {
		return nil, err
	}
	return kind.Build(env, cfg)
}
