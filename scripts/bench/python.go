package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pythonFiles are the programs in Python: a model for the published runtime,
// and the published client.
//
//go:embed python
var pythonFiles embed.FS

// errNoPython says that this machine has not what a row compares with.
var errNoPython = errors.New("no Python with reactor-runtime and reactor-sdk: scripts/setup bench")

// python returns the interpreter with the published packages, and lays out the
// programs for it.
func (h *harness) python(ctx context.Context) (string, error) {
	python := os.Getenv("REACTORPIPE_INTEROP") // as scripts/interop/run gives it to tests
	if python == "" {
		out, err := exec.CommandContext(ctx, "scripts/interop/venv").Output()
		if err != nil {
			return "", errNoPython
		}
		python = strings.TrimSpace(string(out))
	}
	return python, h.layOut()
}

func (h *harness) layOut() error {
	return fs.WalkDir(pythonFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(h.dir, path), 0o755)
		}
		content, err := pythonFiles.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(h.dir, path), content, 0o600)
	})
}

func (h *harness) clipOfStreet() string { return filepath.Join(h.root, "configs", "street.mp4") }

// street makes the raw pictures that the runtime's model shows, once.
func (h *harness) street(ctx context.Context) (string, error) {
	path := filepath.Join(h.dir, "street.rgb")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	out, err := exec.CommandContext(ctx, "ffmpeg", "-loglevel", "error", "-i", h.clipOfStreet(),
		"-vf", "scale=1280:720", "-r", "30", "-frames:v", "90", "-pix_fmt", "rgb24", "-f", "rawvideo", path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ffmpeg: %w: %s", err, out)
	}
	return path, nil
}

// runtime starts the published runtime with the model street and waits until it
// is there. In a place of its own it listens on the place's address.
func (h *harness) runtime(ctx context.Context, at, seenFrom place) (*child, string, error) {
	street, err := h.street(ctx)
	if err != nil {
		return nil, "", err
	}
	return h.runtimeOf(ctx, "street", at, seenFrom, "STREET="+street)
}

// runtimeOf starts it with a model.
func (h *harness) runtimeOf(ctx context.Context, model string, at, seenFrom place, env ...string) (*child, string, error) {
	python, err := h.python(ctx)
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	cmd := at.command(ctx, python, "-m", "reactor_runtime.serve")
	cmd.Dir = filepath.Join(h.dir, "python", model)
	cmd.Env = append(append(os.Environ(), env...), "HOST="+at.address(), "PORT="+port,
		"STUN_SERVERS=stun:127.0.0.1:9", // nothing leaves the machine
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
	c, err := begin(cmd)
	if err != nil {
		return nil, "", err
	}
	url := "http://" + net.JoinHostPort(at.address(), port)
	var state string
	if err := h.callAt(ctx, seenFrom, &state, "await", url); err != nil {
		return nil, "", errors.Join(err, c.interrupt())
	}
	return c, url, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil //nolint:errcheck // a TCP listener's
}

// modelPatience is how long a model may take to load.
const modelPatience = 30 * time.Second

// awaitChild waits until a model's server says that it is available.
func awaitChild(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, modelPatience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if state := health(ctx, args[0]); state == "available" {
			return tell(state)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not available after %v", args[0], modelPatience)
		case <-again.C:
		}
	}
}

func health(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/health", nil)
	if err != nil {
		return ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var answer struct{ State string }
	if json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return ""
	}
	return answer.State
}

// use is what the published client does with a picture.
type use string

const (
	asItIs use = "rgb" // as it gives it
	toBGR  use = "bgr" // what OpenCV wants, by its cvtColor
)

// published has the published client receive for some time.
func (h *harness) published(ctx context.Context, from place, url string, d time.Duration, u use) (received, error) {
	python, err := h.python(ctx)
	if err != nil {
		return received{}, err
	}
	cmd := from.command(ctx, python, filepath.Join(h.dir, "python", "client.py"), url, strconv.FormatFloat(d.Seconds(), 'f', -1, 64), string(u))
	c, err := begin(cmd)
	if err != nil {
		return received{}, err
	}
	var got received
	err = errors.Join(c.read(&got), c.stop())
	return got, err
}
