package doctor

import (
	"encoding/json"
	"time"
)

// Status is what came of a check.
type Status string

// What can come of a check.
const (
	OK      Status = "ok"
	Warn    Status = "warn" // it works, but not as well as it could
	Fail    Status = "fail"
	Skipped Status = "skipped" // a hop before it failed
)

// Result is what one check found.
type Result struct {
	Name   string
	Status Status
	Detail string        // what is so
	Advice string        // what to do about it; "" for nothing
	Took   time.Duration // 0 where that says nothing
	Err    error         // what failed, for who decides on it; nil otherwise
}

// MarshalJSON writes what a program can use: name, status, detail, advice and
// took_ms.
func (r Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name   string  `json:"name"`
		Status Status  `json:"status"`
		Detail string  `json:"detail,omitempty"`
		Advice string  `json:"advice,omitempty"`
		TookMs float64 `json:"took_ms,omitempty"`
	}{r.Name, r.Status, r.Detail, r.Advice, float64(r.Took.Microseconds()) / 1000})
}

func ok(name, detail string) Result { return Result{Name: name, Status: OK, Detail: detail} }

func warn(name, detail, advice string) Result {
	return Result{Name: name, Status: Warn, Detail: detail, Advice: advice}
}
