package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Device says where pictures are decoded: cpu, auto, or a kind of hardware such
// as cuda. Which of several stands behind a colon, as in cuda:1 or
// vaapi:/dev/dri/renderD128.
type Device string

const (
	// CPU is decoding in software; so is "".
	CPU Device = "cpu"
	// Auto is the first hardware that can, else software.
	Auto Device = "auto"
)

// DeviceKinds returns the kinds of hardware, in the order in which Auto tries
// them. Which of them work is for the machine to say.
func DeviceKinds() []string {
	return []string{
		"cuda", "vaapi", "qsv", "videotoolbox", "d3d11va", "dxva2", "vdpau", "drm", "mediacodec", "vulkan",
	}
}

// Split returns the kind, and which of several it is; "" for the first.
func (d Device) Split() (kind, which string) {
	kind, which, _ = strings.Cut(string(d), ":")
	return kind, which
}

// Software says that d is no hardware.
func (d Device) Software() bool { return d == "" || d == CPU }

// Check reports a device that does not exist anywhere.
func (d Device) Check() error {
	kind, which := d.Split()
	switch {
	case d.Software(), d == Auto:
		return nil
	case slices.Contains(DeviceKinds(), kind) && (which != "" || !strings.HasSuffix(string(d), ":")):
		return nil
	}
	return fmt.Errorf("must be auto, cpu, or one of %s, as in cuda or cuda:1, got %q", strings.Join(DeviceKinds(), ", "), string(d))
}

// ErrDevice says that hardware failed, which is no fault of the stream.
var ErrDevice = errors.New("the device failed")

// ErrRequired says that a stream cannot be decoded on the device on which it has
// to be.
var ErrRequired = errors.New("the device is required")
