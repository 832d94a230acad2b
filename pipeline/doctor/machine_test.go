package doctor

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/decode"
	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
)

// machine is what Machine finds, by name.
func machine(t *testing.T, s Surroundings) map[string]Result {
	t.Helper()
	found := map[string]Result{}
	for r := range Machine(t.Context(), s) {
		found[r.Name] = r
	}
	return found
}

func nothing(string) (string, bool) { return "", false }

// FFmpeg as Debian builds it can do all of this.
func TestMachineCodecs(t *testing.T) {
	found := machine(t, Surroundings{Env: nothing, Admin: "127.0.0.1:0"})
	for _, name := range []string{
		"decode vp8", "decode vp9", "decode h264", "decode h265", "decode av1",
		"encode vp8", "encode vp9", "encode h264",
	} {
		if diff := cmp.Diff(found[name], ok(name, "software")); diff != "" {
			t.Error(diff)
		}
	}
	for _, name := range []string{"cpus", "ffmpeg", "opencv", "receive buffer", "file descriptors", "clock", "admin port", "environment"} {
		if r := found[name]; r.Detail == "" || r.Status == Fail {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A decoder is judged by a picture.
func TestDecodesIsTried(t *testing.T) {
	broken := func(device decode.Device, _ decode.Codec) error { return errors.New("no picture came out") }
	want := warn("decode h264", "no picture came out", "leave h264 out of the source's codecs, or install an FFmpeg that has it")
	if diff := cmp.Diff(decodes(decode.H264, broken), want); diff != "" {
		t.Error(diff)
	}
	if err := try(decode.CPU, decode.Opus); err == nil {
		t.Error("a picture came of audio")
	}
}

// Hardware that is not there is said with the reason, once for all codecs that
// it keeps from being decoded.
func TestDevices(t *testing.T) {
	card := func(device decode.Device, codec decode.Codec) error {
		switch {
		case device != "cuda":
			return errors.New("cannot be opened: Operation not permitted")
		case codec == decode.AV1:
			return errors.New("the device does not take this stream")
		}
		return nil
	}
	tests := []struct {
		device decode.Device
		want   string
	}{
		{"cuda", "decodes vp8, vp9, h264, h265; not av1 (the device does not take this stream)"},
		{"vaapi", "not vp8, vp9, h264, h265, av1 (cannot be opened: Operation not permitted)"},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(decodesOn(tt.device, card), ok("device "+string(tt.device), tt.want)); diff != "" {
			t.Error(diff)
		}
	}
	found := machine(t, Surroundings{Env: nothing, Admin: "127.0.0.1:0"})
	for _, device := range ffmpeg.Devices() {
		if r := found["device "+string(device)]; r.Status != OK || r.Detail == "" {
			t.Errorf("%s: got %+v", device, r)
		}
	}
}

func TestMachineTellsNoSecret(t *testing.T) {
	found := machine(t, Surroundings{Admin: "127.0.0.1:0", Env: func(name string) (string, bool) {
		return "rk_secret", name == "REACTOR_API_KEY"
	}})
	want := "REACTOR_API_KEY set, REACTOR_JWT not set, REACTOR_MODEL not set, REACTOR_API_URL not set, REACTOR_LOCAL not set"
	if got := found["environment"].Detail; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAdminPort(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	want := warn("admin port", addr+" is taken", "run with another --admin, or --admin off; maybe reactorpipe runs already")
	if diff := cmp.Diff(adminPort(t.Context(), addr), want); diff != "" {
		t.Error(diff)
	}
	l.Close()
	if diff := cmp.Diff(adminPort(t.Context(), addr), ok("admin port", addr+" is free")); diff != "" {
		t.Error(diff)
	}
}

// What a machine may lack is said with what to do about it.
func TestLimits(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	behind, off := skew(now.Add(time.Hour), now)
	if !off {
		t.Error("an hour is nothing")
	}
	ahead, _ := skew(now.Add(-time.Minute), now)
	if r, off := skew(now.Add(time.Second), now); off {
		t.Errorf("a second is something: %+v", r)
	}
	tests := []struct {
		got  Result
		want string
	}{
		{bufferResult(4<<20, 212992, nil), "warn receive buffer: 208 KiB of the 4096 KiB asked for: a burst of keyframes loses packets → sysctl -w net.core.rmem_max=4194304, and a line in /etc/sysctl.d"},
		{bufferResult(4<<20, 4<<20, nil), "ok receive buffer: 4096 KiB → "},
		{bufferResult(4<<20, 0, errors.New("no sockets")), "warn receive buffer: no sockets → "},
		{descriptorResult(256, nil), "warn file descriptors: 256 → ulimit -n 1024, or LimitNOFILE= of the service"},
		{descriptorResult(4096, nil), "ok file descriptors: 4096 → "},
		{clockResult(true), "ok clock: kept right by the system → "},
		{clockResult(false), "warn clock: nobody keeps it right, as far as the kernel knows → run chrony or systemd-timesyncd, here or on the host"},
		{behind, "warn clock: 1h0m0s behind the server's → set it: tokens seem to end at other times than they do"},
		{ahead, "warn clock: 1m0s ahead of the server's → set it: tokens seem to end at other times than they do"},
	}
	for _, tt := range tests {
		got := string(tt.got.Status) + " " + tt.got.Name + ": " + tt.got.Detail + " → " + tt.got.Advice
		if got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Who has seen enough is not told more.
func TestMachineStops(t *testing.T) {
	var names []string
	for r := range Machine(context.Background(), Surroundings{Env: nothing, Admin: "127.0.0.1:0"}) {
		names = append(names, r.Name)
		if len(names) == 2 {
			break
		}
	}
	if got := strings.Join(names, " "); got != "cpus ffmpeg" {
		t.Errorf("got %s", got)
	}
}
