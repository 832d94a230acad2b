package sessiontest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// StepResults says whether the results of steps are kept, to be fetched over
// HTTP by the id of the session's recording.
type StepResults struct {
	Enabled bool
	Keep    time.Duration // after each step; 300 s if 0
}

const (
	// maxResultMessages is how many messages of a step are kept.
	maxResultMessages = 256
	// outputFile holds the pictures of a step.
	outputFile = "output.mp4"
)

// stepResult is what is kept of one step.
type stepResult struct {
	document []byte
	files    []StepFile
	expires  time.Time
}

// results are those of all sessions, by the ids of their recordings.
type results struct {
	mu sync.Mutex // guards of
	of map[string]map[uint64]*stepResult
}

// resultFile is a file in the words of the document.
type resultFile struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Size        int    `json:"size"`
}

// usage is what a step delivered on one track.
type usage struct {
	Kind     string  `json:"kind"`
	Track    string  `json:"track"`
	File     string  `json:"file"`
	Duration float64 `json:"duration_s"`
	Frames   int     `json:"frames"`
	FPS      float64 `json:"fps"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
}

// keepStep files the result of a step that ran, where results are kept, and
// says whether it did.
func (x *session) keepStep(s *Step, failure string) bool {
	messages := x.takeMessages()
	if !x.srv.cfg.StepResults.Enabled {
		x.note(eventStepDone, object{"step": s.Number, "saved": false, "error": orNull(failure)})
		return false
	}
	begun := time.Now()
	files, used := []StepFile{}, []usage{}
	if failure == "" {
		if film, u := x.srv.model.film(s); film != nil {
			files, used = append(files, StepFile{outputFile, "video/mp4", film}), u
		}
		files = append(files, s.files...)
	}
	listed := []resultFile{}
	for _, f := range files {
		listed = append(listed, resultFile{f.Name, f.ContentType, len(f.Data)})
	}
	document, err := json.Marshal(object{
		"step": s.Number, "session_id": x.recording, "files": listed, "usage": used, "messages": messages,
		"error": orNull(failure), "save_error": nil,
		"timings": object{"generate_s": s.Elapsed.Seconds(), "encode_s": time.Since(begun).Seconds()},
	})
	if err != nil {
		x.log.Error("step result not kept", "step", s.Number, "err", err)
		return false
	}
	x.srv.results.put(x.recording, s.Number, &stepResult{document, files, time.Now().Add(x.srv.cfg.StepResults.Keep)})
	x.note(eventStepDone, object{"step": s.Number, "saved": true, "error": orNull(failure)})
	x.note(eventStepSaved, object{"session_id": x.recording, "step": s.Number, "files": listed, "usage": used, "generate_s": s.Elapsed.Seconds()})
	return true
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// put, get and list are the store of step results.
func (r *results) put(id string, step uint64, result *stepResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(time.Now())
	if r.of == nil {
		r.of = map[string]map[uint64]*stepResult{}
	}
	if r.of[id] == nil {
		r.of[id] = map[uint64]*stepResult{}
	}
	r.of[id][step] = result
}

func (r *results) get(id string, step uint64) *stepResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(time.Now())
	return r.of[id][step]
}

func (r *results) list(id string) []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(time.Now())
	return slices.Sorted(maps.Keys(r.of[id]))
}

// sweep throws away what is too old. r.mu is held.
func (r *results) sweep(now time.Time) {
	for id, steps := range r.of {
		for n, result := range steps {
			if now.After(result.expires) {
				delete(steps, n)
			}
		}
		if len(steps) == 0 {
			delete(r.of, id)
		}
	}
}

func (s *Server) listSteps(w http.ResponseWriter, r *http.Request) {
	steps := s.results.list(r.PathValue("sid"))
	if len(steps) == 0 {
		refuse(w, http.StatusNotFound, "No step results for this session")
		return
	}
	answer(w, http.StatusOK, object{"steps": steps})
}

// stepOf finds the result that a request names. It answers the request itself
// if there is none.
func (s *Server) stepOf(w http.ResponseWriter, r *http.Request) *stepResult {
	text := r.PathValue("step")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		violateInt(w, "path", "step", text)
		return nil
	}
	result := s.results.get(r.PathValue("sid"), uint64(n))
	if result == nil {
		refuse(w, http.StatusNotFound, "Step result not found")
	}
	return result
}

func (s *Server) getStep(w http.ResponseWriter, r *http.Request) {
	if result := s.stepOf(w, r); result != nil {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(result.document)
	}
}

func (s *Server) getStepFile(w http.ResponseWriter, r *http.Request) {
	result := s.stepOf(w, r)
	if result == nil {
		return
	}
	i := slices.IndexFunc(result.files, func(f StepFile) bool { return f.Name == r.PathValue("file") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "Step file not found")
		return
	}
	w.Header().Set("Content-Type", result.files[i].ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(result.files[i].Data)))
	_, _ = w.Write(result.files[i].Data)
}
