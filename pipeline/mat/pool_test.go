package mat

import (
	"testing"
	"unsafe"
)

func TestPoolLendsMemoryOnceAndAgain(t *testing.T) {
	var p pool
	a, b := take(t, &p, 100), take(t, &p, 100)
	if a.p == b.p {
		t.Fatal("two users got the same memory")
	}
	if uintptr(a.p)%alignment != 0 {
		t.Errorf("memory at %p, want it aligned to %d", a.p, alignment)
	}
	p.put(a)
	if c := take(t, &p, 200); c.p == a.p {
		t.Error("memory of 100 bytes was lent as 200")
	}
	if c := take(t, &p, 100); c.p != a.p {
		t.Error("idle memory was not used again")
	}
	if p.lent != 3 {
		t.Errorf("%d lent, want 3", p.lent)
	}
}

func TestPoolIsBounded(t *testing.T) {
	var p pool
	var bs []buffer
	for range 6 {
		bs = append(bs, take(t, &p, maxIdle/4))
	}
	for _, b := range bs {
		p.put(b)
	}
	if len(p.idle) != 4 || p.bytes != maxIdle {
		t.Errorf("%d buffers of %d bytes are idle, want 4 of %d", len(p.idle), p.bytes, maxIdle)
	}
	if p.idle[0].p != bs[2].p {
		t.Error("not the longest idle was freed")
	}
	free(p.surplus(0))
	if len(p.idle) != 0 || p.bytes != 0 {
		t.Errorf("%d buffers are idle after a trim", len(p.idle))
	}
}

func TestNoMemory(t *testing.T) {
	var p pool
	if _, err := p.take(1 << 62); err == nil {
		t.Fatal("2^62 bytes were lent")
	}
	if p.lent != 0 {
		t.Errorf("%d lent, want 0", p.lent)
	}
}

func take(t *testing.T, p *pool, size int) buffer {
	t.Helper()
	b, err := p.take(size)
	if err != nil {
		t.Fatal(err)
	}
	unsafe.Slice((*byte)(b.p), size)[size-1] = 1
	return b
}
