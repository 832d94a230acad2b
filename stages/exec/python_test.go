package exec_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

// python returns an interpreter that can do what the check does, tried by
// running: what is on the path may be a shim that leads nowhere.
func python(t *testing.T, check string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if osexec.CommandContext(t.Context(), name, "-c", check).Run() == nil {
			return name
		}
	}
	t.Skipf("no Python here can %s", check)
	return ""
}

// pythons are the interpreters that a stage may meet: with NumPy, and without.
func pythons(t *testing.T, test func(t *testing.T, config func(script, more string) string)) {
	t.Parallel()
	for _, check := range []string{"import numpy", "import sys"} {
		t.Run(check, func(t *testing.T) {
			t.Parallel()
			name := python(t, check)
			test(t, func(script, more string) string {
				if check == "import sys" { // what is imported later finds no NumPy
					script = "import sys; sys.modules['numpy'] = None\n" + script
				}
				path := filepath.Join(t.TempDir(), "program.py")
				if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
					t.Fatal(err)
				}
				return fmt.Sprintf("command: [%q, %q]\nbackoff: 1ms\ntimeout: 2m\nstart_timeout: 2m\n%s", name, path, more)
			})
		})
	}
}

const looks = `
from reactorpipe_stage import track, run

kept = []

@track.on_frame
def on_frame(frame, frame_id, timestamp_us, user_data):
    kept.append(frame)
    before = kept[0]
    track.measure(height=frame.shape[0], width=frame.shape[1], red=frame[0, 0, 0], before=before[0, 0, 0], at=timestamp_us)
    track.detect(1, 2, 3, 4, "cat", 0.5, track_id=7, keypoints=[(1, 2, "nose")])
    track.event("seen", people=len(track.frame.get("people", "detections", [])))
    track.text("EXIT", 5, 6, 7, 8)
    track.command("set_prompt", prompt="frame %d" % track.frame.seq)

run()
`

func TestPython(t *testing.T) {
	pythons(t, func(t *testing.T, config func(script, more string) string) {
		session := &pipetest.Session{}
		r := startConfig(t, config(looks, "commands: [set_prompt]"), pipeline.Env{Session: session})
		var red []float64
		for range 2 {
			f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.BGR24, Width: 8, Height: 4})
			f.PTS = 1500_000_000
			f.Lend("people")
			pipeline.Set(f, pipeline.Detections, make([]pipeline.Detection, 3))
			f.Lend("other")
			if len(red) == 1 {
				paint(t, f)
			}
			if err := r.stage.Process(t.Context(), f); err != nil {
				t.Fatal(err, r.log)
			}
			got, _ := pipeline.Get(f, pipeline.Measurements)
			if got["height"] != 4 || got["width"] != 8 || got["at"] != 1500_000 {
				t.Errorf("measurements %v", got)
			}
			red = append(red, got["red"])
			if got["before"] != red[0] {
				t.Errorf("the first frame was changed from %g to %g by the next", red[0], got["before"])
			}
			f.Release()
		}
		if red[0] == red[1] {
			t.Errorf("both frames have %g in their corner", red[0])
		}
		r.until("the commands", func() bool { return len(session.Commands()) == 2 })
		if got := session.Commands()[1].Args["prompt"]; got != "frame 0" {
			t.Errorf("the prompt is %v", got)
		}
	})
}

// paint changes the corner of a picture.
func paint(t *testing.T, f *pipeline.Frame) {
	t.Helper()
	m, err := mat.Edit(f)
	if err != nil {
		t.Fatal(err)
	}
	m.SetUCharAt(0, 2, m.GetUCharAt(0, 2)/2+100)
}

