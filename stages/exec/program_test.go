package exec_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// program is the path of testdata/program: a small one, for the tests start it
// hundreds of times.
var program string

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "host" {
		host()
		return
	}
	os.Exit(withProgram(func() int {
		code := m.Run()
		if err := goleak.Find(); code == 0 && err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
}

// withProgram builds the program for as long as the tests run.
func withProgram(run func() int) (code int) {
	dir, err := os.MkdirTemp("", "exec")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "program")
	build := osexec.Command("go", "build", "-o", program, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	return run()
}
