//go:build unix

package doctor

import "golang.org/x/sys/unix"

func descriptors() Result {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return descriptorResult(uint64(limit.Cur), err) //nolint:unconvert // signed on some systems
}
