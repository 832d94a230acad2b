package exec

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"gocv.io/x/gocv"
	"golang.org/x/sys/unix"

	"github.com/reactorpipe/reactorpipe/pipeline"
	"github.com/reactorpipe/reactorpipe/pipeline/mat"
)

// memorySize has room for an 8K picture. Pages that no picture touches take no
// memory.
const memorySize = 3 * 7680 * 4320

// memory is shared with the program: one picture, rows without gaps. Its size is
// sealed, for whoever maps a file that another process cuts short dies of
// SIGBUS.
type memory struct {
	file  *os.File
	data  []byte
	order string // of the colours
}

func newMemory(order string) (*memory, error) {
	fd, err := unix.MemfdCreate("reactorpipe-frame", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("shared memory: %w", err)
	}
	m := &memory{file: os.NewFile(uintptr(fd), "reactorpipe-frame"), order: order}
	if err := m.open(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("shared memory: %w", err), m.close())
	}
	return m, nil
}

func (m *memory) open(fd int) error {
	if err := unix.Ftruncate(fd, memorySize); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return err
	}
	var err error
	m.data, err = unix.Mmap(fd, 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

// put writes the picture of f, which has one, into the memory, converted in that
// pass.
func (m *memory) put(f *pipeline.Frame) (*picture, error) {
	img := f.Image()
	c, ok := img.(pipeline.Converter)
	if !ok {
		return nil, fmt.Errorf("%s (%T) cannot convert itself", img.Format(), img)
	}
	to := pipeline.Format{Layout: pipeline.RGB24, Width: img.Format().Width, Height: img.Format().Height}
	if m.order == pixelsBGR {
		to.Layout = pipeline.BGR24
	}
	if to.Width <= 0 || to.Height <= 0 || to.Width > memorySize/3/to.Height {
		return nil, fmt.Errorf("a picture of %dx%d does not fit: there is room for 7680x4320", to.Width, to.Height)
	}
	p := &picture{Width: to.Width, Height: to.Height, Stride: 3 * to.Width}
	return p, c.ConvertTo(unsafe.Pointer(&m.data[0]), p.Stride, to)
}

// take gives f the picture that is in the memory.
func (m *memory) take(f *pipeline.Frame, p *picture) error {
	shared, err := gocv.NewMatFromBytes(p.Height, p.Width, gocv.MatTypeCV8UC3, m.data[:p.Stride*p.Height])
	if err != nil {
		return err
	}
	defer shared.Close()
	img, err := mat.New(p.Width, p.Height)
	if err != nil {
		return err
	}
	if err := m.copyTo(&shared, img.Mat()); err != nil {
		return errors.Join(err, img.Close())
	}
	f.Replace(img, pipeline.Identity())
	return nil
}

func (m *memory) copyTo(shared, to *gocv.Mat) error {
	if m.order == pixelsBGR {
		return shared.CopyTo(to)
	}
	return gocv.CvtColor(*shared, to, gocv.ColorRGBToBGR)
}

// close gives the memory back. Whoever else has it mapped keeps it.
func (m *memory) close() error {
	var err error
	if m.data != nil {
		err = unix.Munmap(m.data)
		m.data = nil
	}
	return errors.Join(err, m.file.Close())
}
