package app

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// boot starts a systemd of the test's own as process 1: over this machine's
// files, of which it sees a copy on write, in namespaces without anything else.
// $1 is the test's folder.
const boot = `set -eu
dir=$1 base=$1/machine
cd /
mkdir "$base"; mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
root=$base/root
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
for fresh in run tmp sys/fs/cgroup; do mount -t tmpfs tmpfs "$root/$fresh"; done
mkdir "$root/run/lock" "$root/sys/fs/cgroup/systemd" "$root/mnt/test"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
mount --bind "$dir" "$root/mnt/test"
ip link set lo up
rm -f "$root"/etc/systemd/system/*.wants/*
cp "$dir"/*.service "$root/etc/systemd/system/"
cat >"$root/etc/systemd/system/test.target" <<EOF
[Unit]
Requires=dbus.socket script.service
EOF
mount --make-rshared "$root" # as a machine's own is
exec env container=test chroot "$root" /lib/systemd/systemd --system --unit=test.target --log-target=null
`

// scriptUnit runs the script inside, and is the last thing that happens there.
const scriptUnit = `[Unit]
After=dbus.socket
[Service]
Type=oneshot
ExecStart=/bin/bash /mnt/test/script
ExecStopPost=/bin/touch /mnt/test/over
StandardOutput=file:/mnt/test/said
StandardError=file:/mnt/test/wrong
`

// script installs the service as docs/operations.md has it, and sees to its life.
// The program is this test; and the watchdog has less patience.
const script = `set -eu
install -m 755 /mnt/test/program /usr/local/bin/reactorpipe
install -d /etc/reactorpipe/pipelines /etc/systemd/system/reactorpipe.service.d
install -m 600 /mnt/test/key /etc/reactorpipe/api_key
install -m 644 /mnt/test/street.mp4 /mnt/test/p.yaml /etc/reactorpipe/pipelines/
printf '[Service]\nEnvironment=REACTORPIPE_TEST_PROGRAM=1\nWatchdogSec=5\nRestartSec=100ms\nStandardError=append:/mnt/test/log\n' >/etc/systemd/system/reactorpipe.service.d/test.conf
systemctl daemon-reload
show() { systemctl show reactorpipe -P "$1"; }
until_is() { for _ in {1..600}; do [[ $(show "$1") != "$2" ]] || return 0; sleep 0.1; done; echo "$1 is $(show "$1"), not $2"; }

systemctl start reactorpipe
status=$(show StatusText)
echo "started: $(show ActiveState), ${status%%,*}"
echo "user: $(ps -o user= -p "$(show MainPID)" | head -c 5)"
for _ in {1..300}; do [[ ! -s /var/lib/reactorpipe/l.jsonl ]] || break; sleep 0.1; done
grep -q '"stream":"cam"' /var/lib/reactorpipe/l.jsonl && echo "written to /var/lib/reactorpipe"

sed -i 's/radius: 3/radius: 5/' /etc/reactorpipe/pipelines/p.yaml
first=$(show MainPID)
systemctl reload reactorpipe
for _ in {1..600}; do ! grep -q '"msg":"reloaded"' /mnt/test/log || break; sleep 0.1; done
until_is ActiveState active
[[ $(show MainPID) == "$first" ]] && echo "reloaded: $(show ActiveState)"

kill -STOP "$first"
until_is NRestarts 1
until_is ActiveState active
echo "after a watchdog: restarted $(show NRestarts) time"

systemctl stop reactorpipe
echo "stopped: $(show ActiveState), $(show Result), $(show ExecMainStatus)"
tail -c 1 /var/lib/reactorpipe/l.jsonl | od -An -c

sed -i 's/radius/raduis/' /etc/reactorpipe/pipelines/p.yaml
systemctl start reactorpipe 2>/dev/null || echo "a mistake: $(show Result), $(show ExecMainStatus), restarted $(show NRestarts) times"
`

// serviced has a session with the simulator, over real WebRTC in the unit's
// sandbox, and the key as its credential.
const serviced = `
name: p
session: {sim: {clip: street.mp4}}
sources: {cam: {track: main_video}}
stages:
- {name: soft, type: blur, config: {radius: 3}}
- {name: words, type: overlay, config: {caption: "${file:/run/credentials/reactorpipe.service/api_key}"}}
sinks: [{name: lines, type: jsonl, config: {path: l.jsonl}}]
`

// The unit of configs runs under a real systemd: it starts, writes, reloads, is
// restarted by its watchdog, stops, and is left alone after a mistake.
func TestServiceUnderSystemd(t *testing.T) {
	t.Parallel()
	for _, needed := range []string{"/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/bin/unshare"} {
		if _, err := os.Stat(needed); err != nil {
			t.Skipf("there is no %s", needed)
		}
	}
	if out, err := exec.Command("unshare", "-m", "-p", "-n", "-C", "-f", "true").CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %v %s", err, out)
	}
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{
		"program": program, "reactorpipe.service": "../../configs/reactorpipe.service", "street.mp4": "../../configs/street.mp4",
	} {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o755) //nolint:gosec // one of them is a program
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"boot": boot, "script.service": scriptUnit, "script": script, "key": "secret\n", "p.yaml": serviced} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	// A folder of its own in the tree of control groups keeps it from others.
	group := "/sys/fs/cgroup/systemd/" + filepath.Base(filepath.Dir(dir))
	c := exec.CommandContext(ctx, "bash", "-c", `mkdir "$2" && echo $$ >"$2/cgroup.procs" && exec unshare -m -p -n -C -f --kill-child bash "$1/boot" "$1"`, "bash", dir, group)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said screenshot
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		eventually(t, func() bool { // once all in it have died
			_ = exec.Command("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
			_, err := os.Stat(group)
			return err != nil
		}, func() string { return group + " stays" })
	})
	over := func() bool {
		_, err := os.Stat(filepath.Join(dir, "over"))
		return err == nil
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !over() {
		select {
		case <-look.C:
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(dir, "said")) // as far as it came
			wrong, _ := os.ReadFile(filepath.Join(dir, "wrong"))
			t.Fatalf("not over in time: %s\n%s", said, wrong)
		case <-ended:
			t.Skipf("a systemd cannot be had here: %s", said.String())
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(string(text))
	}
	want := strings.TrimSpace(`
started: active, p: running
user: react
written to /var/lib/reactorpipe
reloaded: active
after a watchdog: restarted 1 time
stopped: inactive, success, 0
  \n
a mistake: exit-code, 78, restarted 0 times`)
	if diff := cmp.Diff(want, read("said")); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s\n%s", diff, read("wrong"), read("log"))
	}
}
