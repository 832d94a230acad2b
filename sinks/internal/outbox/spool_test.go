package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func openTest(t *testing.T, dir string, size int64) *spool {
	t.Helper()
	s, err := openSpool(dir, size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func closeTest(t *testing.T, s *spool) {
	t.Helper()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s *spool, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if lost, err := s.put([]byte(text)); lost > 0 || err != nil {
			t.Fatalf("put %q: %d lost, %v", text, lost, err)
		}
	}
}

// all returns what is in the spool.
func all(s *spool) []string {
	_, records, _ := s.peek(1<<20, 1<<30)
	var texts []string
	for _, r := range records {
		texts = append(texts, string(r))
	}
	return texts
}

func TestSpoolOverRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	s := openTest(t, dir, 1<<20)
	id := s.id
	put(t, s, "a", "b", "c")
	first, _, _ := s.peek(1, 1)
	s.ack(first + 1)
	closeTest(t, s)

	s = openTest(t, dir, 1<<20)
	if s.id != id {
		t.Errorf("it has another id: %s, then %s", id, s.id)
	}
	put(t, s, "d")
	first, records, _ := s.peek(2, 100)
	if first != 1 || len(records) != 2 {
		t.Errorf("%d records from %d, want 2 from 1", len(records), first)
	}
	if diff := cmp.Diff(all(s), []string{"b", "c", "d"}); diff != "" {
		t.Error(diff)
	}
	s.ack(4)
	closeTest(t, s)

	s = openTest(t, dir, 1<<20)
	if got := all(s); got != nil || s.waiting() != 0 {
		t.Errorf("got %q, %d", got, s.waiting())
	}
	put(t, s, "e")
	if first, _, _ := s.peek(1, 1); first != 4 {
		t.Errorf("a number is used again: %d", first)
	}
}

func TestSpoolOfOneFolder(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, 1<<20)
	if _, err := openSpool(dir, 1<<20); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	closeTest(t, s)
	openTest(t, dir, 1<<20)
}

// A crash may end a record anywhere.
func TestSpoolTorn(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, 1<<20)
	put(t, s, "first", "second", "third")
	closeTest(t, s)
	path := segmentPath(dir, 0)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	two := 2*headerSize + len("first") + len("second")
	for n := two; n < len(whole); n++ {
		for name, content := range map[string][]byte{
			"cut":    whole[:n],
			"zeroes": append(bytes.Clone(whole[:n]), make([]byte, len(whole)-n)...),
			"flip":   flip(whole, n),
		} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openTest(t, dir, 1<<20)
			put(t, s, "next")
			if diff := cmp.Diff(all(s), []string{"first", "second", "next"}); diff != "" {
				t.Errorf("%s at %d: %s", name, n, diff)
			}
			closeTest(t, s)
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0xff
	return b
}

