package doctor

import (
	"fmt"
	"time"
)

func clockResult(kept bool) Result {
	if kept {
		return ok("clock", "kept right by the system")
	}
	return warn("clock", "nobody keeps it right, as far as the kernel knows", "run chrony or systemd-timesyncd, here or on the host")
}

// mostSkew is how far a clock may be off. Tokens are dropped a minute before
// their end.
const mostSkew = 30 * time.Second

// skew compares our clock with a server's, which tells whole seconds.
func skew(server, now time.Time) (Result, bool) {
	off := now.Sub(server).Round(time.Second)
	if off.Abs() <= mostSkew {
		return Result{}, false
	}
	word := "ahead of"
	if off < 0 {
		word = "behind"
	}
	return warn("clock", fmt.Sprintf("%s %s the server's", off.Abs(), word), "set it: tokens seem to end at other times than they do"), true
}
