package ffmpeg

/*
#include "thread.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/asticode/go-astiav"
)

// thread is one of the system's in which units are decoded, while the goroutine
// that wants them waits as it would for a socket. Decoding takes milliseconds, and
// Go looks every 20 µs after a call into C that lasts: with two cores that took 0.3
// to 0.5 ms of CPU for each picture of 720p.
type thread struct {
	c       *C.rp_thread
	results *os.File // of the units, as C writes an int
	end     *os.File // the other one of the pipe, which C writes to
	result  [C.sizeof_int]byte
}

// startThread returns one that nobody else uses, for a context that is open.
func startThread(ctx *astiav.CodecContext) (*thread, error) {
	results, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c, err := C.rp_thread_start(contextOf(ctx), C.int(end.Fd()))
	if c == nil {
		return nil, errors.Join(fmt.Errorf("thread: %w", err), results.Close(), end.Close())
	}
	return &thread{c: c, results: results, end: end}, nil
}

// send has a unit decoded and waits for the end of that.
func (t *thread) send(data []byte, pts int64, keyframe bool) error {
	key := C.int(0)
	if keyframe {
		key = 1
	}
	ret := C.rp_thread_send(t.c, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(data))), C.int(len(data)), C.int64_t(pts), key)
	if ret < 0 {
		return check(ret)
	}
	if _, err := t.results.Read(t.result[:]); err != nil { // an int comes whole
		return err
	}
	return check(*(*C.int)(unsafe.Pointer(&t.result)))
}

// stop ends the thread. Nothing is being decoded.
func (t *thread) stop() error {
	if t == nil {
		return nil
	}
	C.rp_thread_stop(t.c)
	return errors.Join(t.end.Close(), t.results.Close())
}
