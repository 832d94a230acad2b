package encode

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/reactorpipe/reactorpipe/decode"
)

// CheckDevice says what is wrong with where pictures are to be encoded, and with
// requiring that.
func CheckDevice(d decode.Device, require bool) error {
	kind, which := d.Split()
	switch {
	case require && d.Software():
		return errors.New("require: must go with a device that is not the cpu")
	case d.Software(), d == decode.Auto, kind == "cuda" && (which != "" || d == "cuda"):
		return nil
	}
	return fmt.Errorf("device: must be auto, cpu, or cuda, as in cuda:1, got %q", string(d))
}

// LogSoftware returns what is to be told when software takes over: that a device
// cannot encode is said once, and that one failed each time.
func LogSoftware(log *slog.Logger, device decode.Device) func(worked bool, why error) {
	var once sync.Once
	return func(worked bool, why error) {
		if worked {
			log.Warn("encoding goes on in software", "reason", why)
			return
		}
		once.Do(func() { log.Info("encoding in software", "device", device, "reason", why) })
	}
}