func TestPythonSays(t *testing.T) {
	pythons(t, func(t *testing.T, config func(script, more string) string) {
		r := startConfig(t, config(looks, "commands: [set_prompt]"), pipeline.Env{Session: &pipetest.Session{}})
		err := r.frame(func(f *pipeline.Frame) {
			want := []pipeline.Detection{{
				Box: pipeline.Box{X: 1, Y: 2, Width: 3, Height: 4}, Label: "cat", Score: 0.5, TrackID: 7,
				Keypoints: []pipeline.Keypoint{{Point: pipeline.Point{X: 1, Y: 2}, Name: "nose", Score: 1}},
			}}
			got, _ := pipeline.Get(f, pipeline.Detections)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("detections: %s", diff)
			}
			events, _ := pipeline.Get(f, pipeline.Events)
			if diff := cmp.Diff([]pipeline.Event{{Name: "seen", Data: map[string]any{"people": 0.}}}, events); diff != "" {
				t.Errorf("events: %s", diff)
			}
			texts, _ := pipeline.Get(f, pipeline.Texts)
			if diff := cmp.Diff([]pipeline.Text{{Text: "EXIT", Box: pipeline.Box{X: 5, Y: 6, Width: 7, Height: 8}, Score: 1}}, texts); diff != "" {
				t.Errorf("texts: %s", diff)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestPythonWrites(t *testing.T) {
	scripts := map[string]string{
		"in place":            "@track.on_frame\ndef f(p):\n    p[1, 2, 0] = 77\n",
		"in place, shared":    "@track.on_frame(shared=True)\ndef f(p):\n    p[1, 2, 0] = 77\n",
		"returned":            "@track.on_frame\ndef f(p):\n    p[1, 2, 0] = 77\n    return p\n",
		"returned, shared":    "@track.on_frame(shared=True)\ndef f(p):\n    p[1, 2, 0] = 77\n    return p\n",
		"later":               "@track.on_frame\nasync def f(p):\n    p[1, 2, 0] = 77\n    return p\n",
		"without a parameter": "@track.on_frame\ndef f():\n    pass\n",
	}
	pythons(t, func(t *testing.T, config func(script, more string) string) {
		for name, script := range scripts {
			t.Run(name, func(t *testing.T) {
				r := startConfig(t, config("from reactorpipe_stage import track, run\n"+script+"run()\n", "writes: true"), pipeline.Env{})
				err := r.frame(func(f *pipeline.Frame) {
					m, err := mat.View(f)
					if err != nil {
						t.Fatal(err)
					}
					if got := m.GetVecbAt(1, 2)[2]; (got == 77) == (name == "without a parameter") {
						t.Errorf("red is %d", got)
					}
				})
				if err != nil {
					t.Error(err, r.log)
				}
			})
		}
	})
}

func TestPythonTrouble(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"drops", "track.drop()", "frame dropped"},
		{"raises", "raise ValueError('too dark')", "the program: ValueError: too dark"},
		{"no number", "track.measure(x=float('nan'))", "the program: ValueError: Out of range float values are not JSON compliant"},
		{"another size", "return memoryview(bytes(3)).cast('B', (1, 1, 3))", "the program: ValueError: a picture of shape (1, 1, 3) does not take the place of one of (4, 8, 3)"},
	}
	pythons(t, func(t *testing.T, config func(script, more string) string) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				script := "from reactorpipe_stage import track, run\n@track.on_frame\ndef f(p):\n    " + tt.body + "\nrun()\n"
				r := startConfig(t, config(script, "writes: true"), pipeline.Env{})
				for range 2 {
					if got := message(r.frame(nil)); !strings.HasPrefix(got, tt.want) {
						t.Errorf("got %q, want %q", got, tt.want)
					}
				}
				r.close()
				if n := strings.Count(r.log.String(), "Traceback"); n > 1 {
					t.Errorf("the same trouble is told %d times:\n%s", n, r.log)
				}
				if strings.Contains(r.log.String(), "has no NumPy") != strings.Contains(t.Name(), "import_sys") {
					t.Errorf("it is not told what frames are:\n%s", r.log)
				}
			})
		}
	})
}

// A virtual environment is whose python and packages a program gets, and the
// programs that it starts.
func TestVenv(t *testing.T) {
	name := python(t, "import venv")
	dir := t.TempDir()
	if out, err := osexec.CommandContext(t.Context(), name, "-m", "venv", "--without-pip", filepath.Join(dir, "env")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "env", "lib", "python*", "site-packages"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("site-packages: %q, %v", packages, err)
	}
	const look = "import os, sys, onlyhere\nfrom reactorpipe_stage import track, run\n" +
		"track.on_frame(lambda p: None)\nprint(onlyhere.WORD, sys.prefix, os.environ['VIRTUAL_ENV'])\nrun()\n"
	for path, text := range map[string]string{
		filepath.Join(packages[0], "onlyhere.py"): "WORD = 'found in'\n",
		filepath.Join(dir, "look.py"):             look,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PYTHONHOME", "/nowhere") // would lead any python away from its packages
	env := pipeline.Env{Dir: dir}
	for _, command := range []string{"[look.py]", "[python3, look.py]", "[python, look.py]", "[env/bin/python3, look.py]", "[sh, -c, exec python3 look.py]"} {
		t.Run(command, func(t *testing.T) {
			r := startConfig(t, "{command: "+command+", venv: env, backoff: 1ms, timeout: 2m, start_timeout: 2m}", env)
			r.good()
			r.logged(fmt.Sprintf("line=\"found in %[1]s %[1]s\"", filepath.Join(dir, "env")))
		})
	}
	t.Run("without it", func(t *testing.T) {
		t.Setenv("PYTHONHOME", "")
		r := startConfig(t, fmt.Sprintf("{command: [%q, look.py], restart: never}", name), env)
		r.until("the end", func() bool { return r.frame(nil) != nil })
		r.logged("No module named 'onlyhere'")
	})
}

// A program with a mistake says so in the log before it is gone.
func TestPythonDies(t *testing.T) {
	name := python(t, "import sys")
	r := startConfig(t, fmt.Sprintf("command: [%s, -c, 'import no_such_module']\nrestart: never", name), pipeline.Env{})
	r.until("the end", func() bool { return r.frame(nil) != nil })
	r.logged("ModuleNotFoundError: No module named 'no_such_module'")
}

// Run by hand, a program says how it is run.
func TestPythonByHand(t *testing.T) {
	name := python(t, "import sys")
	cmd := osexec.CommandContext(t.Context(), name, "-c", "from reactorpipe_stage import *; track.on_frame(print); run()")
	cmd.Env = append(cmd.Environ(), "PYTHONPATH=.", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	if want := "RuntimeError: this program is a stage: run it by a pipeline with a stage of type exec"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s", err, out)
	}
}
