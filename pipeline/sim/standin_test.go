package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/sdk"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/helios"
	"github.com/reactorpipe/reactorpipe/sdk/gen/testdata/lingbot"
)

const schemas = "../../sdk/gen/testdata/"

// parse reads a document in its shortest form, for comparing.
func parse(t *testing.T, document []byte) *sdk.Schema {
	t.Helper()
	var short bytes.Buffer
	if err := json.Compact(&short, document); err != nil {
		t.Fatal(err)
	}
	s, err := sdk.ParseSchema(short.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A client finds the surface of the model that the simulator stands in for.
func TestStandInsSurface(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob(schemas + "*/schema.json")
	if err != nil || len(all) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, path := range all {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := parse(t, document)
			cfg := small()
			cfg.Schema = path
			session := connect(t, serve(t, cfg), sdk.Config{})
			answer, err := session.Schema(within(t))
			if err != nil {
				t.Fatal(err)
			}
			got := parse(t, answer)
			if diff := cmp.Diff(want.Commands, got.Commands, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.Messages, got.Messages, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			for _, track := range want.Tracks {
				if _, err := session.Track(track.Name); err != nil {
					t.Error(err)
				}
			}
			watch(t, session, "main_video").next()
		})
	}
}

// A typed client of a public model gets the answers that it was made for.
func TestStandInAnswers(t *testing.T) {
	t.Parallel()
	cfg := small()
	cfg.Schema = schemas + "helios/schema.json"
	session := connect(t, serve(t, cfg), sdk.Config{})
	next, stop := iter.Pull(session.Messages(within(t)))
	defer stop()
	said := func(typ string, want map[string]any) {
		t.Helper()
		for m, ok := next(); ok; m, ok = next() {
			if m.Type == typ && contains(m.Data, want) {
				return
			}
		}
		t.Fatalf("the model did not say %s %v", typ, want)
	}
	model := helios.New(session)

	accepted, err := model.SetPrompt(within(t), "rain at night")
	if err != nil || accepted.Prompt != "rain at night" {
		t.Errorf("a prompt: got %+v, %v", accepted, err)
	}
	image, err := session.Upload(within(t), strings.NewReader("png"), sdk.UploadInfo{Name: "a.png", Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	ready, err := model.SetConditioning(within(t), "fog", image)
	if err != nil || !ready.HasPrompt || !ready.HasImage {
		t.Errorf("conditions: got %+v, %v", ready, err)
	}
	if err := model.Start(within(t)); err != nil {
		t.Errorf("a start: %v", err)
	}
	said("generation_started", nil)
	said("state", map[string]any{"started": true, "running": true, "paused": false, "current_prompt": "fog", "image_set": true})
	if _, err := model.Pause(within(t)); err != nil {
		t.Errorf("a pause: %v", err)
	}
	said("generation_paused", nil)
	said("state", map[string]any{"running": false, "paused": true})
	if err := model.Reset(within(t)); err != nil {
		t.Errorf("a reset: %v", err)
	}
	said("generation_reset", nil)
	said("state", map[string]any{"started": false, "paused": false, "current_prompt": nil, "image_set": false})
	if _, err := session.Command(within(t), "set_image_strength", map[string]any{"image_strength": 2}); !errors.Is(err, sdk.ErrRefused) {
		t.Errorf("beyond the bounds: %v", err)
	}
}

// contains says that data has all of want.
func contains(data, want map[string]any) bool {
	for name, v := range want {
		if data[name] != v {
			return false
		}
	}
	return true
}

// A command changes the picture of a model that nobody has seen.
func TestStandInsPicture(t *testing.T) {
	t.Parallel()
	cfg := small()
	cfg.Schema = schemas + "lingbot/schema.json"
	session := connect(t, serve(t, cfg), sdk.Config{})
	v := watch(t, session, "main_video")
	first := v.colour()
	if err := lingbot.New(session).SetPrompt(within(t), "a street at night"); err != nil {
		t.Fatal(err)
	}
	v.until(func(c colour) bool { return c.light() < first.light()-15 && c.blue > c.red })
}

func TestSchemaRefused(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "s.json")
	if err := os.WriteFile(broken, []byte(`{"paths":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"none.json": "schema: open none.json: no such file or directory",
		broken:      "schema: " + broken + ": schema: unexpected end of JSON input",
	} {
		if _, err := Serve(t.Context(), Config{Schema: path}); !errors.Is(err, pipeline.ErrInvalid) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
