package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/reactorpipe/reactorpipe/pipeline/scaffold"
)

func (p *program) initModuleCommand(part scaffold.Part) *cobra.Command {
	m := scaffold.Module{Part: part, Env: buildEnv}
	c := &cobra.Command{
		Use:   string(part) + " NAME",
		Short: "Write a module with a " + string(part) + " of your own, in the folder NAME",
		Long: "Write a module with a " + string(part) + " of your own, in the folder NAME: the " + string(part) + ", its test, a program\n" +
			"that has it, a pipeline that uses it, and what shells, go test and gopls need to build it.\n" +
			"Nothing is overwritten. Then:\n\n" +
			"  cd NAME && make test && make run",
		Args: oneName,
		RunE: func(_ *cobra.Command, args []string) error {
			m.Name = args[0]
			if err := p.freeKind(m.Name); err != nil {
				return err
			}
			if err := origin(&m); err != nil {
				return err
			}
			files, err := m.Files()
			if err != nil {
				return &usageError{fmt.Errorf("init %s: %w", part, err)}
			}
			return p.writeNew(files, m.Name)
		},
	}
	f := c.Flags()
	f.StringVar(&m.Path, "module", "", "`PATH` of the module (default example.com/NAME)")
	f.StringVar(&m.Replace, "replace", "", "build with the checkout of reactorpipe in `FOLDER`; by default that of this program, unless it is a release")
	return c
}

func oneName(c *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return &usageError{fmt.Errorf("init %s: which name? It is what a pipeline's type: will say", c.Name())}
	case 1:
		return nil
	}
	return &usageError{fmt.Errorf("init %s: takes one name, got %q, too", c.Name(), args[1])}
}

// freeKind refuses names that this program has a kind of.
func (p *program) freeKind(name string) error {
	_, stage := p.registry.Stage(name)
	_, sink := p.registry.Sink(name)
	_, source := p.registry.Source(name)
	if stage || sink || source {
		return &usageError{fmt.Errorf("%s is a kind that there is already; take another name", name)}
	}
	return nil
}

// writeNew writes files below a folder and says which.
func (p *program) writeNew(files scaffold.Files, folder string) error {
	if err := files.WriteNew(folder); err != nil {
		return err
	}
	for _, path := range files.Paths() {
		fmt.Fprintln(p.out, filepath.Join(folder, path))
	}
	return nil
}

var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// origin says what the module is built with: a checkout that the user names,
// the release that this program is, or the checkout that it was built from.
func origin(m *scaffold.Module) error {
	if m.Replace == "" {
		if v := ownVersion(); released.MatchString(v) {
			m.Version = v
			return nil
		}
		m.Replace = checkout()
	}
	if m.Replace == "" {
		return nil // for Module to say
	}
	at, err := filepath.Abs(m.Replace)
	m.Replace = at
	return err
}

// ownVersion returns that of reactorpipe, also in a program of somebody else's.
func ownVersion() string {
	const path = "github.com/reactorpipe/reactorpipe"
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path == path {
		return Version()
	}
	for _, dep := range info.Deps {
		if dep.Path == path && dep.Replace == nil {
			return dep.Version
		}
	}
	return ""
}

// checkout returns the folder of the source that this program was built from,
// "" where it is not there.
func checkout() string {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil || !filepath.IsAbs(root) {
		return ""
	}
	return root
}
