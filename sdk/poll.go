package sdk

import "time"

// firstLook is the pause before the second look at what a server is still making.
// Pauses grow by a twentieth from one to the next: what took the server some time
// is found that part of it late, and 10 ms, and no server is asked more than 120
// times in the first minute. Doubling the pause, as is usual, would find an answer
// of 3 s seconds late.
const firstLook = 10 * time.Millisecond

// nextLook is the pause behind another.
func nextLook(pause, most time.Duration) time.Duration { return min(pause*21/20, most) }