// Where it is not known what was taken, all that is there is sent again.
func TestSpoolWithoutHead(t *testing.T) {
	for name, content := range map[string][]byte{"gone": nil, "damaged": []byte("twelve bytes"), "short": []byte("x")} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir, 1<<20)
			put(t, s, "a", "b")
			s.ack(1)
			closeTest(t, s)
			path := filepath.Join(dir, "head")
			err := os.Remove(path)
			if content != nil {
				err = os.WriteFile(path, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all(openTest(t, dir, 1<<20)), []string{"a", "b"}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSpoolKeepsTheNewest(t *testing.T) {
	const size, record = 1 << 20, 1000
	s := openTest(t, t.TempDir(), size)
	lost := uint64(0)
	for n := range 3000 {
		l, err := s.put(fmt.Appendf(make([]byte, 0, record), "%0*d", record, n))
		if err != nil {
			t.Fatal(err)
		}
		lost += l
	}
	if s.bytes > size {
		t.Errorf("it takes %d bytes of %d", s.bytes, size)
	}
	got := all(s)
	if n := uint64(len(got)); n+lost != 3000 || n < 900 || s.waiting() != n {
		t.Errorf("%d are there, %d wait, %d lost", n, s.waiting(), lost)
	}
	if want := fmt.Sprintf("%0*d", record, lost); got[0] != want {
		t.Errorf("the first is not number %d", lost)
	}
	first, _, _ := s.peek(1, 1)
	s.ack(first - 10) // of some that were thrown away meanwhile
	if len(all(s)) != len(got) {
		t.Error("others were acknowledged")
	}
	if lost, err := s.put(make([]byte, size)); lost != 1 || err == nil || err.Error() != "a message of 1048576 bytes does not fit into a buffer of 1048576" {
		t.Errorf("too large: %d lost, %v", lost, err)
	}
}

// Where a record can be read no more the rest of its segment is left out and counted,
// and what is put then is sent.
func TestSpoolThatGoesBad(t *testing.T) {
	s := openTest(t, t.TempDir(), 1<<20)
	put(t, s, "a", "b", "c")
	if _, err := s.segments[0].file.WriteAt([]byte("x"), headerSize+int64(len("a"))+headerSize); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(s), []string{"a"}); diff != "" {
		t.Error(diff)
	}
	s.ack(1)
	put(t, s, "d", "e")
	if first, records, lost := s.peek(10, 100); lost != 4 || first != 5 || len(records) != 0 {
		t.Errorf("%q from %d, %d lost; want none from 5, and four lost", records, first, lost)
	}
	put(t, s, "f", "g")
	if first, _, lost := s.peek(10, 100); first != 5 || lost != 0 {
		t.Errorf("from %d, %d lost again", first, lost)
	}
	dir := s.dir
	closeTest(t, s)
	if diff := cmp.Diff(all(openTest(t, dir, 1<<20)), []string{"f", "g"}); diff != "" {
		t.Errorf("in the next run: %s", diff)
	}
}

// smallDisk mounts one.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small disk can be mounted here (%v): a full one is not tried", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no room on a disk, until the file is removed.
func fill(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "other")
	if err := os.WriteFile(file, make([]byte, 8<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return file
}

// What was kept in memory while the disk was full finds room on it within the bound,
// at the cost of the oldest.
func TestSpoolBoundAfterAFullDisk(t *testing.T) {
	const size, record = 200 << 10, 1000
	dir := smallDisk(t, "1m")
	s := openTest(t, filepath.Join(dir, "buffer"), size)
	n := 0
	body := func() []byte { n++; return fmt.Appendf(nil, "%0*d", record, n-1) }
	for range 100 {
		put(t, s, string(body()))
	}
	other := fill(t, dir)
	for range 150 {
		if lost, err := s.put(body()); lost > 0 {
			t.Fatalf("%d lost, %v", lost, err)
		}
	}
	if len(s.memory) < 100 {
		t.Fatalf("%d in memory: the disk was not full", len(s.memory))
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	lost, err := s.flush()
	if err != nil || len(s.memory) > 0 || s.bytes > size {
		t.Errorf("%d in memory and %d bytes of %d on the disk: %v", len(s.memory), s.bytes, size, err)
	}
	got := all(s)
	if uint64(len(got))+lost != uint64(n) || lost == 0 || got[0] != fmt.Sprintf("%0*d", record, lost) {
		t.Errorf("%d are there and %d lost of %d", len(got), lost, n)
	}
}

func TestSpoolOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, "64k")
	s := openTest(t, filepath.Join(dir, "buffer"), 10<<20)
	put(t, s, "0")
	other := fill(t, dir)
	record := bytes.Repeat([]byte("x"), 10_000)
	inMemory, lost := 0, uint64(0)
	for range 500 {
		l, err := s.put(record)
		switch {
		case l == 0 && errors.Is(err, unix.ENOSPC):
			inMemory++
		case err == nil:
			t.Fatal("the disk has room")
		}
		lost += l
	}
	if inMemory != maxMemory/10_000 || lost != uint64(500-inMemory) {
		t.Errorf("%d in memory, %d lost", inMemory, lost)
	}
	if n := len(all(s)); n != inMemory+1 {
		t.Errorf("%d can be sent, want %d", n, inMemory+1)
	}
	s.ack(uint64(inMemory)) // all but one
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	put(t, s, "last")
	closeTest(t, s)
	s = openTest(t, s.dir, 10<<20)
	if diff := cmp.Diff(all(s), []string{string(record), "last"}); diff != "" {
		t.Error(diff)
	}
}

// Whatever happens in whatever order, what was put and not acknowledged is
// there.
func TestSpoolLikeAList(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			dir := t.TempDir()
			s := openTest(t, dir, 4<<20)
			var want []string
			n := 0
			for range 300 {
				switch rnd.IntN(6) {
				case 0, 1, 2:
					text := fmt.Sprintf("%d %0*d", n, rnd.IntN(30_000), n)
					put(t, s, text)
					want = append(want, text)
					n++
				case 3, 4:
					first, records, lost := s.peek(1+rnd.IntN(4), 1+rnd.IntN(50_000))
					k := rnd.IntN(len(records) + 1)
					s.ack(first + uint64(k))
					want = want[k:]
					if lost > 0 {
						t.Fatalf("%d lost", lost)
					}
				case 5:
					closeTest(t, s)
					s = openTest(t, dir, 4<<20)
				}
				if s.waiting() != uint64(len(want)) {
					t.Fatalf("%d wait, want %d", s.waiting(), len(want))
				}
			}
			got := all(s)
			if len(got) != len(want) {
				t.Fatalf("%d are there, want %d", len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%d is another", i)
				}
			}
		})
	}
}
