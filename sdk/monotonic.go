package sdk

import "time"

// processStart is what [Monotonic] counts from.
var processStart = time.Now() //nolint:gochecknoglobals // set once, never changed

// Monotonic is the clock for [Sample.CaptureTime]: it never steps, and means
// nothing to anybody but this process. It is never 0.
func Monotonic() time.Duration { return max(time.Since(processStart), 1) }
