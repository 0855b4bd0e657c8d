package cache

import (
	"errors"
	"os"
	"testing"
	"time"
)

// What this process alone has written is right without being read again, in however many
// requests it came; what another wrote into as well is not.
func TestOwnHands(t *testing.T) {
	const size = 3 << 20
	for _, touched := range []bool{false, true} {
		c := openCache(t, t.TempDir(), 64<<20)
		src := newSource("a", size)
		f := c.Object(src, size)
		readAt(t, f, src.body, 0, unit)
		settled(c)
		d := f.o.disk.Load()
		if touched {
			_, err := d.data.WriteAt([]byte{src.body[7] + 1}, 7)
			long := time.Now().Add(-time.Hour) // for clocks that stand still for milliseconds
			if err = errors.Join(err, os.Chtimes(d.data.Name(), long, long)); err != nil {
				t.Fatal(err)
			}
		}
		readAt(t, f, src.body, unit, size-unit)
		settled(c)
		c.mu.Lock()
		f.o.good = stamp{}
		c.mu.Unlock()
		if got := c.complete(f.o, src); got == touched {
			t.Errorf("changed by another: %v; complete: %v", touched, got)
		}
		f.Close()
		c.Close()
	}
}

// Room that was taken for a request comes back when the request ends early.
func TestAllotted(t *testing.T) {
	const size = 8 << 20
	c := openCache(t, t.TempDir(), 1<<30)
	src := newSource("a", size)
	broken := true
	src.each = func(off, n int64) fault {
		switch {
		case !broken:
			return fault{}
		case off == 0:
			return fault{cut: 1 << 20, after: errReset}
		}
		return fault{err: errReset}
	}
	f := c.Object(src, size)
	defer f.Close()
	if err := tryRead(f, src.body, 0, size); err == nil {
		t.Fatal("a broken answer was whole")
	}
	settled(c)
	if takes, used := du(t, c.dir), c.Usage().Used; takes > 2<<20 || takes > used {
		t.Errorf("after 1 MiB of 8 came, %d bytes are taken, and %d accounted for", takes, used)
	}
	broken = false
	readAt(t, f, src.body, 0, size)
}
