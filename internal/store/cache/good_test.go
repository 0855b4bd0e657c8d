package cache

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// notWhole fails where a file can be opened whole.
func notWhole(t *testing.T, when string, f *File) {
	t.Helper()
	if file, err := f.Ready(); !errors.Is(err, ErrIncomplete) {
		t.Errorf("%s it can be opened whole: %v", when, err)
		if err == nil {
			file.Close()
		}
	}
}

// A file of which a unit is missing is not opened whole, also where that is not in the block
// that was fetched last.
func TestUnitMissing(t *testing.T) {
	const size, missing = 3 << 20, 20
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", size)
	var until atomic.Int64 // nothing beyond it is fetched ahead
	src.each = func(off, n int64) fault {
		if off <= missing*unit && missing*unit < off+n || off+n > until.Load() {
			return fault{err: syscall.EIO}
		}
		return fault{}
	}
	f := c.Object(src, size)
	defer f.Close()
	c.mu.Lock()
	f.o.rested = true // nobody else fetches the rest
	c.mu.Unlock()
	for _, part := range [][2]int{{0, missing}, {missing + 1, 32}, {32, 48}} {
		until.Store(int64(part[1]) * unit)
		readAt(t, f, src.body, part[0]*unit, (part[1]-part[0])*unit)
		settled(c)
	}
	if f.Kept() != size-unit {
		t.Fatalf("%d bytes are kept", f.Kept())
	}
	notWhole(t, "with a unit missing", f)
	if _, err := f.Open(t.Context()); !errors.Is(err, ErrIncomplete) {
		t.Errorf("Open: %v", err)
	}
}

// rot changes bytes of units as a disk does that goes bad: the file's times stay as they are.
func rot(t *testing.T, f *File, units ...int64) {
	t.Helper()
	d := f.o.disk.Load()
	for _, u := range units {
		if _, err := d.data.WriteAt([]byte("rotten"), u*unit+99); err != nil {
			t.Fatal(err)
		}
	}
	s, err := stampOf(d.data)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.last = s
	d.mu.Unlock()
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	f.o.good = s
}

// A file of which a unit was found rotten is not opened whole before all of it was read again,
// though nobody has written to it.
func TestRotten(t *testing.T) {
	const size = 3 << 20
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", size)
	f := c.Object(src, size)
	defer f.Close()
	readAt(t, f, src.body, 0, size)
	settled(c)
	rot(t, f, 3, 20)
	src.each = func(int64, int64) fault { return fault{err: syscall.EIO} }
	if err := tryRead(f, src.body, 3*unit, 100); !errors.Is(err, syscall.EIO) {
		t.Fatalf("a rotten unit that cannot be fetched is read: %v", err)
	}
	notWhole(t, "with a rotten unit", f)
	src.each = nil
	readAt(t, f, src.body, 3*unit, 100)
	settled(c)
	notWhole(t, "with another rotten unit", f)
	readAt(t, f, src.body, 0, size)
	settled(c)
	file, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
}

// A file that was found right is not opened whole once it was changed, but looked at again.
func TestChangedSince(t *testing.T) {
	const size = 3 << 20
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", size)
	f := c.Object(src, size)
	defer f.Close()
	readAt(t, f, src.body, 0, size)
	settled(c)
	file, err := f.Ready()
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	path := c.dir + "/" + f.o.name
	other, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.WriteAt([]byte("other"), 20*unit)
	long := time.Now().Add(-time.Hour) // for clocks that stand still for milliseconds
	if err = errors.Join(err, other.Close(), os.Chtimes(path, long, long)); err != nil {
		t.Fatal(err)
	}
	notWhole(t, "changed", f)
	if _, err := f.Open(t.Context()); !errors.Is(err, ErrIncomplete) {
		t.Errorf("changed, Open: %v", err)
	}
	if err := NewFiller(1).Fill(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if file, err = f.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, src.body) {
		t.Errorf("filled again, it has %d bytes, right: %v, %v", len(got), bytes.Equal(got, src.body), err)
	}
}

// What a look at the cache found damaged is missing after a restart, whatever the seal says.
func TestSealOfMissing(t *testing.T) {
	const size = 3<<20 + 100 // of the last unit no more is given back than is in the account
	dir := t.TempDir()
	c := openCache(t, dir, 64<<20)
	src := newSource("a", size)
	f := c.Object(src, size)
	readAt(t, f, src.body, 0, size)
	settled(c)
	f.Close()
	c.Close()
	sums, err := os.OpenFile(c.dir+"/"+f.o.name+sumsSuffix, os.O_WRONLY, 0)
	if err == nil {
		_, err = sums.WriteAt([]byte("other"), header+48*sumSize)
		sums.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	list, err := List(dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if n, err := Verify(t.Context(), list[0]); n != 1 || err != nil {
		t.Fatalf("%d damaged, %v", n, err)
	}
	c = openCache(t, dir, 64<<20)
	f = c.Object(src, size)
	defer f.Close()
	notWhole(t, "after a restart", f)
	readAt(t, f, src.body, 0, size)
}
