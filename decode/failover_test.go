package decode_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/pipeline"
)

// fakeImage is a picture that knows whether it was closed.
type fakeImage struct{ open *int }

func (fakeImage) Format() pipeline.Format          { return pipeline.Format{} }
func (i fakeImage) Clone() (pipeline.Image, error) { return i, nil }
func (i fakeImage) Close() error {
	*i.open--
	return nil
}

// machine has devices that decode as a test says.
type machine struct {
	absent  map[decode.Device]error // of those that cannot be opened
	trouble func(device decode.Device, unit int) error
	mute    bool // hardware takes units and gives nothing

	said []string
	open int // decoders and images
}

func (m *machine) decoder(t *testing.T, require bool, devices ...decode.Device) (*decode.Failover, error) {
	t.Helper()
	return decode.NewFailover(decode.FailoverConfig{
		Devices: devices, Require: require,
		Open: func(d decode.Device) (decode.Decoder, error) {
			if err := m.absent[d]; err != nil {
				return nil, err
			}
			m.open++
			return &fakeDecoder{machine: m, device: d, waits: true}, nil
		},
		OnSoftware: func(worked bool, why error) { m.said = append(m.said, fmt.Sprintf("%t: %v", worked, why)) },
	})
}

type fakeDecoder struct {
	*machine
	device decode.Device
	waits  bool // for a keyframe
}

func (d *fakeDecoder) Decode(au *decode.AccessUnit) ([]decode.Picture, error) {
	if d.waits && !au.Keyframe {
		return nil, decode.ErrNeedKeyframe
	}
	if err := d.trouble(d.device, int(au.RTPTime)); err != nil {
		d.waits = true
		return nil, err
	}
	d.waits = false
	if d.mute && d.device != decode.CPU {
		return nil, nil
	}
	d.machine.open++
	return []decode.Picture{{Image: fakeImage{&d.machine.open}, Unit: *au}}, nil
}

func (d *fakeDecoder) Flush() ([]decode.Picture, error) {
	return nil, d.trouble(d.device, -1)
}

func (d *fakeDecoder) Close() error {
	d.machine.open--
	return nil
}

// play decodes n units, of which the first and every tenth are keyframes, and
// says what became of them: K and P are pictures, k a keyframe that is needed,
// x another error, - nothing.
func play(t *testing.T, d decode.Decoder, n int) (string, error) {
	t.Helper()
	var out strings.Builder
	var last error
	for i := range n {
		au := decode.AccessUnit{RTPTime: int64(i), Keyframe: i%10 == 0}
		pictures, err := d.Decode(&au)
		for _, p := range pictures {
			p.Image.Close()
		}
		switch {
		case len(pictures) > 0 && au.Keyframe:
			out.WriteByte('K')
		case len(pictures) > 0:
			out.WriteByte('P')
		case errors.Is(err, decode.ErrNeedKeyframe):
			out.WriteByte('k')
		case err != nil:
			out.WriteByte('x')
		default:
			out.WriteByte('-')
		}
		if err != nil {
			last = err
		}
	}
	return out.String(), last
}

var (
	errCard  = fmt.Errorf("%w: the card fell off the bus", decode.ErrDevice)
	errInput = errors.New("invalid data")
)

// from returns the trouble that hardware has from a unit on.
func from(n int, err error) func(decode.Device, int) error {
	return func(d decode.Device, unit int) error {
		if d != decode.CPU && unit >= n {
			return err
		}
		return nil
	}
}

