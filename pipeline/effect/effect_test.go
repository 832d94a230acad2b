package effect_test

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/effect"
)

// The pictures have as many pixels as a thumbnail has cells, so that minutes of
// them are drawn in a moment.
const (
	width, height = 32, 18
	interval      = time.Second / 30
	within        = 2 * time.Second
)

// canvas is a picture of luma alone.
type canvas [width * height]byte

func (c *canvas) Format() pipeline.Format {
	return pipeline.Format{Layout: pipeline.Gray8, Width: width, Height: height}
}

func (c *canvas) Clone() (pipeline.Image, error) { copied := *c; return &copied, nil }

func (c *canvas) Close() error { return nil }

func (c *canvas) Plane(int) (unsafe.Pointer, int) { return unsafe.Pointer(&c[0]), width }

// picture is the luma of each pixel before it is rounded.
type picture [width * height]float64

// scene draws what a model shows by itself: its nth picture.
type scene func(n int, p *picture, noise *noise)

// noise is what an encoder makes of a picture that stands still, averaged over a
// cell. Drawing it anew for each picture would take longer than all else.
type noise struct {
	table [1 << 14]float64
	at    int
}

func newNoise(r *rand.Rand) *noise {
	n := new(noise)
	for i := range n.table {
		n.table[i] = r.NormFloat64()
	}
	return n
}

func (n *noise) next() float64 {
	n.at += 7
	return n.table[n.at%len(n.table)]
}

func gradient(i int) float64 { return 70 + 2*float64(i%width) + 3*float64(i/width) }

var scenes = map[string]scene{
	"standing still": func(_ int, p *picture, noise *noise) {
		for i := range p {
			p[i] = gradient(i) + 0.4*noise.next()
		}
	},
	// Ten pictures a second, each shown three times, with people walking.
	"a street": func(n int, p *picture, noise *noise) {
		for i := range p {
			p[i] = gradient(i) + 0.3*noise.next()
		}
		for walker := range 6 {
			left := math.Mod(0.04*float64((walker+2)*(n/3))+7*float64(walker), width)
			for x := int(left); x < min(int(left)+3, width); x++ {
				covered := min(max(0, min(left+1.5, float64(x+1))-max(left, float64(x))), 1)
				for y := 4 + walker; y < 7+walker; y++ {
					p[y*width+x] += covered * (40 - p[y*width+x])
				}
			}
		}
	},
	// A camera that pans over a texture; each sixtieth picture is a keyframe, and
	// as sharp as the others are not.
	"a camera that pans": func(n int, p *picture, noise *noise) {
		contrast := 30.0
		if n%60 == 0 {
			contrast *= 1.2
		}
		var across, down [width]float64
		for i := range across {
			across[i], down[i] = math.Sin(float64(i)/2+float64(n)/9), math.Cos(float64(i)/3)
		}
		for i := range p {
			p[i] = 110 + contrast*across[i%width]*down[i/width] + 0.8*noise.next()
		}
	},
	// Light that is unsteady, and now and then a flash of one picture.
	"light that flickers": func(n int, p *picture, noise *noise) {
		light := 2*math.Sin(float64(n)*1.3) + 8*math.Sin(float64(n)/200)
		if n%211 == 17 {
			light += 50
		}
		for i := range p {
			p[i] = gradient(i) + light + 0.5*noise.next()
		}
	},
	// All of it moves, now more and now less.
	"water": func(n int, p *picture, noise *noise) {
		strength := 6 + 5*math.Sin(float64(n)/70)
		for i := range p {
			p[i] = gradient(i) + strength*noise.next()
		}
	},
}

// changes are what commands do to the picture.
var changes = []func(p *picture){
	func(p *picture) { each(p, 0, 0, func(luma float64) float64 { return 0.75 * luma }) },
	func(p *picture) { each(p, 0, 0, func(luma float64) float64 { return 0.7*luma + 0.3*160 }) },
	func(p *picture) { each(p, 24, -13, func(float64) float64 { return 200 }) }, // an inset
	func(p *picture) { each(p, 0, 16, func(float64) float64 { return 10 }) },    // a caption
}

// each changes the pixels from a column and a row on, or up to a row.
func each(p *picture, column, row int, change func(luma float64) float64) {
	for i := range p {
		below := i/width >= row
		if row < 0 {
			below = i/width < height+row
		}
		if i%width >= column && below {
			p[i] = change(p[i])
		}
	}
}

// outcome of commands that were sent one after the other.
type outcome struct {
	sent, seen, right, unknown int
}

// act is what commands do, one after the other, each at once or over so many
// frames; every second command undoes what the one before has done.
type act struct {
	changes []func(p *picture) // nil: they do nothing
	frames  int
}

// on changes a picture, by a part of the nth effect.
func (a act) on(p *picture, nth int, part float64) {
	if nth == 0 {
		return
	}
	if nth%2 == 0 {
		part = 1 - part // undone
	}
	changed := *p
	a.changes[(nth-1)/2%len(a.changes)](&changed)
	for i := range p {
		p[i] += part * (changed[i] - p[i])
	}
}

