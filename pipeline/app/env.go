package app

import (
	"fmt"

	"github.com/spf13/cobra"
)

// buildEnv is what a module that imports reactorpipe's OpenCV packages is built
// with; scripts/env.sh says why. A test compares the two.
const buildEnv = `export CGO_ENABLED=1
export CGO_CPPFLAGS="-I/usr/include/opencv4"
export CGO_CXXFLAGS="-O2 --std=c++11"
export CGO_LDFLAGS="-lopencv_core -lopencv_imgproc -lopencv_imgcodecs"
export GOFLAGS="-tags=customenv,gocv_specific_modules"
`

func (p *program) envCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "Print the shell settings that a program with stages of its own is built with",
		Args:  noArgs,
		Long:  "Print the shell settings that a program with stages of its own is built with:\n\n  eval \"$(reactorpipe env)\"",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(p.out, buildEnv)
			return err
		},
	}
}
