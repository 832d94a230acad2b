//go:build !linux

package sdk

import "syscall"

func receiveDrops(syscall.Conn) (uint64, bool) { return 0, false }
