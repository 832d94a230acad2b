package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// place is where a process runs: this machine as it is, or a network namespace
// of it.
type place struct{ namespace, addr string }

// here is the machine as it is.
var here = place{addr: "127.0.0.1"}

func (p place) address() string { return p.addr }

func (p place) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if p.namespace == "" {
		return exec.CommandContext(ctx, name, args...)
	}
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", p.namespace, name}, args...)...)
}

// lossy is two namespaces with a wire between them that loses UDP datagrams in
// both directions.
type lossy struct{ server, client place }

// errNoNamespaces says why there is no lossy wire here.
var errNoNamespaces = errors.New("no network namespaces: that takes root, iproute2 and nftables")

// newLossy makes both. The caller closes them.
func newLossy(ctx context.Context) (*lossy, error) {
	id := fmt.Sprintf("rpb%d", os.Getpid())
	l := &lossy{
		server: place{namespace: id + "s", addr: "10.213.77.1"},
		client: place{namespace: id + "c", addr: "10.213.77.2"},
	}
	steps := [][]string{
		{"ip", "netns", "add", l.server.namespace},
		{"ip", "netns", "add", l.client.namespace},
		{"ip", "link", "add", "wire", "netns", l.server.namespace, "type", "veth", "peer", "name", "wire", "netns", l.client.namespace},
	}
	for _, p := range []place{l.server, l.client} {
		steps = append(steps,
			[]string{"ip", "-n", p.namespace, "addr", "add", p.addr + "/24", "dev", "wire"},
			[]string{"ip", "-n", p.namespace, "link", "set", "wire", "up"},
			[]string{"ip", "-n", p.namespace, "link", "set", "lo", "up"},
		)
	}
	for _, step := range steps {
		if out, err := exec.CommandContext(ctx, step[0], step[1:]...).CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("%w (%s: %s)", errNoNamespaces, step[0], out), l.close())
		}
	}
	return l, nil
}

// lose drops a percentage of what comes in at either end, by chance.
func (l *lossy) lose(ctx context.Context, percent int) error {
	rules := fmt.Sprintf(`table inet loss
delete table inet loss
table inet loss {
	chain in {
		type filter hook input priority 0;
		udp dport 1-65535 numgen random mod 100 < %d drop
	}
}
`, percent)
	if percent == 0 {
		rules = "table inet loss\ndelete table inet loss\n"
	}
	for _, p := range []place{l.server, l.client} {
		cmd := p.command(ctx, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w (nft: %s)", errNoNamespaces, out)
		}
	}
	return nil
}

// close removes the namespaces, and the wire with them.
func (l *lossy) close() error {
	var errs []error
	for _, p := range []place{l.server, l.client} {
		if _, err := os.Stat("/run/netns/" + p.namespace); err == nil {
			errs = append(errs, exec.Command("ip", "netns", "del", p.namespace).Run())
		}
	}
	return errors.Join(errs...)
}
