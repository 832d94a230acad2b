package outbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// headerSize is that of a record: the length of what follows and its checksum,
// four bytes each, little endian.
const headerSize = 8

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// segment is a file of records. Its name is the number of the first.
type segment struct {
	file  *os.File
	first uint64
	count uint64
	size  int64
}

const segmentPattern = "%020d.seg"

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf(segmentPattern, first))
}

func createSegment(dir string, first uint64) (*segment, error) {
	f, err := os.OpenFile(segmentPath(dir, first), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &segment{file: f, first: first}, nil
}

// openSegment opens what an earlier run left. What follows the last whole record
// is cut off: so many bytes.
func openSegment(dir string, first uint64) (s *segment, cut int64, err error) {
	f, err := os.OpenFile(segmentPath(dir, first), os.O_RDWR, 0)
	if err != nil {
		return nil, 0, err
	}
	s = &segment{file: f, first: first}
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		n, err := skip(r)
		if err != nil {
			break
		}
		s.count++
		s.size += n
	}
	info, err := f.Stat()
	if err == nil {
		cut = info.Size() - s.size
		err = f.Truncate(s.size)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return s, cut, nil
}

// skip reads a whole record and returns how many bytes it takes.
func skip(r *bufio.Reader) (int64, error) {
	b, err := next(r)
	return headerSize + int64(len(b)), err
}

var errTorn = errors.New("record is torn")

// next reads a record.
func next(r io.Reader) ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(header[:])
	if n == 0 || n > maxRecord {
		return nil, errTorn
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	if checksum(b) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, errTorn
	}
	return b, nil
}

// append adds a record. After an error the segment is what it was before.
func (s *segment) append(record []byte) error {
	b := make([]byte, headerSize, headerSize+len(record))
	binary.LittleEndian.PutUint32(b, uint32(len(record))) //nolint:gosec // at most maxRecord
	binary.LittleEndian.PutUint32(b[4:], checksum(record))
	n, err := s.file.WriteAt(append(b, record...), s.size)
	if err != nil {
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.size += int64(n)
	s.count++
	return nil
}

// from returns a reader of the records from an offset on.
func (s *segment) from(offset int64) io.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(s.file, offset, s.size-offset), 64<<10)
}

// remove closes the segment and deletes its file.
func (s *segment) remove() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
