package reactorpipe_test

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/reactorpipe/reactorpipe"

// room is where a package stands in the house: what it imports of this module
// stands on a lower floor. A pure one is Go alone, so that it builds and is
// tested with CGO_ENABLED=0.
type room struct {
	floor  int
	pure   bool
	beside string // the one neighbour on its own floor that it imports
}

// house is CONTRIBUTING.md's table of floors. A star stands for any one name;
// a package named in full goes before a star.
var house = map[string]room{
	"pipeline":                   {floor: 0, pure: true},
	"sdk/wire":                   {floor: 0, pure: true},
	"sdk":                        {floor: 1, pure: true},
	"decode":                     {floor: 1, pure: true},
	"encode":                     {floor: 1, pure: true, beside: "decode"}, // the table of codecs
	"pipeline/mat":               {floor: 1},
	"pipeline/cv":                {floor: 1},
	"pipeline/effect":            {floor: 1, pure: true},
	"pipeline/expr":              {floor: 1, pure: true},
	"sdk/sessiontest":            {floor: 2, pure: true},
	"sdk/gen":                    {floor: 2, pure: true},
	"decode/jitter":              {floor: 2, pure: true},
	"decode/depacketize":         {floor: 2, pure: true},
	"decode/ffmpeg":              {floor: 2},
	"encode/ffmpeg":              {floor: 2},
	"encode/container":           {floor: 2},
	"pipeline/config":            {floor: 2, pure: true},
	"stages/internal/*":          {floor: 2},
	"sinks/internal/*":           {floor: 2, beside: "pipeline/config"}, // sizes and durations as files write them
	"stages/*":                   {floor: 3},
	"sinks/*":                    {floor: 3},
	"sinks/command":              {floor: 3, pure: true},
	"sinks/discard":              {floor: 3, pure: true},
	"sinks/jsonl":                {floor: 3, pure: true},
	"sinks/log":                  {floor: 3, pure: true},
	"sinks/webhook":              {floor: 3, pure: true},
	"sinks/nats":                 {floor: 3, pure: true},
	"pipeline/graph":             {floor: 3, pure: true},
	"pipeline/ingest":            {floor: 3},
	"pipeline/plan":              {floor: 3, pure: true},
	"pipeline/scaffold":          {floor: 3, pure: true},
	"pipeline/session":           {floor: 3, pure: true},
	"pipeline/sim":               {floor: 3},
	"pipeline/traces":            {floor: 3, pure: true},
	"pipeline/pipetest":          {floor: 4},
	"pipeline/rehearsal":         {floor: 4, pure: true},
	"pipeline/doctor":            {floor: 4},
	"pipeline/traces/tracestest": {floor: 4, pure: true},
	"stages":                     {floor: 4},
	"sinks":                      {floor: 4},
	"pipeline/app":               {floor: 5},
	"cmd/reactorpipe":            {floor: 6},
}

// grounds are the trees around the house: modules and programs of their own,
// which import what they like and which nobody imports.
var grounds = []string{"scripts", "examples", "docs"}

// bindings bring cgo with them.
var bindings = []string{"C", "gocv.io/x/gocv", "github.com/asticode/go-astiav", "github.com/yalue/onnxruntime_go"}

// nothings are names that say nothing of what is in the package.
var nothings = []string{"base", "common", "core", "data", "helper", "helpers", "manager", "misc", "types", "util", "utils"}

func TestPackagesImportFromLowerFloorsOnly(t *testing.T) {
	imports := importsByPackage(t)
	for _, pkg := range sortedKeys(imports) {
		for _, complaint := range inspect(pkg, imports[pkg]) {
			t.Error(complaint)
		}
	}
}

func TestPureRoomsStandOnPureRooms(t *testing.T) {
	imports := importsByPackage(t)
	for _, pkg := range sortedKeys(imports) {
		if r, ok := roomOf(pkg); !ok || !r.pure {
			continue
		}
		if chain := wayToC(pkg, imports); chain != nil {
			t.Errorf("%s is pure Go, yet it comes to cgo: %s", pkg, strings.Join(chain, " → "))
		}
	}
}

