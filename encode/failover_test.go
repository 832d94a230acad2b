package encode_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/encode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// pretended is an encoder on a device that fails at a picture, or returns
// nothing from there on.
type pretended struct {
	device  decode.Device
	fails   int   // at that picture; -1 never
	with    error // nil: silence
	n       int
	bitrate int
	closed  int
}

func (p *pretended) Encode(_ pipeline.Image, pts time.Duration, keyframe bool) ([]encode.Packet, error) {
	n := p.n
	p.n++
	if p.fails >= 0 && n >= p.fails {
		return nil, p.with
	}
	return []encode.Packet{{Data: []byte(p.device), PTS: pts, Keyframe: keyframe || n == 0}}, nil
}

func (p *pretended) SetBitrate(bps int) error        { p.bitrate = bps; return nil }
func (p *pretended) Flush() ([]encode.Packet, error) { return nil, nil }
func (p *pretended) Close() error                    { p.closed++; return nil }

func TestFailover(t *testing.T) {
	broken := fmt.Errorf("%w: it is hot", encode.ErrDevice)
	tests := []struct {
		name    string
		open    map[decode.Device]error // devices that cannot be opened
		fails   int                     // of the first device
		with    error
		require bool
		want    []string // where each of 4 pictures was encoded, * for keyframes
		told    []string
		err     string
	}{
		{name: "works", fails: -1, want: []string{"cuda*", "cuda", "cuda", "cuda"}},
		{
			name: "cannot", fails: -1, open: map[decode.Device]error{"cuda": errors.New("no driver")},
			want: []string{"cpu*", "cpu", "cpu", "cpu"}, told: []string{"false cuda: no driver"},
		},
		{
			name: "cannot and must", fails: -1, require: true, open: map[decode.Device]error{"cuda": errors.New("no driver")},
			err: "the device is required: cuda: no driver",
		},
		{
			name: "fails on the way", fails: 2, with: broken, require: true,
			want: []string{"cuda*", "cuda", "cpu*", "cpu"}, told: []string{"true cuda: the device failed: it is hot"},
		},
		{name: "a picture's own fault", fails: 2, with: errors.New("bad picture"), want: []string{"cuda*", "cuda", "bad picture", "bad picture"}},
		{name: "nothing works", open: map[decode.Device]error{"cuda": errors.New("no driver"), "cpu": errors.New("no x264")}, err: "cuda: no driver\nno x264"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var told []string
			var opened []*pretended
			f, err := encode.NewFailover(encode.FailoverConfig{
				Devices: []decode.Device{"cuda"}, Require: tt.require,
				OnSoftware: func(worked bool, why error) { told = append(told, fmt.Sprint(worked, " ", why)) },
				Open: func(d decode.Device) (encode.Encoder, error) {
					if err := tt.open[d]; err != nil {
						return nil, err
					}
					p := &pretended{device: d, fails: -1}
					if d != decode.CPU {
						p.fails, p.with = tt.fails, tt.with
					}
					opened = append(opened, p)
					return p, nil
				},
			})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := f.SetBitrate(77); err != nil {
				t.Fatal(err)
			}
			var got []string
			for n := range 4 {
				packets, err := f.Encode(nil, time.Duration(n), false)
				switch {
				case err != nil:
					got = append(got, err.Error())
				case packets[0].Keyframe:
					got = append(got, string(packets[0].Data)+"*")
				default:
					got = append(got, string(packets[0].Data))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.told, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			for _, p := range opened {
				if p.closed != 1 || p.bitrate != 77 {
					t.Errorf("%s: closed %d times, bitrate %d", p.device, p.closed, p.bitrate)
				}
			}
		})
	}
}

// A device that takes pictures and gives nothing is not waited for for ever.
func TestSilentDevice(t *testing.T) {
	f, err := encode.NewFailover(encode.FailoverConfig{
		Devices: []decode.Device{"cuda"},
		Open: func(d decode.Device) (encode.Encoder, error) {
			p := &pretended{device: d, fails: -1}
			if d != decode.CPU {
				p.fails = 1
			}
			return p, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := range 40 {
		packets, err := f.Encode(nil, time.Duration(n), false)
		if err != nil {
			t.Fatal(err)
		}
		if n == 39 && (len(packets) != 1 || f.Device() != decode.CPU) {
			t.Errorf("%d packets on %s", len(packets), f.Device())
		}
	}
}
