package expr

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/vm/runtime"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

// isUpload says that a map in a [Value] stands for something to be uploaded.
func isUpload(raw map[string]any) bool {
	if _, ok := raw["file"]; ok {
		return len(raw) == 1
	}
	_, ok := raw["frame"]
	for key := range raw {
		ok = ok && slices.Contains([]string{"frame", "format", "quality"}, key)
	}
	return ok
}

func parseUpload(raw map[string]any) (any, error) {
	if path, ok := raw["file"]; ok {
		f, err := parseFile(path)
		return f, Under("file", err)
	}
	return parseStill(raw)
}

// fileUpload is `{file: path}`.
type fileUpload struct {
	path Template
	dir  string // that path is relative to
}

func parseFile(raw any) (*fileUpload, error) {
	text, ok := raw.(string)
	if !ok || text == "" {
		return nil, fmt.Errorf("must be the path of a file, got %s", wordOf(raw))
	}
	path, err := ParseTemplate(text)
	return &fileUpload{path: path}, err
}

// check compiles the path. A constant one has to be that of a file which can be
// uploaded.
func (f *fileUpload) check(scope *Scope) error {
	if err := f.path.Check(scope); err != nil {
		return err
	}
	if scope != nil {
		f.dir = scope.Dir
	}
	if _, constant := f.path.Const(); !constant {
		return nil
	}
	u, _, err := f.eval(Input{})
	if err != nil {
		return err
	}
	return uploadable(u.Path)
}

func (f *fileUpload) eval(in Input) (pipeline.Upload, bool, error) {
	path, ok, err := f.path.Text(in)
	if !ok || err != nil {
		return pipeline.Upload{}, false, err
	}
	if err := f.stays(path); err != nil {
		return pipeline.Upload{}, false, err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.dir, path)
	}
	return pipeline.Upload{Path: path}, true, nil
}

// stays refuses a computed path that leads elsewhere than what is written: a model
// that is asked for a name is not to choose among all files of the machine.
func (f *fileUpload) stays(path string) error {
	if _, constant := f.path.Const(); constant {
		return nil
	}
	leadsUp := slices.Contains(strings.Split(filepath.ToSlash(path), "/"), "..")
	if leadsUp || filepath.IsAbs(path) && f.path.parts[0].source != "" {
		return fmt.Errorf("%s: leads out of its folder: %q", shorten(f.path.String()), shorten(path))
	}
	return nil
}

func uploadable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no file %s", path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is not a file", path)
	case info.Size() == 0:
		return fmt.Errorf("%s: is empty", path)
	case info.Size() > pipeline.MostUpload:
		return fmt.Errorf("%s: is larger than %d MiB", path, pipeline.MostUpload>>20)
	}
	return nil
}

// stillUpload is `{frame: crop(…)}`.
type stillUpload struct {
	still   pipeline.Still
	source  string
	program *Program // nil until checked; it yields true or a box
}

const (
	howToCrop = "must be true, for the whole picture, or an expression such as crop(people.detections[0])"
	// goodQuality is what a JPEG has unless something else is said.
	goodQuality = 90
)

func parseStill(raw map[string]any) (*stillUpload, error) {
	s := &stillUpload{still: pipeline.Still{Quality: goodQuality}}
	switch frame := raw["frame"].(type) {
	case string:
		s.source = frame
		if strings.Contains(frame, "{{") {
			return nil, Under("frame", errors.New("is an expression by itself, without {{ }}"))
		}
	case bool:
		s.source = strconv.FormatBool(frame)
	default:
		return nil, Under("frame", fmt.Errorf("%s, got %s", howToCrop, wordOf(frame)))
	}
	if format, ok := raw["format"]; ok {
		if format != "jpeg" && format != "png" {
			return nil, Under("format", fmt.Errorf("must be jpeg or png, got %v", format))
		}
		s.still.PNG = format == "png"
	}
	if quality, ok := raw["quality"]; ok {
		q, isInt := quality.(int)
		switch {
		case s.still.PNG:
			return nil, Under("quality", errors.New("is for jpeg: a png loses nothing"))
		case !isInt || q < 1 || q > 100:
			return nil, Under("quality", fmt.Errorf("must be 1 to 100, got %v", quality))
		}
		s.still.Quality = q
	}
	return s, nil
}

func (s *stillUpload) check(scope *Scope) error {
	program, err := compile(s.source, scope, addCrop)
	if err != nil {
		return Under("frame", fmt.Errorf("%s: %w", shorten(s.source), err))
	}
	wrong := s.source == "false" || program.result != nil &&
		!slices.Contains([]reflect.Kind{reflect.Bool, reflect.Interface}, program.result.Kind()) &&
		program.result != reflect.TypeFor[pipeline.Box]()
	if wrong {
		return Under("frame", fmt.Errorf("%s, got %s", howToCrop, shorten(s.source)))
	}
	s.program = program
	return nil
}

