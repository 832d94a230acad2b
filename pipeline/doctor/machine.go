package doctor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"runtime"
	"strings"
	"syscall"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/decode/ffmpeg"
	"github.com/reactorpipe/reactorpipe/sdk"
)

// Surroundings are what a machine is looked at with.
type Surroundings struct {
	// Env looks up a variable. Its value is not told.
	Env func(string) (string, bool)
	// Admin is the address of the admin port, host:port.
	Admin string
}

// Machine checks what this machine can do, without a network or a key. What it
// lacks is a warning, never a failure.
func Machine(ctx context.Context, s Surroundings) iter.Seq[Result] {
	checks := []func() Result{
		cpus,
		func() Result { return ok("ffmpeg", ffmpeg.Version()) },
		func() Result { return ok("opencv", gocv.OpenCVVersion()) },
	}
	checks = append(checks, codecChecks()...)
	checks = append(
		checks, receiveBuffer, descriptors, clock,
		func() Result { return adminPort(ctx, s.Admin) },
		func() Result { return variables(s.Env) },
	)
	return func(yield func(Result) bool) {
		for _, check := range checks {
			r := check()
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
	}
}

func cpus() Result {
	all, used := runtime.NumCPU(), runtime.GOMAXPROCS(0)
	detail := fmt.Sprintf("%d, %s", all, runtime.GOARCH)
	if used < all {
		detail = fmt.Sprintf("%d of %d, by GOMAXPROCS or the limit of a container, %s", used, all, runtime.GOARCH)
	}
	return ok("cpus", detail)
}

func receiveBuffer() Result {
	return bufferResult(sdk.ProbeReceiveBuffer())
}

func bufferResult(asked, got int, err error) Result {
	const name = "receive buffer"
	switch {
	case err != nil:
		return warn(name, err.Error(), "")
	case got < asked:
		return warn(name, fmt.Sprintf("%d KiB of the %d KiB asked for: a burst of keyframes loses packets", got>>10, asked>>10),
			fmt.Sprintf("sysctl -w net.core.rmem_max=%d, and a line in /etc/sysctl.d", asked))
	}
	return ok(name, fmt.Sprintf("%d KiB", got>>10))
}

// fewestDescriptors is enough for a dozen sessions with their sockets and files.
const fewestDescriptors = 1024

func descriptorResult(soft uint64, err error) Result {
	const name = "file descriptors"
	switch {
	case err != nil:
		return warn(name, err.Error(), "")
	case soft < fewestDescriptors:
		return warn(name, fmt.Sprint(soft), fmt.Sprintf("ulimit -n %d, or LimitNOFILE= of the service", fewestDescriptors))
	}
	return ok(name, fmt.Sprint(soft))
}

func adminPort(ctx context.Context, addr string) Result {
	const name = "admin port"
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return warn(name, addr+" is taken", "run with another --admin, or --admin off; maybe reactorpipe runs already")
	case err != nil:
		return warn(name, addr+": "+reason(err), "run with another --admin, or --admin off")
	}
	_ = l.Close()
	return ok(name, addr+" is free")
}

// reactorVariables are those that the program honours.
var reactorVariables = [...]string{"REACTOR_API_KEY", "REACTOR_JWT", "REACTOR_MODEL", "REACTOR_API_URL", "REACTOR_LOCAL"}

func variables(env func(string) (string, bool)) Result {
	var words []string
	for _, name := range reactorVariables {
		word := "not set"
		if value, there := env(name); there && value != "" {
			word = "set"
		}
		words = append(words, name+" "+word)
	}
	return ok("environment", strings.Join(words, ", "))
}
