package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/pipeline"
)

const crosswalk = `
# a comment
name: crosswalk
session:
  model: reactor/x2
  start:
    - {command: set_prompt, data: {prompt: "a zebra crossing at dawn"}, wait: prompt_accepted}
  on_exit: end
sources:
  cam: {track: main_video, codecs: [vp8, vp9]}
  state: {message: state}
stages:
  - {name: people, type: people_detect, from: cam, async: true, ttl: 1s}
  - {name: ids,    type: track_objects}
  - {name: boxes,  type: overlay, from: cam, with: [ids]}
sinks:
  - name: steer
    type: command
    from: ids
    when: len(ids.detections) >= 4
    edge: rise
    cooldown: 5s
    config: {command: set_prompt, data: {prompt: "a crowd of {{ len(ids.detections) }}", age: "{{ state.age }}"}}
  - {name: back,   type: publish, from: boxes, config: {track: source, fps: 15}}
  - {name: video,  type: record,  config: {path: "rec/{{date}}-{{time}}.mp4", segment: 10m, size: 50GB}, queue: {depth: 8}}
  - {name: events, type: log,     from: ids, rate: 2/s, config: {fields: [seq]}}
`

func TestLoad(t *testing.T) {
	s := mustLoad(t, crosswalk, Options{})

	type shape struct{ From, Session string }
	got := make(map[string]shape)
	for _, n := range s.Sources {
		got[n.Name] = shape{Session: n.Session}
	}
	for _, n := range s.Stages {
		got[n.Name] = shape{strings.Join(append([]string{n.From}, n.With...), "+"), n.Session}
	}
	for _, n := range s.Sinks {
		got[n.Name] = shape{strings.Join(append([]string{n.From}, n.With...), "+"), n.Session}
	}
	want := map[string]shape{
		"cam": {"", "main"}, "state": {"", "main"},
		"people": {"cam", "main"}, "ids": {"people", "main"}, "boxes": {"cam+ids", "main"},
		"steer": {"ids", "main"}, "back": {"boxes", "main"}, "video": {"boxes", "main"}, "events": {"ids", "main"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the graph (-want +got):\n%s", diff)
	}
	if s.Name != "crosswalk" || s.MaxInFlight != 2 || len(s.Warnings) != 0 {
		t.Errorf("name %q, in flight %d, warnings %q", s.Name, s.MaxInFlight, s.Warnings)
	}
	people, steer, video, events := s.Stages[0], s.Sinks[0], s.Sinks[2], s.Sinks[3]
	if !people.Async || people.TTL != time.Second || people.Workers != 1 || people.Deadline != 5*time.Second || people.OnError != "drop" {
		t.Errorf("people: %+v", people)
	}
	if steer.When.String() != "len(ids.detections) >= 4" || steer.Edge != pipeline.Rise || steer.Cooldown != 5*time.Second || steer.Line != 17 {
		t.Errorf("steer: %+v", steer)
	}
	if diff := cmp.Diff(&pipeline.Queue{Depth: 8, OnFull: pipeline.DropOldest}, video.Queue); diff != "" || video.Edge != pipeline.While {
		t.Errorf("video: edge %s, queue %s", video.Edge, diff)
	}
	if events.Rate != 2 || events.Queue != nil {
		t.Errorf("events: %+v", events)
	}
	if c := s.Sources[0].Config.(*trackConfig); c.Track != "main_video" || len(c.Codecs) != 2 {
		t.Errorf("cam: %+v", c)
	}
	if c := video.Config.(*recordConfig); c.Segment.Std() != 10*time.Minute || c.Size != 50e9 {
		t.Errorf("video: %+v", c)
	}
	computed := map[string]any{"prompt": pipeline.Computed{}, "age": pipeline.Computed{}}
	if diff := cmp.Diff(any(computed), steer.Config.(*commandConfig).Data.Consts()); diff != "" {
		t.Errorf("steer's data: %s", diff)
	}
	session := s.Sessions[0]
	if session.Model != "reactor/x2" || session.Wait != time.Minute || session.OnExit != "end" || session.Local {
		t.Errorf("session: %+v", session)
	}
	if data, ok := session.Start[0].Data.Const(); !ok || session.Start[0].Wait != "prompt_accepted" ||
		cmp.Diff(any(map[string]any{"prompt": "a zebra crossing at dawn"}), data) != "" {
		t.Errorf("start: %+v, %v", session.Start[0], data)
	}
}

// What names mean at a node: the stages upstream of it, joined ones too, but not
// itself, and the messages.
func TestScope(t *testing.T) {
	s := mustLoad(t, crosswalk, Options{})
	tests := []struct {
		node                string
		upstream, elsewhere []string
	}{
		{"people", nil, []string{"ids", "boxes"}},
		{"ids", []string{"people"}, []string{"boxes"}},
		{"boxes", []string{"ids", "people"}, nil},
		{"steer", []string{"ids", "people"}, []string{"boxes"}},
		{"video", []string{"boxes", "ids", "people"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.node, func(t *testing.T) {
			scope := s.Scope(tt.node)
			if diff := cmp.Diff(tt.upstream, slices.Sorted(maps.Keys(scope.Stages))); diff != "" {
				t.Errorf("upstream (-want +got):\n%s", diff)
			}
			elsewhere := slices.DeleteFunc(scope.Elsewhere, func(name string) bool { return name == tt.node })
			if !slices.Equal(tt.elsewhere, elsewhere) || !slices.Equal(scope.Messages, []string{"state"}) || scope.Self != "" {
				t.Errorf("elsewhere %v, want %v; messages %v, self %q", elsewhere, tt.elsewhere, scope.Messages, scope.Self)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	s := mustLoad(t, `
max_in_flight: 3
sources: {cam: {file: x.mp4}}
stages:
  - {name: blur, type: blur, config: }
  - {name: people, type: people_detect, rate: 0.5}
sinks:
  - {name: away, type: discard}
  - {name: rec, type: record, config: {boxes: true}}
`, Options{})
	if s.Name != "pipeline" || s.MaxInFlight != 3 {
		t.Errorf("name %q, in flight %d", s.Name, s.MaxInFlight)
	}
	if c := s.Stages[0].Config.(*blurConfig); c.Radius != 3 || s.Stages[0].From != "cam" {
		t.Errorf("blur: %+v, %+v", s.Stages[0], c)
	}
	if s.Stages[1].TTL != 4*time.Second || s.Stages[1].From != "blur" {
		t.Errorf("a rated stage: %+v", s.Stages[1])
	}
	if s.Sinks[0].From != "people" || s.Sinks[1].Pixels.Read != pipeline.BGR || s.Stages[1].Pixels.Read != pipeline.BGR {
		t.Errorf("sinks: %+v", s.Sinks)
	}
}

func TestYAMLAsPeopleWriteIt(t *testing.T) {
	s := mustLoad(t, `
sources: {cam: {file: &clip x.mp4}}
stages:
  - &soft
    name: soft
    type: blur
    config: &config {radius: 5, kernel: {sigma: [1, 2.5]}, colors: {red: [255, 0, 0]}}
  - <<: *soft
    name: softer
  - name: softest
    type: blur
    config: {<<: *config, radius: 9}
sinks:
  - name: rec
    type: record
    config:
      path: *clip
      bitrate: 2M
  - {name: log, type: log, config: {fields: [1, true, 2024-01-01, null_, "012"], limit: 0x10}}
`, Options{})
	if c := s.Stages[1].Config.(*blurConfig); s.Stages[1].Name != "softer" || c.Radius != 5 || c.Colors["red"] != [3]uint8{255, 0, 0} {
		t.Errorf("softer: %+v", c)
	}
	if c := s.Stages[2].Config.(*blurConfig); c.Radius != 9 || c.Kernel.Sigma[1] != 2.5 {
		t.Errorf("softest: %+v", c)
	}
	if c := s.Sinks[0].Config.(*recordConfig); c.Path.String() != "x.mp4" || c.Bitrate != 2e6 {
		t.Errorf("rec: %+v", c)
	}
	c := s.Sinks[1].Config.(*logConfig)
	if diff := cmp.Diff([]string{"1", "true", "2024-01-01", "null_", "012"}, c.Fields); diff != "" || *c.Limit != 16 {
		t.Errorf("log: %v %s", *c.Limit, diff)
	}
}

func TestSeveralSessions(t *testing.T) {
	s := mustLoad(t, `
sessions:
  first: {model: reactor/x2}
  second: {url: "http://localhost:9000"}
sources:
  cam: {track: main_video, session: first}
sinks:
  - {name: back, type: publish, session: second, config: {track: in}}
  - {name: log, type: log}
`, Options{Env: env("REACTOR_API_KEY", "rk_1")})
	if s.Sources[0].Session != "first" || s.Sinks[0].Session != "second" || s.Sinks[1].Session != "" {
		t.Errorf("sessions: %+v %+v", s.Sources, s.Sinks)
	}
	if s.Sessions[0].APIKey != "rk_1" || s.Sessions[1].APIKey != "" || !s.Sessions[1].Local {
		t.Errorf("the key went elsewhere: %+v", s.Sessions)
	}
}

func TestEnvironment(t *testing.T) {
	type peer struct {
		Model, URL, APIKey, Token string
		Local                     bool
	}
	tests := []struct {
		name    string
		session string
		env     []string
		want    peer
	}{
		{"a model", "{model: a/b}", []string{"REACTOR_API_KEY", "k", "REACTOR_JWT", "j"}, peer{Model: "a/b", APIKey: "k", Token: "j"}},
		{"its own key", "{model: a/b, api_key: mine}", []string{"REACTOR_API_KEY", "k"}, peer{Model: "a/b", APIKey: "mine"}},
		{"the model of the environment", "{}", []string{"REACTOR_MODEL", "c/d"}, peer{Model: "c/d"}},
		{"nothing but the word", "", []string{"REACTOR_MODEL", "c/d"}, peer{Model: "c/d"}},
		{"the file goes first", "{model: a/b}", []string{"REACTOR_MODEL", "c/d"}, peer{Model: "a/b"}},
		{"another API", "{model: a/b}", []string{"REACTOR_API_URL", "https://x.test", "REACTOR_API_KEY", "k"}, peer{Model: "a/b", URL: "https://x.test", APIKey: "k"}},
		{"local", "{model: a/b}", []string{"REACTOR_LOCAL", "1", "REACTOR_API_KEY", "k"}, peer{Model: "a/b", URL: "http://localhost:8080", Local: true}},
		{"not local", "{model: a/b}", []string{"REACTOR_LOCAL", "0"}, peer{Model: "a/b"}},
		{"a URL alone", "{url: 'http://box:8080'}", []string{"REACTOR_API_KEY", "k", "REACTOR_MODEL", "c/d"}, peer{URL: "http://box:8080", Local: true}},
		{"a URL of the environment", "{}", []string{"REACTOR_API_URL", "http://box:1"}, peer{URL: "http://box:1", Local: true}},
		{"a simulated one", "{sim: {clip: a.mp4}}", []string{"REACTOR_API_KEY", "k", "REACTOR_LOCAL", "1"}, peer{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustLoad(t, "session: "+tt.session+"\nsources: {cam: {file: x}}\nsinks: [{name: n, type: discard}]", Options{Env: env(tt.env...)})
			one := s.Sessions[0]
			if diff := cmp.Diff(tt.want, peer{one.Model, one.URL, one.APIKey, one.Token, one.Local}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if one.Sim != nil && one.Sim.Clip != filepath.Join(s.Dir, "a.mp4") {
				t.Errorf("clip: %s", one.Sim.Clip)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("rk_secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Parse(filepath.Join(dir, "p.yaml"), []byte(`
session: {model: "${MODEL}", api_key: "${file:secret}"}
sources: {cam: {file: "${CLIP:-clips/a.mp4}"}}
stages:
  - name: blur
    type: blur
    config:
      radius: ${RADIUS}
      kernel: {shape: "${SHAPE}"}
sinks:
  - name: steer
    type: command
    config:
      command: say
      dry_run: ${YES}
      data:
        injected: ${YAML}
        braces: a ${BRACES}${BRACE}{ 1 }}
        text: "${RADIUS}"
        number: ${RADIUS}
        price: $5 or $$6 or $${X}
        empty: "${EMPTY}"
        default: "${EMPTY:-d}"
        nothing: ${UNSET:-}
        null: ${NULL}
`), testRegistry(), Options{Env: env(
		"MODEL", "012", "RADIUS", "7", "SHAPE", "null", "YES", "true", "EMPTY", "", "NULL", "null",
		"YAML", "x, radius: 9}\n# y: [&a *b", "BRACES", "{{ 1 }}", "BRACE", "{",
	)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Sessions[0].Model != "012" || s.Sessions[0].APIKey != "rk_secret" {
		t.Errorf("session: %+v", s.Sessions[0])
	}
	if c := s.Stages[0].Config.(*blurConfig); c.Radius != 7 || c.Kernel.Shape != "null" {
		t.Errorf("blur: %+v", c)
	}
	if c := s.Sources[0].Config.(*fileConfig); c.File != "clips/a.mp4" {
		t.Errorf("cam: %+v", c)
	}
	c := s.Sinks[0].Config.(*commandConfig)
	want := map[string]any{
		"injected": "x, radius: 9}\n# y: [&a *b", "braces": "a {{ 1 }}{{ 1 }}", "text": "7", "number": 7,
		"price": "$5 or $6 or ${X}", "empty": "", "default": "d", "nothing": nil, "null": nil,
	}
	if diff := cmp.Diff(any(want), c.Data.Consts()); diff != "" || !c.DryRun {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

func TestSet(t *testing.T) {
	const file = `
session: {model: a/b}
sources: {cam: {track: main_video}}
stages:
  - &base {name: people, type: people_detect, rate: 5fps, config: &c {threshold: 0.5}}
  - {<<: *base, name: again}
  - {name: blur, type: blur}
sinks:
  - {name: log, type: log}
`
	s := mustLoad(t, file, Options{Set: []string{
		"people.rate=2fps", "people.config.threshold=0.9", "blur.config.radius=5", "blur.config.kernel.shape=round",
		"log.config.fields=[a, b]", "log.when=frame.seq % 2 == 0", "max_in_flight=4", "name=other",
		"session.url=http://localhost:1", "session.wait=5s", "cam.file=x=y.mp4",
	}})
	people, again := s.Stages[0], s.Stages[1]
	if people.Rate != 2 || people.Config.(*detectConfig).Threshold != 0.9 {
		t.Errorf("people: %+v %+v", people, people.Config)
	}
	if again.Rate != 5 || again.Config.(*detectConfig).Threshold != 0.5 {
		t.Errorf("the change reached another node: %+v %+v", again, again.Config)
	}
	if c := s.Stages[2].Config.(*blurConfig); c.Radius != 5 || c.Kernel.Shape != "round" {
		t.Errorf("blur: %+v", c)
	}
	if diff := cmp.Diff([]string{"a", "b"}, s.Sinks[0].Config.(*logConfig).Fields); diff != "" || s.Sinks[0].When == nil {
		t.Errorf("log: %s", diff)
	}
	if s.MaxInFlight != 4 || s.Name != "other" || s.Sessions[0].URL != "http://localhost:1" || s.Sessions[0].Model != "" || s.Sessions[0].Wait != 5*time.Second {
		t.Errorf("%+v", s)
	}
	if c, ok := s.Sources[0].Config.(*fileConfig); !ok || c.File != "x=y.mp4" {
		t.Errorf("cam: %+v", s.Sources[0].Config)
	}
}

func TestWarnings(t *testing.T) {
	s := mustLoad(t, `sources: {cam: {file: x}, spare: {file: y}}
stages:
  - {name: people, type: people_detect, from: cam, workers: 4}
  - {name: idle, type: blur}
sinks:
  - {name: log, type: log, from: people}
`, Options{})
	want := []string{
		"pipeline.yaml:3: stage \"people\": max_in_flight: 2 keeps at most that many of its 4 workers busy",
		"pipeline.yaml:1: source \"spare\": nothing takes its frames",
		"pipeline.yaml:4: stage \"idle\": nothing takes its frames",
	}
	if diff := cmp.Diff(want, s.Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecode(t *testing.T) {
	var c blurConfig
	if err := Decode("case", []byte("radius: 5"), &c, nil); err != nil || c.Radius != 5 {
		t.Errorf("got %v, %+v", err, c)
	}
	err := Decode("case", []byte("radius: 4"), &c, nil)
	if want := "case:1: radius: must be odd and positive, got 4"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = Decode("case", []byte("raduis: 4"), &c, nil)
	if want := `case:1: unknown field "raduis", did you mean "radius"?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := Decode("case", nil, &logConfig{}, nil); err != nil {
		t.Error(err)
	}
}

func TestLoadReadsFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "my pipe.v2.yaml")
	if err := os.WriteFile(path, []byte("sources: {cam: {file: x}}\nsinks: [{name: n, type: discard}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, testRegistry(), Options{})
	if err != nil || s.Name != "my-pipe.v2" || s.Path != path || s.Dir != dir {
		t.Errorf("got %v, %+v", err, s)
	}
	for path, want := range map[string]string{
		"missing.yaml": "missing.yaml: no such file or directory",
		dir:            dir + ": is a folder",
	} {
		if _, err := Load(path, testRegistry(), Options{}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A file that takes itself in gets its own text, once: what comes out of a
// variable is never looked at again.
func TestAFileThatTakesItselfIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipeline.yaml")
	const text = "session: {model: a/b, api_key: \"${file:pipeline.yaml}\"}\nsources: {cam: {file: x}}\nsinks: [{name: n, type: discard}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path, testRegistry(), Options{})
	if err != nil || s.Sessions[0].APIKey+"\n" != text {
		t.Errorf("got %v, %+v", err, s)
	}
}

func mustLoad(t *testing.T, text string, opt Options) *Spec {
	t.Helper()
	s, err := Parse("pipeline.yaml", []byte(text), testRegistry(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// env is an environment of names and values.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}