func TestFailover(t *testing.T) {
	fine := from(1000, nil)
	absent := map[decode.Device]error{"cuda": errors.New("not permitted"), "vaapi": errors.New("no such file")}
	tests := []struct {
		name    string
		machine machine
		devices []decode.Device
		want    string
		device  decode.Device
		said    []string
	}{
		{"works", machine{trouble: fine}, []decode.Device{"cuda"}, "KPPPPPPPPPKP", "cuda", nil},
		{"the second works", machine{trouble: fine, absent: map[decode.Device]error{"cuda": errInput}}, []decode.Device{"cuda", "vaapi"}, "KPPPPPPPPPKP", "vaapi", nil},
		{
			"none there",
			machine{trouble: fine, absent: absent},
			[]decode.Device{"cuda", "vaapi"},
			"KPPPPPPPPPKP", decode.CPU,
			[]string{"false: cuda: not permitted; vaapi: no such file"},
		},
		{"none known", machine{trouble: fine}, nil, "KPPPPPPPPPKP", decode.CPU, []string{"false: no device can decode this"}},
		{
			"does not take the stream",
			machine{trouble: from(0, errInput)},
			[]decode.Device{"cuda"},
			"KPPPPPPPPPKP", decode.CPU,
			[]string{"false: cuda: invalid data"},
		},
		{
			"fails between keyframes",
			machine{trouble: from(3, errCard)},
			[]decode.Device{"cuda"},
			"KPPkkkkkkkKP", decode.CPU,
			[]string{"true: cuda: the device failed: the card fell off the bus"},
		},
		{
			"fails on a keyframe",
			machine{trouble: from(10, errCard)},
			[]decode.Device{"cuda"},
			"KPPPPPPPPPKP", decode.CPU,
			[]string{"true: cuda: the device failed: the card fell off the bus"},
		},
		{
			"a unit is damaged",
			machine{trouble: func(_ decode.Device, unit int) error {
				if unit == 3 {
					return fmt.Errorf("%w: %w", decode.ErrNeedKeyframe, errInput)
				}
				return nil
			}},
			[]decode.Device{"cuda"},
			"KPPkkkkkkkKP", "cuda", nil,
		},
		{
			"a keyframe is damaged",
			machine{trouble: func(_ decode.Device, unit int) error {
				if unit == 10 {
					return errInput
				}
				return nil
			}},
			[]decode.Device{"cuda"},
			"KPPPPPPPPPxk", "cuda", nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &tt.machine
			d, err := m.decoder(t, false, tt.devices...)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := play(t, d, 12); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if d.Device() != tt.device {
				t.Errorf("got device %s, want %s", d.Device(), tt.device)
			}
			if diff := cmp.Diff(m.said, tt.said); diff != "" {
				t.Error(diff)
			}
			if err := d.Close(); err != nil || m.open != 0 {
				t.Errorf("%d decoders and images are left, %v", m.open, err)
			}
		})
	}
}

// A device that takes everything and gives nothing has failed.
func TestFailoverSilence(t *testing.T) {
	m := &machine{trouble: from(1000, nil), mute: true}
	d, err := m.decoder(t, false, "cuda")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const longest = 33
	got, _ := play(t, d, 45)
	want := strings.Repeat("-", longest-1) + "kkkkkkkkKPPPP"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if diff := cmp.Diff(m.said, []string{"false: cuda: the device failed: no picture for 33 units"}); diff != "" {
		t.Error(diff)
	}
}

func TestFailoverRequired(t *testing.T) {
	tests := []struct {
		name    string
		machine machine
		refused string // at once
		want    string
		err     string
	}{
		{"works", machine{trouble: from(1000, nil)}, "", "KPPPPPPPPPKP", ""},
		{"not there", machine{absent: map[decode.Device]error{"cuda": errors.New("not permitted")}}, "the device is required: cuda: not permitted", "", ""},
		{"does not take the stream", machine{trouble: from(0, errInput)}, "", "xxxxxxxxxxxx", "the device is required: cuda: invalid data"},
		{"fails later", machine{trouble: from(3, errCard)}, "", "KPPkkkkkkkKP", decode.ErrNeedKeyframe.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &tt.machine
			d, err := m.decoder(t, true, "cuda")
			if message(err) != tt.refused {
				t.Fatalf("got %q, want %q", message(err), tt.refused)
			}
			if err != nil {
				if !errors.Is(err, decode.ErrRequired) {
					t.Errorf("got %v", err)
				}
				return
			}
			got, err := play(t, d, 12)
			if got != tt.want || message(err) != tt.err {
				t.Errorf("got %s and %q, want %s and %q", got, message(err), tt.want, tt.err)
			}
			if err := d.Close(); err != nil || m.open != 0 {
				t.Errorf("%d decoders and images are left, %v", m.open, err)
			}
		})
	}
}

// A device may fail with what it holds at the end.
func TestFailoverFlush(t *testing.T) {
	m := &machine{trouble: func(d decode.Device, unit int) error {
		if d != decode.CPU && unit < 0 {
			return errCard
		}
		return nil
	}}
	d, err := m.decoder(t, false, "cuda")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, _ := play(t, d, 2); got != "KP" {
		t.Errorf("got %s", got)
	}
	if _, err := d.Flush(); !errors.Is(err, decode.ErrNeedKeyframe) || d.Device() != decode.CPU {
		t.Errorf("got %v on %s", err, d.Device())
	}
	if _, err := d.Flush(); err != nil {
		t.Errorf("in software: got %v", err)
	}
}
