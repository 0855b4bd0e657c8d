package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// The model: whatever happens to the cache, its disk and the store, a read gives the
// object's bytes or an error, and the latter only where the store has failed.

// world is a cache that things happen to.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	dir     string
	size    int64
	c       *Cache
	sources []*source
	open    []opened
	failing bool // the store, sometimes
	damaged bool // since the last restart: the disk may have more than it was given
	log     []string
}

type opened struct {
	f   *File
	src *source
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), dir: t.TempDir(), size: 3 << 20}
	for i, n := range []int{1, 4095, unit, unit + 1, 300_000, 1 << 20, 1<<20 + 1, 2_500_000, 5 << 20, 100} {
		src := newSource(fmt.Sprint("object ", i), n)
		if i == 9 {
			src.key = ""
		}
		src.each = w.fault
		w.sources = append(w.sources, src)
	}
	w.restart()
	t.Cleanup(func() {
		w.c.Close()
		if t.Failed() {
			t.Logf("seed %d, the last steps: %q", seed, w.log[max(0, len(w.log)-30):])
		}
	})
	return w
}

// fault is called by fetches, which run beside the steps.
func (w *world) fault(off, n int64) fault {
	if !w.failing {
		return fault{}
	}
	switch rand.N(12) {
	case 0:
		return fault{err: errReset}
	case 1:
		return fault{err: syscall.EIO}
	case 2, 3:
		return fault{after: errReset, cut: rand.N(n + 1)}
	case 4, 5:
		return fault{after: io.EOF, cut: rand.N(n + 1)}
	case 6:
		return fault{err: errors.New("503")}
	case 7:
		return fault{err: os.ErrNotExist}
	}
	return fault{}
}

func (w *world) restart() {
	c, err := Open(w.dir, &Options{Size: w.size, Log: slog.New(slog.DiscardHandler), Deadline: func() time.Duration { return time.Minute }})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Scanned(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if c.dir != w.dir+"/0" {
		w.t.Fatalf("the lock of the last process is still held: %s", c.dir)
	}
	w.c, w.open, w.damaged = c, nil, false
}

func (w *world) step() {
	n := w.rnd.IntN(1000)
	switch {
	case n < 820:
		w.read()
	case n < 880:
		src := w.sources[w.rnd.IntN(len(w.sources))]
		w.note("open %q", src.key)
		w.open = append(w.open, opened{w.c.Object(src, int64(len(src.body))), src})
	case n < 930 && len(w.open) > 0:
		i := w.rnd.IntN(len(w.open))
		w.note("close %q", w.open[i].src.key)
		w.open[i].f.Close()
		w.open = append(w.open[:i], w.open[i+1:]...)
	case n < 950:
		w.damage()
	case n < 955:
		w.note("kill")
		kill(w.c)
		for range w.rnd.IntN(3) {
			w.damage()
		}
		w.restart()
	case n < 957:
		w.note("stop")
		w.c.Close()
		w.restart()
	case n < 965:
		settled(w.c)
		w.failing = !w.failing
		w.note("failing: %v", w.failing)
	case n < 975:
		w.whole()
	case n < 978:
		w.note("disk fails")
		w.c.failed(syscall.ENOSPC)
	case n < 985:
		w.c.mu.Lock()
		w.c.broken = time.Time{}
		w.c.mu.Unlock()
	default:
		settled(w.c)
		w.measure()
	}
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *world) read() {
	if len(w.open) == 0 {
		return
	}
	o := w.open[w.rnd.IntN(len(w.open))]
	off, n := w.rnd.IntN(len(o.src.body)+2), 1+w.rnd.IntN(100_000)
	for range 1 + w.rnd.IntN(3)*w.rnd.IntN(3) {
		w.note("read %q %d+%d", o.src.key, off, n)
		if err := tryRead(o.f, o.src.body, off, n); errors.Is(err, errWrongBytes) || err != nil && !w.failing {
			w.t.Fatalf("read of %d bytes at %d of %q: %v", n, off, o.src.key, err)
		}
		off += n
	}
}

// whole reads a complete file as the kernel would.
func (w *world) whole() {
	if len(w.open) == 0 {
		return
	}
	o := w.open[w.rnd.IntN(len(w.open))]
	read := func() (*os.File, error) { return o.f.Open(context.Background()) }
	if w.rnd.IntN(2) == 0 {
		read = o.f.Ready
	}
	f, err := read()
	w.note("whole %q: %v", o.src.key, err)
	if err != nil {
		return
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != string(o.src.body) {
		w.t.Fatalf("the whole of %q is %d bytes, %v", o.src.key, len(got), err)
	}
	// What the kernel reads by is closed with the file: nobody has told it of damage.
	for i := range w.open {
		if w.open[i].f == o.f {
			o.f.Close()
			w.open = append(w.open[:i], w.open[i+1:]...)
			return
		}
	}
}

// damage does something to one of the files.
func (w *world) damage() {
	list := files(w.t, w.c)
	if len(list) == 0 {
		return
	}
	w.damaged = true
	settled(w.c) // its writes would hide it, or undo it
	a, b := list[w.rnd.IntN(len(list))], list[w.rnd.IntN(len(list))]
	kind := w.rnd.IntN(5)
	w.note("damage %d %s %s", kind, a, b)
	f, err := os.OpenFile(a, os.O_RDWR, 0)
	if err != nil {
		return // it was evicted meanwhile
	}
	defer f.Close()
	fi, _ := f.Stat()
	switch off := w.rnd.Int64N(fi.Size() + 1); kind {
	case 0:
		_, _ = f.WriteAt([]byte{byte(w.rnd.Uint32()), 1, 2, 3}[:1+w.rnd.IntN(4)], min(off, max(fi.Size()-4, 0)))
	case 1:
		_ = f.Truncate(off)
	case 2:
		_ = os.Remove(a)
	case 3:
		_ = os.Rename(a, w.dir+"/x")
		_ = os.Rename(b, a)
		_ = os.Rename(w.dir+"/x", b)
	case 4: // a torn write
		_, _ = f.WriteAt(make([]byte, 4096), off&^511)
	}
}

// measure compares what the cache takes with what it may, and with what it says.
func (w *world) measure() {
	u := w.c.Usage()
	if u.Used > u.Limit || u.Used < 0 {
		w.t.Fatalf("%d bytes of %d are used", u.Used, u.Limit)
	}
	if takes := du(w.t, w.c.dir); takes > w.size && !w.damaged {
		w.t.Fatalf("the disk says %d bytes, the limit is %d (%+v)", takes, w.size, u)
	}
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	sum := int64(0)
	for _, o := range w.c.objects {
		sum += o.charged
		for _, b := range o.blocks {
			sum += b.charge
		}
	}
	if sum != w.c.used {
		w.t.Fatalf("%d bytes are accounted for, and %d used", sum, w.c.used)
	}
}

func TestModel(t *testing.T) {
	steps, worlds := 100_000, 20
	if testing.Short() {
		steps, worlds = 3_000, 3
	}
	for i := range worlds {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			w := newWorld(t, uint64(i))
			for range steps / worlds {
				w.step()
			}
			settled(w.c)
			w.measure()
		})
	}
}
