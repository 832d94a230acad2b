package sdk

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// StepRecord is what the server keeps of a finished step, for some minutes, also
// after the session.
type StepRecord struct {
	Step     uint64      `json:"step"`
	Files    []StepFile  `json:"files"`
	Usage    []StepUsage `json:"usage"`
	Messages []struct {
		Type string         `json:"type"`
		Data map[string]any `json:"data"`
	} `json:"messages"` // what the model said since the step before; the last 256
	// Failure is why the model could not generate, SaveFailure why there are no
	// files; both "" if all is well.
	Failure     string `json:"error"`
	SaveFailure string `json:"save_error"`
	Timings     struct {
		GenerateSeconds *float64 `json:"generate_s"` // nil if not measured
		EncodeSeconds   *float64 `json:"encode_s"`
	} `json:"timings"`
}

// StepUsage is one track's media in a step's file.
type StepUsage struct {
	Kind    string  `json:"kind"`
	Track   string  `json:"track"`
	File    string  `json:"file"`
	Seconds float64 `json:"duration_s"`
	Frames  int     `json:"frames"`
	FPS     float64 `json:"fps"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
}

const opStepFiles = "step_files"

// Steps returns the numbers of the steps that the server keeps, in order. It
// matches [ErrNotFound] where it keeps none.
func (s *Session) Steps(ctx context.Context) ([]uint64, error) {
	var out struct {
		Steps []uint64 `json:"steps"`
	}
	path, err := s.stepsPath()
	if err != nil {
		return nil, err
	}
	err = s.api.poll(ctx, exchange{op: opStepFiles, hop: "list of steps", method: http.MethodGet, path: path, out: &out})
	return out.Steps, err
}

// StepRecord returns what the server keeps of a step. It is written some time
// after the step's result; until then it matches [ErrNotFound].
func (s *Session) StepRecord(ctx context.Context, step uint64) (StepRecord, error) {
	var out StepRecord
	path, err := s.stepsPath()
	if err != nil {
		return out, err
	}
	err = s.api.poll(ctx, exchange{op: opStepFiles, hop: "step record", method: http.MethodGet, path: fmt.Sprintf("%s/%d", path, step), out: &out})
	return out, err
}

// DownloadStepFile writes a file that [StepRecord.Files] names to w. It is held
// in memory until it is whole.
func (s *Session) DownloadStepFile(ctx context.Context, step uint64, name string, w io.Writer) error {
	path, err := s.stepsPath()
	if err != nil {
		return err
	}
	u, err := url.Parse(s.api.base + fmt.Sprintf("%s/%d/%s", path, step, url.PathEscape(name)))
	if err != nil {
		return gpuErrorf(CodeInternal, opStepFiles, "%v", errNotWeb(s.api.base))
	}
	got, err := s.api.get(ctx, exchange{op: opStepFiles, hop: "step file", timeout: segmentTimeout}, u, maxSegment)
	if err != nil {
		return err
	}
	if _, err := w.Write(got.body); err != nil {
		return fmt.Errorf("%s: %w", opStepFiles, err)
	}
	return nil
}

// stepsPath is where the steps lie: a local runtime files them under an id that
// only who started the session knows.
func (s *Session) stepsPath() (string, error) {
	id := s.id
	if s.cfg.Local {
		id = s.cfg.recording
	}
	if id == "" {
		return "", gpuErrorf(CodeInvalidState, opStepFiles, "only the client that started a stepped session knows where a local runtime keeps its steps")
	}
	return "/sessions/" + url.PathEscape(id) + "/steps", nil
}

// poll runs an exchange until its answer is no longer "not yet".
func (a *api) poll(ctx context.Context, x exchange) error {
	for {
		status, err := a.do(ctx, x)
		if err != nil || status != http.StatusAccepted {
			return err
		}
		if err := pause(ctx, longClipPause, x.op); err != nil {
			return err
		}
	}
}

// newRecording is an id for a session's recording: a random UUID.
func newRecording() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
