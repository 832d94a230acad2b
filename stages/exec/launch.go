package exec

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// launch is how the program is started, each time anew.
type launch struct {
	path   string // of the executable
	args   []string
	dir    string
	venv   string
	env    map[string]string
	helper string // the folder of the Python module
	limits limits
}

type limits struct {
	memory int64 // in bytes; 0: none
	nice   int
	cpus   int // 0: no limit
}

// newLaunch finds the program.
func newLaunch(env pipeline.Env, cfg Config, helper string) (*launch, error) {
	l := &launch{
		args: cfg.Command, dir: env.ReadPath(cfg.Dir), venv: env.ReadPath(cfg.Venv), env: cfg.Env,
		helper: helper, limits: limits{int64(cfg.Memory), cfg.Nice, cfg.CPUs},
	}
	if l.dir == "" {
		l.dir = env.Dir
	}
	if strings.HasSuffix(l.args[0], ".py") {
		l.args = slices.Concat([]string{"python3"}, l.args)
	}
	if err := isFolder(l.dir); err != nil {
		return nil, fmt.Errorf("dir: %w", err)
	}
	var err error
	if l.path, err = l.find(l.args[0]); err != nil {
		return nil, err
	}
	return l, nil
}

func isFolder(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", path)
	}
	return err
}

// find returns where the executable lies: one with a slash relative to the
// program's folder, another in the virtual environment or on the path.
func (l *launch) find(name string) (string, error) {
	if strings.Contains(name, "/") && !filepath.IsAbs(name) {
		name = filepath.Join(l.dir, name)
	}
	if l.venv != "" && !strings.Contains(name, "/") {
		if path, err := osexec.LookPath(filepath.Join(l.venv, "bin", name)); err == nil {
			return filepath.Abs(path)
		}
		if strings.HasPrefix(name, "python") {
			return "", fmt.Errorf("venv: there is no %s", filepath.Join(l.venv, "bin", name))
		}
	}
	path, err := osexec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("command: %w", err)
	}
	return filepath.Abs(path)
}

// files are those of the command line that exist, each by its one absolute name.
func (l *launch) files() []string {
	var files []string
	for _, name := range append([]string{l.path}, l.args[1:]...) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(l.dir, name)
		}
		name = absolute(name)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	return files
}

// secrets are variables that a program gets only by Env: it is none of its
// business whose session this is.
func secrets() []string { return []string{"REACTOR_API_KEY", "REACTOR_JWT"} }

// command returns the program, ready to start, in a process group of its own and
// bound to die with the thread that starts it.
func (l *launch) command(stage string, output *os.File, files ...*os.File) *osexec.Cmd {
	cmd := osexec.Command(l.path, l.args[1:]...) //nolint:noctx // it ends with its supervisor, and not at once
	cmd.Dir = l.dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Env = l.environment(cmd.Environ(), stage)
	return cmd
}

func (l *launch) environment(inherited []string, stage string) []string {
	vars := make(map[string]string, len(inherited))
	for _, v := range inherited {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	for _, name := range secrets() {
		delete(vars, name)
	}
	if l.venv != "" {
		delete(vars, "PYTHONHOME")
		vars["VIRTUAL_ENV"] = absolute(l.venv)
		vars["PATH"] = inFront(filepath.Join(absolute(l.venv), "bin"), vars["PATH"])
	}
	vars["PYTHONUNBUFFERED"] = "1" // what is printed is logged when it is printed
	vars["REACTORPIPE_STAGE"] = stage
	maps.Copy(vars, l.env)
	vars["PYTHONPATH"] = inFront(l.helper, vars["PYTHONPATH"])
	env := make([]string, 0, len(vars))
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
	}
	return env
}

func inFront(dir, path string) string {
	if path == "" {
		return dir
	}
	return dir + string(os.PathListSeparator) + path
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// start starts cmd on as many processors as it may use. They are those of the
// thread that starts it, which the caller is locked to, so that no thread of the
// program comes before the limit.
func (l limits) start(cmd *osexec.Cmd) error {
	if l.cpus == 0 {
		return cmd.Start()
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("cpus: %w", err)
	}
	some := l.some(all, rand.IntN(all.Count())) //nolint:gosec // so that programs do not share the same ones
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		return fmt.Errorf("cpus: %w", err)
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &all))
}

// some returns as many of the processors, from the one at first on.
func (l limits) some(all unix.CPUSet, first int) (some unix.CPUSet) {
	var list []int
	for cpu := range len(all) * bits.UintSize {
		if all.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	for i := range min(l.cpus, len(list)) {
		some.Set(list[(first+i)%len(list)])
	}
	return some
}

// apply sets the limits of a process that was just started.
func (l limits) apply(pid int) error {
	var errs []error
	if l.memory > 0 {
		most := &unix.Rlimit{Cur: uint64(l.memory), Max: uint64(l.memory)}
		if err := unix.Prlimit(pid, unix.RLIMIT_DATA, most, nil); err != nil {
			errs = append(errs, fmt.Errorf("memory: %w", err))
		}
	}
	if l.nice > 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, pid, l.nice); err != nil {
			errs = append(errs, fmt.Errorf("nice: %w", err))
		}
	}
	return errors.Join(errs...)
}
