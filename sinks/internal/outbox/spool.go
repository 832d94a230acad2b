package outbox

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// maxRecord bounds one record, in bytes: far more than any message, less
	// than what a damaged length could ask for.
	maxRecord = 64 << 20
	// maxMemory bounds what is remembered while the disk takes nothing.
	maxMemory = 4 << 20
)

var errBusy = errors.New("the folder is in use")

// spool is a queue of numbered records in the files of a folder. What the disk
// does not take stays in memory, within a bound, until it does. It is not safe
// for concurrent use.
type spool struct {
	dir        string
	maxBytes   int64
	maxSegment int64
	id         string // of the queue, over restarts
	lock       *os.File
	headFile   *os.File

	segments []*segment // the oldest first; only the last grows
	head     uint64     // the number of the oldest record
	offset   int64      // of head in the first segment
	memory   [][]byte   // behind all that is in the segments
	next     uint64     // the number of the next record
	cut      bool       // the next record on the disk begins a segment
	bytes    int64      // of all segments
	inMemory int64
	dirty    *segment // not forced onto the disk
	damage   int64    // bytes that were cut off as the folder was opened
}

// openSpool opens a folder, which it makes. errBusy says that another spool has
// it.
func openSpool(dir string, maxBytes int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &spool{dir: dir, maxBytes: maxBytes, maxSegment: min(max(maxBytes/16, 64<<10), 16<<20)}
	err := s.open()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *spool) open() (err error) {
	if s.lock, err = os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	switch err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); { //nolint:gosec // a small number
	case errors.Is(err, unix.EWOULDBLOCK):
		return errBusy
	case err != nil:
		return fmt.Errorf("lock %s: %w", s.lock.Name(), err)
	}
	if err := s.identify(); err != nil {
		return err
	}
	if s.headFile, err = os.OpenFile(filepath.Join(s.dir, "head"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := s.openSegments(); err != nil {
		return err
	}
	s.restoreHead()
	return nil
}

// identify reads the queue's identity, or makes one.
func (s *spool) identify() error {
	path := filepath.Join(s.dir, "id")
	id, err := os.ReadFile(path)
	if err == nil && len(id) >= 16 {
		s.id = string(id)
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.id = rand.Text()
	return os.WriteFile(path, []byte(s.id), 0o600)
}

func (s *spool) openSegments() error {
	entries, err := os.ReadDir(s.dir) // sorted, and so are the numbers
	if err != nil {
		return err
	}
	for _, e := range entries {
		var first uint64
		if n, _ := fmt.Sscanf(e.Name(), segmentPattern, &first); n != 1 || filepath.Base(segmentPath("", first)) != e.Name() {
			continue
		}
		seg, cut, err := openSegment(s.dir, first)
		if err != nil {
			return err
		}
		s.damage += cut
		s.segments = append(s.segments, seg)
		s.bytes += seg.size
		s.next = max(s.next, first+seg.count)
	}
	return nil
}

// restoreHead finds out what was acknowledged. Where that is not known it is
// nothing of what is there.
func (s *spool) restoreHead() {
	var b [12]byte
	if _, err := s.headFile.ReadAt(b[:], 0); err == nil && checksum(b[:8]) == binary.LittleEndian.Uint32(b[8:]) {
		s.head = binary.LittleEndian.Uint64(b[:8])
	}
	if s.next < s.head {
		s.next, s.cut = s.head, true
	}
	s.settle()
	if len(s.segments) > 0 {
		s.seek(s.segments[0])
	}
}

// settle makes head the number of a record that is there, if there is one, and
// removes segments that nothing is left of.
func (s *spool) settle() {
	for len(s.segments) > 0 {
		seg := s.segments[0]
		switch {
		case s.head < seg.first:
			s.head, s.offset = seg.first, 0
			return
		case s.head < seg.first+seg.count:
			return
		case len(s.segments) == 1 && seg.size < s.maxSegment && !s.cut:
			s.offset = seg.size
			return
		}
		s.drop()
	}
	s.offset = 0
}

// seek finds the offset of head in seg.
func (s *spool) seek(seg *segment) {
	s.offset = 0
	r := seg.from(0)
	for n := seg.first; n < min(s.head, seg.first+seg.count); n++ {
		b, err := next(r)
		if err != nil {
			return
		}
		s.offset += headerSize + int64(len(b))
	}
}

// drop removes the first segment.
func (s *spool) drop() {
	seg := s.segments[0]
	s.segments = s.segments[1:]
	s.bytes -= seg.size
	if s.dirty == seg {
		s.dirty = nil
	}
	_ = seg.remove() // one that stays is found acknowledged by the next run
	s.offset = 0
}

// put adds a record. What the bound leaves no room for are the oldest records:
// lost says how many. An error says why the disk does not take the record, which
// is in memory then, or else lost, too.
func (s *spool) put(record []byte) (lost uint64, err error) {
	if len(record) > maxRecord || headerSize+int64(len(record)) > s.maxBytes {
		return 1, fmt.Errorf("a message of %d bytes does not fit into a buffer of %d", len(record), s.maxBytes)
	}
	lost, err = s.flush()
	if err == nil {
		lost += s.makeRoom(headerSize + int64(len(record)))
		err = s.write(record)
	}
	switch {
	case err == nil:
	case s.inMemory+int64(len(record)) > maxMemory:
		return lost + 1, err
	default:
		s.memory = append(s.memory, slices.Clone(record))
		s.inMemory += int64(len(record))
	}
	s.next++
	return lost, err
}

// flush writes what is in memory.
func (s *spool) flush() (lost uint64, err error) {
	for len(s.memory) > 0 {
		record := s.memory[0]
		lost += s.makeRoom(headerSize + int64(len(record)))
		if err := s.write(record); err != nil {
			return lost, err
		}
		s.forget()
	}
	return lost, nil
}

// forget takes the first record out of memory.
func (s *spool) forget() {
	s.inMemory -= int64(len(s.memory[0]))
	s.memory = s.memory[1:]
}

// write writes a record, which follows all others on the disk.
func (s *spool) write(record []byte) error {
	if n := len(s.segments); n == 0 || s.cut || s.segments[n-1].size >= s.maxSegment {
		seg, err := createSegment(s.dir, s.next-uint64(len(s.memory)))
		if err != nil {
			return err
		}
		s.segments, s.cut = append(s.segments, seg), false
		s.settle()
	}
	seg := s.segments[len(s.segments)-1]
	if err := seg.append(record); err != nil {
		return err
	}
	s.bytes += headerSize + int64(len(record))
	s.dirty = seg
	return nil
}

// makeRoom removes the oldest segments until there is room, and returns how many
// records that costs.
func (s *spool) makeRoom(bytes int64) (lost uint64) {
	for s.bytes+bytes > s.maxBytes && len(s.segments) > 0 {
		end := s.segments[0].first + s.segments[0].count
		lost += end - min(end, s.head)
		s.head = max(s.head, end)
		s.drop()
		s.cut = s.cut || len(s.segments) == 0
		s.settle()
	}
	if lost > 0 {
		s.saveHead()
	}
	return lost
}

// peek returns the oldest records, so many at most and no more than so many
// bytes unless the first alone is larger, and the number of the first. Records
// that cannot be read any more are left out: lost says how many.
func (s *spool) peek(most, bytes int) (first uint64, records [][]byte, lost uint64) {
	for {
		if records = s.read(most, bytes); len(records) > 0 || s.waiting() == 0 {
			return s.head, records, lost
		}
		seg := s.segments[0]
		lost += seg.first + seg.count - s.head
		s.head = seg.first + seg.count
		s.cut = true
		s.settle()
	}
}

func (s *spool) read(most, bytes int) (records [][]byte) {
	take := func(b []byte) bool {
		if len(records) > 0 && (len(records) >= most || bytes < len(b)) {
			return false
		}
		bytes -= len(b)
		records = append(records, b)
		return true
	}
	offset, number := s.offset, s.head
	for _, seg := range s.segments {
		if seg.first != number && number != s.head {
			return records // numbers are missing: the rest comes with the next peek
		}
		r := seg.from(offset)
		for offset = 0; number < seg.first+seg.count; number++ {
			if b, err := next(r); err != nil || !take(b) {
				return records
			}
		}
	}
	if number != s.next-uint64(len(s.memory)) {
		return records
	}
	for _, b := range s.memory {
		if !take(b) {
			break
		}
	}
	return records
}

// ack removes all records before a number.
func (s *spool) ack(before uint64) {
	for before > s.head && s.head < s.next {
		if s.head >= s.next-uint64(len(s.memory)) {
			s.forget()
			s.head++
			s.cut = true
			continue
		}
		s.step()
	}
	s.settle()
	s.saveHead()
}

// step moves head by one record in the first segment.
func (s *spool) step() {
	seg := s.segments[0]
	var header [headerSize]byte
	if _, err := seg.file.ReadAt(header[:], s.offset); err == nil {
		s.offset += headerSize + int64(binary.LittleEndian.Uint32(header[:]))
	}
	s.head++
	if s.head >= seg.first+seg.count && len(s.segments) > 1 {
		s.settle()
	}
}

func (s *spool) saveHead() {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:], s.head)
	binary.LittleEndian.PutUint32(b[8:], checksum(b[:8]))
	_, _ = s.headFile.WriteAt(b[:], 0) // if that fails, the next run sends some again
}

// waiting returns how many records there are.
func (s *spool) waiting() uint64 {
	n := uint64(len(s.memory))
	for _, seg := range s.segments {
		end := seg.first + seg.count
		n += end - min(end, max(s.head, seg.first))
	}
	return n
}

// takeDirty returns the file to be forced onto the disk, if there is one.
func (s *spool) takeDirty() *os.File {
	if s.dirty == nil {
		return nil
	}
	f := s.dirty.file
	s.dirty = nil
	return f
}

// close closes the files. What is in memory only is lost.
func (s *spool) close() error {
	var errs []error
	for _, seg := range s.segments {
		errs = append(errs, seg.file.Close())
	}
	for _, f := range []*os.File{s.headFile, s.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
