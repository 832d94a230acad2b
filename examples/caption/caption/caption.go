// Package caption is a stage that talks to a service: it sends pictures to an
// HTTP server and sets the words that come back. The server takes a JPEG as the
// body of a POST and answers with {"text": "…", "score": 0.9}.
//
// It belongs beside the line (`async: true`): a picture then is the newest there
// is whenever the service is free, and the frames that follow carry the last
// answer for `ttl`.
package caption

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/config"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// Config is what stands under `config:` in a pipeline's file.
type Config struct {
	// URL of the service.
	URL string `yaml:"url"`
	// Timeout of one question. The node's own deadline has to be longer.
	Timeout config.Duration `yaml:"timeout"`
	// Width of the picture that is sent, in pixels; a larger one is made
	// smaller first.
	Width int `yaml:"width"`
	// Token is sent as a bearer token, such as ${CAPTION_TOKEN}.
	Token string `yaml:"token"`
}

// Default waits two seconds.
func Default() Config { return Config{Timeout: config.Duration(2 * time.Second), Width: 640} }

// Validate refuses what makes no sense. The message begins with the field.
func (c *Config) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("url: must be an http or https URL, got %q", c.URL)
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("timeout: must be above 0s, got %s", c.Timeout)
	}
	if c.Width < 1 {
		return fmt.Errorf("width: must be positive, got %d", c.Width)
	}
	return nil
}

// Register adds the kind to r.
func Register(r *pipeline.Registry) {
	pipeline.RegisterStage(r, pipeline.StageKind[Config]{
		Name: "caption", Default: Default, New: New,
		Pixels: pipeline.Pixels{Read: pipeline.BGR},
		Sets:   []pipeline.AnyKind{pipeline.Texts},
	})
}

// Caption sets one text, over the whole picture.
type Caption struct {
	cfg    Config
	client *http.Client
	asked  func(float64) // a counter of its own, besides those of the graph
}

var _ pipeline.Stage = (*Caption)(nil)

// New returns a caption stage. It does not talk to the service: one that starts
// later than we do is nothing wrong with the pipeline.
func New(env pipeline.Env, cfg Config) (pipeline.Stage, error) {
	return &Caption{
		cfg: cfg, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
		asked: env.Metrics.Counter("bytes_sent_total", "Bytes of pictures sent to the service."),
	}, nil
}

// Process asks about one picture. What goes wrong is an error of this frame: the
// graph counts it, says it at a bounded rate, and asks again with the next one.
func (c *Caption) Process(ctx context.Context, f *pipeline.Frame) error {
	img := f.Image()
	if img == nil {
		return pipeline.ErrNoPixels
	}
	in := img.Format()
	picture, err := c.jpeg(f, in)
	if err != nil {
		return err
	}
	c.asked(float64(len(picture)))
	answer, err := c.ask(ctx, picture)
	if err != nil {
		return err
	}
	all := pipeline.Box{Width: float64(in.Width), Height: float64(in.Height)}
	pipeline.Set(f, pipeline.Texts, []pipeline.Text{{Text: answer.Text, Score: answer.Score, Box: all}})
	return nil
}

// jpeg returns the picture as it is sent: made smaller and converted in one
// pass, and for as long only as it is encoded.
func (c *Caption) jpeg(f *pipeline.Frame, in pipeline.Format) ([]byte, error) {
	const quality = 85
	if in.Width <= c.cfg.Width {
		return mat.JPEG(f, quality)
	}
	small, err := mat.Scaled(f, c.cfg.Width, max(1, in.Height*c.cfg.Width/in.Width))
	if err != nil {
		return nil, err
	}
	return mat.EncodeJPEG(small, quality)
}

type answer struct {
	Text  string  `json:"text"`
	Score float64 `json:"score"`
}

// mostAnswer bounds what a service gone wild can make us read, in bytes.
const mostAnswer = 64 << 10

// ask sends a picture and reads the answer, within the timeout and for as long
// as ctx lives: a run that ends does not wait for a service.
func (c *Caption) ask(ctx context.Context, picture []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout.Std())
	defer cancel()
	var a answer
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(picture))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "image/jpeg")
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return a, err
	}
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%s answers %s", c.cfg.URL, resp.Status)
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, fmt.Errorf("%s answers no JSON: %w", c.cfg.URL, err)
	}
	return a, nil
}

// Close lets go of the connection.
func (c *Caption) Close() error {
	c.client.CloseIdleConnections()
	return nil
}
