//go:build !unix

package sdk

import "syscall"

func receiveBuffer(syscall.Conn) (int, bool) { return 0, false }
