package doctor

import "golang.org/x/sys/unix"

// clock asks the kernel whether somebody keeps the clock right (adjtimex(2)). A
// token's end, a frame's time and a file's name hang on it.
func clock() Result {
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err != nil {
		return warn("clock", "the kernel does not tell: "+err.Error(), "")
	}
	return clockResult(state.Status&unix.STA_UNSYNC == 0)
}
