package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/rehearsal"
)

// fileFlags change what the files say.
type fileFlags struct {
	set      []string
	envFiles []string
	sim      string // a clip; "" leaves the sessions as they are
}

func (f *fileFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.set, "set", nil, "set `KEY=VALUE` in the file, such as people.rate=2fps; may be repeated")
	c.Flags().StringArrayVar(&f.envFiles, "env-file", nil, "read variables for ${…} from `FILE`, lines of KEY=VALUE; the environment's own come first; may be repeated")
}

// load reads the files; the error tells every mistake in all of them.
func (p *program) load(args []string, f fileFlags) ([]*config.Spec, error) {
	p, err := p.withEnvFiles(f.envFiles)
	if err != nil {
		return nil, err
	}
	paths, err := pipelineFiles(args)
	if err != nil {
		return nil, err
	}
	var specs []*config.Spec
	var errs []error
	for _, path := range paths {
		s, err := p.loadOne(path, f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if same := slices.IndexFunc(specs, func(o *config.Spec) bool { return o.Name == s.Name }); same >= 0 {
			errs = append(errs, fmt.Errorf("%s: name: %q is the name of %s already", path, s.Name, specs[same].Path))
		}
		specs = append(specs, s)
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(p.err, err)
		return nil, &toldError{&configError{err}}
	}
	return specs, nil
}

// withEnvFiles returns a program that knows the variables of the files, too:
// those of the environment come first, then the last file's.
func (p *program) withEnvFiles(paths []string) (*program, error) {
	vars := make(map[string]string)
	var errs []error
	for _, path := range paths {
		more, err := config.ReadEnvFile(path)
		if err != nil {
			errs = append(errs, err)
		}
		maps.Copy(vars, more)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, &configError{err}
	}
	with := *p
	with.getenv = func(name string) (string, bool) {
		if value, set := p.getenv(name); set {
			return value, true
		}
		value, set := vars[name]
		return value, set
	}
	return &with, nil
}

func (p *program) loadOne(path string, f fileFlags) (*config.Spec, error) {
	text, err := config.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return p.parse(path, text, f)
}

// again reads a file another time, or a text in its place unless that is empty.
func (p *program) again(path string, text []byte, f fileFlags) (*config.Spec, error) {
	p, err := p.withEnvFiles(f.envFiles)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		if text, err = config.ReadFile(path); err != nil {
			return nil, &configError{err}
		}
	}
	spec, err := p.parse(path, text, f)
	if err != nil {
		return nil, &configError{err}
	}
	return spec, nil
}

// parse is loadOne for a text that takes the file's place.
func (p *program) parse(path string, text []byte, f fileFlags) (*config.Spec, error) {
	opt := config.Options{Env: p.getenv, Set: f.set}
	if f.sim != "" {
		changes, err := simulated(text, f.sim)
		if err != nil {
			return nil, err
		}
		opt.Set = slices.Concat(f.set, changes)
	}
	return config.Parse(path, text, p.registry, opt)
}

// pipelineFiles replaces folders by the YAML files in them, tests excepted.
func pipelineFiles(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &configError{fmt.Errorf("%s: no such file", arg)}
		case err != nil:
			return nil, &configError{err}
		case !info.IsDir():
			paths = append(paths, arg)
			continue
		}
		found, err := yamlFiles(arg)
		if err != nil {
			return nil, &configError{err}
		}
		found = slices.DeleteFunc(found, rehearsal.IsTestFile)
		if len(found) == 0 {
			return nil, &configError{fmt.Errorf("%s: no pipelines in this folder, only their tests", arg)}
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

func yamlFiles(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			paths = append(paths, filepath.Join(folder, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no .yaml files in this folder", folder)
	}
	return paths, nil
}

// nothing is how a file writes a text that is empty, not missing.
const nothing = "${NOTHING:-}"

// simulated returns the changes that put a simulator of its own in the place of
// each session of a file. They are made before the file is checked, so that its
// keys may be missing.
func simulated(text []byte, clip string) ([]string, error) {
	clip, err := filepath.Abs(clip)
	if err != nil {
		return nil, &configError{fmt.Errorf("--sim: %w", err)}
	}
	sim, err := json.Marshal(map[string]string{"clip": strings.ReplaceAll(clip, "$", "$$")})
	if err != nil {
		return nil, &configError{fmt.Errorf("--sim: %w", err)}
	}
	var changes []string
	for _, session := range sessionKeys(text) {
		changes = append(changes, session+".sim="+string(sim),
			session+".api_key="+nothing, session+".token="+nothing, session+".ice_servers=[]")
	}
	return changes, nil
}

// sessionKeys returns where a file has its sessions. What is wrong with the file
// is for config.Parse to tell.
func sessionKeys(text []byte) []string {
	var file map[string]yaml.Node
	if yaml.Unmarshal(text, &file) != nil {
		return nil
	}
	var keys []string
	if _, ok := file["session"]; ok {
		keys = append(keys, "session")
	}
	var named map[string]yaml.Node
	if n, ok := file["sessions"]; !ok || n.Decode(&named) != nil {
		return keys
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		keys = append(keys, "sessions."+name)
	}
	return keys
}
