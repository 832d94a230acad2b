package caption_test

import (
	"context"
	"errors"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reactorpipe/reactorpipe/examples/caption/caption"
	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
	"github.com/reactorpipe/reactorpipe/pipeline/pipetest"
)

// serve is the service, and the settings with it.
func serve(t *testing.T, answer http.HandlerFunc, more string) pipetest.Case {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return pipetest.Case{Register: caption.Register, Kind: "caption", Config: "{url: \"" + s.URL + "\"" + more + "}", Live: mat.Live}
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, text)
	}
}

// sleep answers when nobody asks any more. A server notices that only once it
// has read the question.
func sleep(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestContract(t *testing.T) { pipetest.Stage(t, serve(t, say(`{"text": "a street"}`), "")) }

func process(t *testing.T, ctx context.Context, c pipetest.Case) (texts []pipeline.Text, err error) {
	t.Helper()
	f := pipetest.NewFrame(t, pipeline.Format{Layout: pipeline.I420, Width: 160, Height: 120})
	defer f.Release()
	stage := pipetest.NewStage(t, c)
	defer stage.(*caption.Caption).Close()
	err = stage.Process(ctx, f)
	texts, _ = pipeline.Get(f, pipeline.Texts)
	return texts, err
}

func TestCaption(t *testing.T) {
	var width int
	var token string
	service := serve(t, func(w http.ResponseWriter, r *http.Request) {
		picture, err := jpeg.Decode(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		width, token = picture.Bounds().Dx(), r.Header.Get("Authorization")
		io.WriteString(w, `{"text": "a street at dusk", "score": 0.5}`)
	}, ", width: 80, token: secret")
	got, err := process(t, t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.Text{{Text: "a street at dusk", Score: 0.5, Box: pipeline.Box{Width: 160, Height: 120}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if width != 80 || token != "Bearer secret" {
		t.Errorf("the service got a picture %d wide, and %q", width, token)
	}
}

// Whatever a service does costs one frame its answer, and no more.
func TestAServiceThatFails(t *testing.T) {
	tests := []struct {
		name, more string
		answer     http.HandlerFunc
		want       string
	}{
		{"refuses", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "answers 429 Too Many Requests"},
		{"speaks otherwise", "", say("<html>"), "answers no JSON: invalid character '<' looking for beginning of value"},
		{"floods", "", say(`"` + strings.Repeat("x", 1<<20)), "answers no JSON: unexpected end of JSON input"},
		{"sleeps", ", timeout: 20ms", sleep, "context deadline exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := process(t, t.Context(), serve(t, tt.answer, tt.more))
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) || got != nil {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

// A run that ends does not wait for the service.
func TestTheEndOfTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	service := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		sleep(w, r)
	}, ", timeout: 1h")
	if _, err := process(t, ctx, service); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		change func(*caption.Config)
		want   string
	}{
		{func(c *caption.Config) { c.URL = "localhost:9000" }, `url: must be an http or https URL, got "localhost:9000"`},
		{func(c *caption.Config) { c.Timeout = 0 }, "timeout: must be above 0s, got 0s"},
		{func(c *caption.Config) { c.Width = 0 }, "width: must be positive, got 0"},
	}
	for _, tt := range tests {
		cfg := caption.Default()
		cfg.URL = "http://localhost:9000"
		tt.change(&cfg)
		if err := cfg.Validate(); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
