package cache

import (
	"context"
	"io"
	"os"
	"strconv"
	"testing"
	"time"
)

// What a process left that was a second one once goes after a day, but not what one has open
// that has run for so long.
func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	var slots []*Cache
	for i := range 4 {
		c := openCache(t, dir, 64<<20)
		src := newSource(strconv.Itoa(i), 1<<20)
		f := c.Object(src, 1<<20)
		readAt(t, f, src.body, 0, 1<<20)
		settled(c)
		f.Close()
		slots = append(slots, c)
	}
	long := time.Now().Add(-2 * abandoned)
	for _, i := range []int{1, 2} { // in use, and left
		if err := os.Chtimes(slots[i].dir+"/lock", long, long); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{0, 2, 3} {
		slots[i].Close()
	}
	first := openCache(t, dir, 64<<20)
	settled(first)
	for i, want := range []int{2, 2, 0, 2} {
		if got := len(files(t, slots[i])); got != want {
			t.Errorf("in place %d are %d files, want %d", i, got, want)
		}
	}
}

// deaf is a source whose answers do not end with what asked for them.
type deaf struct {
	*source
	gate chan struct{}
}

func (d deaf) ReadRange(_ context.Context, off, n int64) (io.ReadCloser, error) {
	d.requests.Add(1)
	<-d.gate
	return d.source.ReadRange(context.Background(), off, n)
}

// A directory is given to others only when nothing of this process's writes there any more.
func TestCloseWaits(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := deaf{newSource("a", 1<<20), make(chan struct{})}
	f := c.Object(src, 1<<20)
	defer f.Close()
	ctx, leave := context.WithCancel(t.Context())
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = f.ReadContext(ctx, make([]byte, 10), 0)
	}()
	for src.requests.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	<-read
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	select {
	case err := <-closed:
		t.Errorf("closed while a fetch goes on: %v", err)
	case <-time.After(50 * time.Millisecond): // it must wait for ever
		if s, err := lockSlot(c.dir); err == nil {
			s.release()
			t.Error("another could take the directory while a fetch goes on")
		}
		close(src.gate)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	}
	s, err := lockSlot(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.release()
}