func (s *stillUpload) eval(in Input) (pipeline.Upload, bool, error) {
	if s.program == nil {
		return pipeline.Upload{}, false, fmt.Errorf("%s: was not checked", shorten(s.source))
	}
	if in.Still == nil {
		return pipeline.Upload{}, false, errors.New("there is nobody here to make pictures of frames")
	}
	v, ok, err := s.program.Eval(in)
	if !ok || err != nil {
		return pipeline.Upload{}, false, err
	}
	still := s.still
	switch v := v.(type) {
	case pipeline.Box:
		still.Crop = v
	case bool:
		if !v {
			return pipeline.Upload{}, false, nil // nothing is to be uploaded
		}
		still.Whole = true
	default:
		return pipeline.Upload{}, false, fmt.Errorf("%s: %s, got %s", shorten(s.source), howToCrop, word(v))
	}
	u, err := in.Still(still)
	return u, err == nil, err
}

// addCrop adds the function that `frame:` has besides those of all expressions.
func addCrop(config *conf.Config) {
	config.Functions["$crop"] = &builtin.Function{Name: "$crop", Func: crop, Validate: cropType}
}

// crop is crop(what), crop(what, margin) or crop(x, y, width, height). What is a
// detection, a text, a box, or a map with the four numbers of one; the margin is
// added at each side, as a share of the box.
func crop(args ...any) (any, error) {
	if len(args) == 4 {
		x, y, w, h, err := numbers(args[0], args[1], args[2], args[3])
		return pipeline.Box{X: x, Y: y, Width: w, Height: h}, err
	}
	b, err := boxOf(args[0])
	if err != nil || len(args) == 1 {
		return b, err
	}
	margin := runtime.ToFloat64(args[1])
	b.X, b.Width = b.X-margin*b.Width, b.Width*(1+2*margin)
	b.Y, b.Height = b.Y-margin*b.Height, b.Height*(1+2*margin)
	return b, nil
}

func boxOf(v any) (pipeline.Box, error) {
	switch v := v.(type) {
	case pipeline.Box:
		return v, nil
	case pipeline.Detection:
		return v.Box, nil
	case pipeline.Text:
		return v.Box, nil
	case map[string]any:
		x, y, w, h, err := numbers(v["x"], v["y"], v["width"], v["height"])
		return pipeline.Box{X: x, Y: y, Width: w, Height: h}, err
	}
	return pipeline.Box{}, fmt.Errorf("crop takes what has a box, got %s", word(v))
}

func numbers(a, b, c, d any) (x, y, w, h float64, err error) {
	into := []*float64{&x, &y, &w, &h}
	for i, v := range []any{a, b, c, d} {
		if !isNumber(reflect.TypeOf(v)) {
			return 0, 0, 0, 0, fmt.Errorf("crop takes x, y, width and height as numbers, got %s", word(v))
		}
		*into[i] = runtime.ToFloat64(v)
	}
	return x, y, w, h, nil
}

func isNumber(t reflect.Type) bool {
	return isInteger(t) || t != nil && (t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32)
}

func cropType(args []reflect.Type) (reflect.Type, error) {
	box := reflect.TypeFor[pipeline.Box]()
	known := func(t reflect.Type) bool { return t.Kind() != reflect.Interface }
	switch len(args) {
	case 1, 2:
		boxed := slices.Contains([]reflect.Type{box, reflect.TypeFor[pipeline.Detection](), reflect.TypeFor[pipeline.Text]()}, args[0])
		if known(args[0]) && !boxed && args[0].Kind() != reflect.Map {
			return nil, fmt.Errorf("crop takes what has a box, got %s", plain(args[0].String()))
		}
		args = args[1:]
	case 4:
	default:
		return nil, errors.New("crop takes what has a box and perhaps a margin, or x, y, width and height")
	}
	for _, t := range args {
		if known(t) && !isNumber(t) {
			return nil, fmt.Errorf("crop takes numbers, got %s", plain(t.String()))
		}
	}
	return box, nil
}

// wordOf says what a value of a file is.
func wordOf(raw any) string {
	switch raw := raw.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("%q", shorten(raw))
	case map[string]any:
		return "a map of " + strings.Join(slices.Sorted(maps.Keys(raw)), ", ")
	case []any:
		return "a list"
	}
	return fmt.Sprint(raw)
}