func TestInspect(t *testing.T) {
	tests := []struct {
		name    string
		pkg     string
		imports []string
		want    []string
	}{
		{"down", "sdk", []string{"context", module + "/sdk/wire"}, nil},
		{"up", "sdk", []string{module + "/pipeline/graph"}, []string{"sdk (floor 1) imports pipeline/graph (floor 3): only lower floors"}},
		{"same floor", "stages/blur", []string{module + "/stages/resize"}, []string{"stages/blur (floor 3) imports stages/resize (floor 3): only lower floors"}},
		{"the neighbour named", "encode", []string{module + "/decode"}, nil},
		{"a stage like any other", "stages/brandnew", []string{module + "/pipeline"}, nil},
		{"no floor", "pipeline/novelty", nil, []string{"pipeline/novelty: give it a floor, in floors_test.go and CONTRIBUTING.md"}},
		{"deep below the stages", "stages/a/b", nil, []string{"stages/a/b: give it a floor, in floors_test.go and CONTRIBUTING.md"}},
		{"named after nothing", "sdk/util", nil, []string{`sdk/util: "util" says nothing of what is in it`, "sdk/util: give it a floor, in floors_test.go and CONTRIBUTING.md"}},
		{"from the grounds", "sdk", []string{module + "/scripts/interop"}, []string{"sdk (floor 1) imports scripts/interop, which is nobody's to import"}},
		{"on the grounds", "examples/stage", []string{module + "/pipeline/app"}, nil},
		{"contract with a dependency", "pipeline", []string{"gopkg.in/yaml.v3"}, []string{"pipeline imports gopkg.in/yaml.v3: the contract imports the standard library only"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := inspect(tt.pkg, tt.imports); !slices.Equal(got, tt.want) {
				t.Errorf("inspect(%q) = %q, want %q", tt.pkg, got, tt.want)
			}
		})
	}
}

// inspect returns what is wrong with one package's name, place and imports.
func inspect(pkg string, imports []string) []string {
	var complaints []string
	if name := path.Base(pkg); slices.Contains(nothings, name) {
		complaints = append(complaints, fmt.Sprintf("%s: %q says nothing of what is in it", pkg, name))
	}
	if onGrounds(pkg) {
		return complaints
	}
	here, ok := roomOf(pkg)
	if !ok {
		return append(complaints, pkg+": give it a floor, in floors_test.go and CONTRIBUTING.md")
	}
	for _, imported := range imports {
		if err := mayImport(pkg, here, imported); err != nil {
			complaints = append(complaints, err.Error())
		}
	}
	return complaints
}

func mayImport(pkg string, here room, imported string) error {
	if pkg == "pipeline" && strings.Contains(strings.Split(imported, "/")[0], ".") {
		return fmt.Errorf("pipeline imports %s: the contract imports the standard library only", imported)
	}
	ours, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return nil
	}
	if onGrounds(ours) {
		return fmt.Errorf("%s (floor %d) imports %s, which is nobody's to import", pkg, here.floor, ours)
	}
	there, ok := roomOf(ours)
	if !ok {
		return nil // said where that package is inspected
	}
	if there.floor >= here.floor && ours != here.beside {
		return fmt.Errorf("%s (floor %d) imports %s (floor %d): only lower floors", pkg, here.floor, ours, there.floor)
	}
	return nil
}

func roomOf(pkg string) (room, bool) {
	if r, ok := house[pkg]; ok {
		return r, true
	}
	r, ok := house[path.Dir(pkg)+"/*"]
	return r, ok
}

func onGrounds(pkg string) bool {
	top, _, _ := strings.Cut(pkg, "/")
	return slices.Contains(grounds, top)
}

// wayToC returns the chain of imports from a package to a binding, or nil.
func wayToC(pkg string, imports map[string][]string) []string {
	seen := map[string]bool{}
	var walk func(string) []string
	walk = func(pkg string) []string {
		if seen[pkg] {
			return nil
		}
		seen[pkg] = true
		for _, imported := range imports[pkg] {
			if slices.Contains(bindings, imported) {
				return []string{pkg, imported}
			}
			ours, ok := strings.CutPrefix(imported, module+"/")
			if !ok {
				continue
			}
			if rest := walk(ours); rest != nil {
				return append([]string{pkg}, rest...)
			}
		}
		return nil
	}
	return walk(pkg)
}

// importsByPackage parses what the packages of this module import, tests aside.
// It reads the files itself: what a subprocess read, go test's cache would not
// know of, and a stale answer would be served.
func importsByPackage(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipForeign(file, entry)
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		found, err := importsOf(file)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		imports[pkg] = append(imports[pkg], found...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(imports) == 0 {
		t.Fatal("no package found: the test runs at the root of the module")
	}
	for pkg := range imports {
		slices.Sort(imports[pkg])
		imports[pkg] = slices.Compact(imports[pkg])
	}
	return imports
}

// skipForeign keeps the walk out of what go build does not look at either.
func skipForeign(dir string, entry fs.DirEntry) error {
	name := entry.Name()
	if dir != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin" || name == "out" || name == "dist") {
		return fs.SkipDir
	}
	return nil
}

func importsOf(file string) ([]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var imports []string
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: import %s", file, spec.Path.Value), err)
		}
		imports = append(imports, name)
	}
	return imports, nil
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