// performance is a model in front of a scene that is sent commands. Each takes up
// to 1.2 s to show, if it does anything.
type performance struct {
	show    scene
	act     act
	random  *rand.Rand
	noise   *noise
	watch   *effect.Watch
	outcome outcome

	due     time.Duration // of the next effect
	changed int           // effects so far
	first   uint64        // the frame of the last command's effect; 0 before it
}

func perform(seed uint64, show scene, act act, commands int) outcome {
	const period = 2500 * time.Millisecond
	r := rand.New(rand.NewPCG(seed, 1))
	p := &performance{show: show, act: act, random: r, noise: newNoise(r), watch: effect.New(within), due: math.MaxInt64}
	next := 10 * time.Second
	for n := 0; p.outcome.sent < commands || at(n) < next; n++ {
		if at(n) >= next && p.outcome.sent < commands {
			p.send(at(n) + upTo(r, interval))
			next += period
		}
		p.picture(n)
	}
	p.watch.Close()
	return p.outcome
}

func at(n int) time.Duration { return time.Duration(n) * interval }

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

func start() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

func (p *performance) send(when time.Duration) {
	if p.act.changes != nil {
		p.due = when + 50*time.Millisecond + upTo(p.random, 1150*time.Millisecond)
	}
	p.first = 0
	p.outcome.sent++
	p.watch.Sent("set_x", start().Add(when)).Taken(func(e pipeline.Effect) {
		switch e.Seen {
		case pipeline.EffectSeen:
			p.outcome.seen++
			if d := int64(e.Seq) - int64(p.first); p.first > 0 && -1 <= d && d <= 1 {
				p.outcome.right++
			}
		case pipeline.EffectUnknown:
			p.outcome.unknown++
		}
	})
}

func (p *performance) picture(n int) {
	if at(n) >= p.due {
		p.changed, p.due, p.first = p.changed+1, math.MaxInt64, uint64(n)
	}
	var drawn picture
	p.show(n, &drawn, p.noise)
	part := 1.0
	if p.first > 0 {
		part = min(1, float64(n-int(p.first)+1)/float64(p.act.frames))
	}
	p.act.on(&drawn, p.changed, part)
	var c canvas
	for i, luma := range drawn {
		c[i] = byte(min(max(math.Round(luma), 16), 235))
	}
	arrival := start().Add(at(n) + 8*time.Millisecond + upTo(p.random, 8*time.Millisecond))
	f := pipeline.NewFrame(pipeline.Meta{Stream: "cam", Seq: uint64(n), Arrival: arrival}, &c)
	p.watch.Look(f)
	_ = f.Release()
}

// commands is how many are sent in front of each scene: `go test ./pipeline/effect
// -commands 200` is the long form.
var commands = flag.Int("commands", 20, "commands in front of each scene")

// At least 95 % of the commands are found within one frame of where their effect
// is.
func TestFindsEffects(t *testing.T) {
	for name, show := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := perform(1, show, act{changes, 1}, *commands)
			t.Logf("%+v", o)
			if o.right*100 < 95*o.sent {
				t.Errorf("%d of %d are right, %d were seen, %d unknown; want 95 %%", o.right, o.sent, o.seen, o.unknown)
			}
		})
	}
}

// At most 2 % of the commands that do nothing are taken for ones that do.
func TestFalseAlarms(t *testing.T) {
	for name, show := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := perform(2, show, act{}, *commands)
			t.Logf("%+v", o)
			if o.seen*100 > 2*o.sent || o.unknown > 0 {
				t.Errorf("%d of %d were seen, %d are unknown; want 2 %% at most, none", o.seen, o.sent, o.unknown)
			}
		})
	}
}

// Of changes that come over a few frames, or are small, this much is found, within
// one frame of where it begins.
func TestFindsLittle(t *testing.T) {
	still, all := []string{"standing still"}, []string{"standing still", "a street", "a camera that pans", "light that flickers"}
	spot := func(p *picture) { // a hundredth of the picture
		for i := range 6 {
			p[(5+i/3)*width+20+i%3] = 200
		}
	}
	for _, tt := range []struct {
		name   string
		act    act
		scenes []string
		least  int // per cent
	}{
		{"a tenth of a second, unless all of it moves", act{changes, 3}, all, 70},
		{"half a second, where nothing else happens", act{changes, 15}, still, 95},
		{"a hundredth of the picture, unless all of it moves", act{[]func(*picture){spot}, 1}, all, 90},
	} {
		for _, name := range tt.scenes {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				o := perform(3, scenes[name], tt.act, *commands)
				t.Logf("%+v", o)
				if o.right*100 < tt.least*o.sent {
					t.Errorf("%d of %d are right, %d were seen; want %d %%", o.right, o.sent, o.seen, tt.least)
				}
			})
		}
	}
}
