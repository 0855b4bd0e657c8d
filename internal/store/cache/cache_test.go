package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// What was read once is read from the disk, also by the next process.
func TestReadTwice(t *testing.T) {
	dir := t.TempDir()
	src := newSource("a", 20<<20+17)
	for i := range 3 {
		c := openCache(t, dir, 64<<20)
		f := c.Object(src, int64(len(src.body)))
		for off := 0; off < len(src.body); off += 128 << 10 {
			readAt(t, f, src.body, off, 128<<10)
		}
		readAt(t, f, src.body, len(src.body), 10)
		if sent := src.sent.Load(); sent != int64(len(src.body)) {
			t.Errorf("pass %d: %d bytes sent, want %d", i, sent, len(src.body))
		}
		if n := src.requests.Load(); n > 40 {
			t.Errorf("pass %d: %d requests", i, n)
		}
		f.Close()
		if i == 1 {
			kill(c)
		} else if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// However many read a unit, it is fetched once; the fetch goes on when they leave.
func TestOneFetch(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", 4<<20)
	gate := make(chan struct{})
	src.each = func(int64, int64) fault { return fault{gate: gate} }
	f := c.Object(src, int64(len(src.body)))
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := f.ReadContext(ctx, make([]byte, 100), 1<<20)
		left <- err
	}()
	for src.requests.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			g := c.Object(src, int64(len(src.body)))
			defer g.Close()
			if err := tryRead(g, src.body, 1<<20, 4096); err != nil {
				t.Error(err)
			}
		})
	}
	for end := time.Now().Add(20 * time.Second); waiting(c) < 50; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d wait for what is fetched, want 50", waiting(c))
		}
	}
	close(gate)
	wg.Wait()
	if n := src.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// waiting returns how many wait for what is being fetched.
func waiting(c *Cache) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, o := range c.objects {
		for _, b := range o.blocks {
			for _, f := range b.fetches {
				n += f.waiters
			}
		}
	}
	return n
}

// Random reads fetch hardly more than they read.
func TestRandomReads(t *testing.T) {
	c := openCache(t, t.TempDir(), 256<<20)
	src := newSource("a", 128<<20)
	f := c.Object(src, int64(len(src.body)))
	defer f.Close()
	asked := 0
	for i := range 30 {
		off := (i*37%64)<<21 + 4096*(i%300)
		for half := range 2 { // as the kernel sends 256 KiB
			readAt(t, f, src.body, off+half<<17, 128<<10)
		}
		asked += 256 << 10
	}
	settled(c)
	if over := float64(src.sent.Load()) / float64(asked); over > 1.3 {
		t.Errorf("fetched %.2f times what was read", over)
	}
}

// Two caches on one directory do not see each other.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	src := newSource("a", 1<<20)
	var last *Cache
	for range 3 {
		c := openCache(t, dir, 64<<20)
		if last != nil && c.Dir() == last.Dir() {
			t.Errorf("both have %s", c.Dir())
		}
		f := c.Object(src, 1<<20)
		readAt(t, f, src.body, 0, 1<<20)
		f.Close()
		last = c
	}
	if n := src.requests.Load(); n != 3 {
		t.Errorf("%d requests, want one by each", n)
	}
	first := dir + "/0"
	last.Close()
	if c := openCache(t, dir, 64<<20); c.Dir() == first || c.Dir() != last.Dir() {
		t.Errorf("a third has %s, want %s", c.Dir(), last.Dir())
	}
}

// An answer that breaks off is asked for again from there; what fails is an error for
// who asked, and nothing of it is kept.
func TestFaults(t *testing.T) {
	const size = 6 << 20
	for name, c := range map[string]struct {
		fault fault
		want  error // nil: the read succeeds
	}{
		"reset":     {fault{after: errReset, cut: 700_000}, nil},
		"short":     {fault{after: io.EOF, cut: 700_000}, nil},
		"no answer": {fault{err: errReset}, syscall.EIO},
		"gone":      {fault{err: os.ErrNotExist}, os.ErrNotExist},
		"refused":   {fault{err: syscall.EACCES}, syscall.EACCES},
		"stall":     {fault{gate: make(chan struct{})}, os.ErrDeadlineExceeded},
		"extra":     {fault{extra: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var deadline atomic.Int64 // what does not wait for it has long, on any machine
			deadline.Store(int64(20 * time.Second))
			if name == "stall" {
				deadline.Store(int64(300 * time.Millisecond))
			}
			cache, err := Open(t.TempDir(), &Options{Size: 64 << 20, Deadline: func() time.Duration { return time.Duration(deadline.Load()) }})
			if err != nil {
				t.Fatal(err)
			}
			defer cache.Close()
			src := newSource("a", size)
			broken := true
			src.each = func(int64, int64) fault {
				if broken {
					return c.fault
				}
				return fault{}
			}
			f := cache.Object(src, size)
			defer f.Close()
			_, err = f.ReadContext(t.Context(), make([]byte, 4<<20), 0)
			if c.want == nil && name != "extra" && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			settled(cache)
			if kept := f.Kept(); name == "extra" && kept > 0 {
				t.Errorf("%d bytes are kept of answers to something else", kept)
			}
			broken = false
			deadline.Store(int64(20 * time.Second))
			readAt(t, f, src.body, 0, size)
		})
	}
}

// A disk that is full, or gone, costs nothing but the cache.
func TestDiskFails(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 64<<20)
	src := newSource("a", 3<<20)
	f := c.Object(src, 3<<20)
	defer f.Close()
	if err := os.Rename(c.dir, c.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	for off := 0; off < 3<<20; off += 100_000 {
		readAt(t, f, src.body, off, 100_000)
	}
	if err := os.Rename(c.dir+"-away", c.dir); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.broken = time.Time{}
	c.mu.Unlock()
	readAt(t, f, src.body, 0, 3<<20)
	before := src.requests.Load()
	readAt(t, f, src.body, 0, 3<<20)
	if src.requests.Load() != before {
		t.Error("the disk is back, and nothing is kept")
	}
}

// Content without a key is read, and not kept.
func TestNoKey(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("", 3<<20)
	f := c.Object(src, 3<<20)
	readAt(t, f, src.body, 5, 3<<20)
	f.Close()
	if list := files(t, c); len(list) > 0 {
		t.Errorf("kept: %q", list)
	}
}

// What was fetched ahead for a file is given up when the file is closed.
func TestCloseEndsReadingAhead(t *testing.T) {
	c := openCache(t, t.TempDir(), 512<<20)
	src := newSource("a", 64<<20)
	gate := make(chan struct{})
	src.each = func(off, _ int64) fault {
		if off >= 1<<20 {
			return fault{gate: gate}
		}
		return fault{}
	}
	f := c.Object(src, 64<<20)
	for off := 0; off < 1<<20; off += 128 << 10 {
		readAt(t, f, src.body, off, 128<<10)
	}
	f.Close()
	start := time.Now()
	settled(c)
	if took := time.Since(start); took > 5*time.Second { // it waits ten for the gate
		t.Errorf("requests went on for %v", took)
	}
	if n := src.sent.Load(); n > 2<<20 {
		t.Errorf("%d bytes were fetched for 1 MiB", n)
	}
}

// A File is an Object.
func TestAsObject(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", 3<<20+5)
	f := c.Object(src, int64(len(src.body)))
	defer f.Close()
	var o store.Object = f
	r, err := o.ReadRange(t.Context(), 1<<20, 100<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, src.body[1<<20:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
