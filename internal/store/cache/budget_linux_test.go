package cache

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The disk never holds more than it may, however much is streamed through it.
func TestBudget(t *testing.T) {
	const size, readers = 32 << 20, 8
	dir := t.TempDir()
	takes := func() int64 { return du(t, dir) - size/16 } // it adds up files one by one, while they change
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64m"); err == nil {
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		takes = func() int64 {
			var st syscall.Statfs_t
			if err := syscall.Statfs(dir, &st); err != nil {
				t.Error(err)
			}
			return int64(st.Blocks-st.Bfree) * st.Bsize
		}
	}
	c := openCache(t, dir, size)
	stop, done := make(chan struct{}), make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-stop:
				done <- most
				return
			default:
			}
			if takes := takes(); takes > size {
				t.Errorf("%d bytes on the disk, the limit is %d", takes, size)
			} else {
				most = max(most, takes)
			}
			if u := c.Usage(); u.Used > size {
				t.Errorf("%d bytes used", u.Used)
			}
		}
	}()
	var wg sync.WaitGroup
	var sent atomic.Int64
	for i := range readers {
		src := newSource(string(rune('a'+i)), 4*size/readers)
		wg.Go(func() {
			defer func() { sent.Add(src.sent.Load()) }()
			f := c.Object(src, int64(len(src.body)))
			defer f.Close()
			for off := 0; off < len(src.body); off += 128 << 10 {
				if err := tryRead(f, src.body, off, 128<<10); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// Together: what was fetched for a reader that gets no processor for long is driven out.
	if over := float64(sent.Load()) / (4 * size); over > 1.5 {
		t.Errorf("%.2f times what was read was fetched", over)
	}
	close(stop)
	if most := <-done; most < size/2 {
		t.Errorf("at most %d bytes were kept of %d", most, size)
	}
	settled(c)
	list, err := List(dir)
	said := int64(0)
	for _, k := range list {
		said += k.Bytes
	}
	if used := c.Usage().Used; err != nil || said > used || said < size/4 {
		t.Errorf("%d bytes are listed, %v, and %d used: what was evicted is not there", said, err, used)
	}
}

// lasting is a source whose answers do not end before a gate is opened.
type lasting struct {
	*source
	gate chan struct{}
}

type lastingAnswer struct {
	io.ReadCloser
	ctx  context.Context
	gate chan struct{}
}

func (l lasting) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	body, err := l.source.ReadRange(ctx, off, n)
	return lastingAnswer{body, ctx, l.gate}, err
}

func (a lastingAnswer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err == io.EOF {
		select {
		case <-a.gate:
		case <-a.ctx.Done():
		}
	}
	return n, err
}

// What many requests bring that are not over yet is reserved before they are sent.
func TestBudgetOfFetches(t *testing.T) {
	const size = 4 << 20
	c := openCache(t, t.TempDir(), size)
	part := c.unitsPer * unit
	gate := make(chan struct{})
	kept := int64(0)
	for i := range 2 * size / part {
		src := newSource(fmt.Sprint(i), 8*part)
		f := c.Object(lasting{src, gate}, int64(len(src.body)))
		defer f.Close()
		readAt(t, f, src.body, 0, part)
		kept += f.Kept()
	}
	if takes := du(t, c.dir); takes > size || kept < size/2 {
		t.Errorf("%d bytes are taken and %d kept, the limit is %d", takes, kept, size)
	}
	close(gate)
}

// Memory is back where it was after many readers.
func TestMemory(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", 32<<20)
	src.each = func(int64, int64) fault { return fault{} }
	before, goroutines := heap(), runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			f := c.Object(src, int64(len(src.body)))
			defer f.Close()
			rnd := rand.New(rand.NewPCG(uint64(i), 0))
			for range 5 {
				if err := tryRead(f, src.body, rnd.IntN(len(src.body)), 16<<10); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	settled(c)
	if !c.memory.TryAcquire(defaultMemory) {
		t.Error("memory is still reserved")
	}
	for end := time.Now().Add(10 * time.Second); heap() > before+2<<20 || runtime.NumGoroutine() > goroutines; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("heap %d before, %d after; %d goroutines, %d after", before, heap(), goroutines, runtime.NumGoroutine())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.objects) != 1 || c.open != 0 {
		t.Errorf("%d objects, %d open", len(c.objects), c.open)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A process that is killed while it fetches leaves a cache that the next one uses.
func TestKill(t *testing.T) {
	if dir := os.Getenv("CACHE_TEST_KILL"); dir != "" {
		readUntilKilled(t, dir)
	}
	dir := t.TempDir()
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	sources := killSources()
	for i := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "CACHE_TEST_KILL="+dir)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 4)); err != nil { // it reads
			t.Fatal(err)
		}
		time.Sleep(time.Duration(10+i*7) * time.Millisecond) // a moment like any other
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		c := openCache(t, dir, killSize)
		if strings.HasSuffix(c.dir, "/1") {
			t.Error("the lock of the killed process is held")
		}
		if u := c.Usage(); u.Objects == 0 {
			t.Error("nothing is left")
		}
		if takes := du(t, c.dir); takes > killSize {
			t.Errorf("%d bytes on the disk", takes)
		}
		for _, src := range sources {
			f := c.Object(src, int64(len(src.body)))
			readAt(t, f, src.body, 0, len(src.body))
			f.Close()
		}
		c.Close()
	}
}

const killSize = 16 << 20

func killSources() []*source {
	return []*source{newSource("a", 7<<20), newSource("b", 9<<20), newSource("c", 3<<20), newSource("d", 5<<20)}
}

func readUntilKilled(t *testing.T, dir string) {
	c := openCache(t, dir, killSize)
	sources := killSources()
	f := c.Object(sources[0], int64(len(sources[0].body)))
	readAt(t, f, sources[0].body, 0, 100)
	f.Close()
	os.Stdout.WriteString("go!\n") // there is something, however soon it is killed
	for range 4 {
		go func() {
			for {
				src := sources[rand.IntN(len(sources))]
				f := c.Object(src, int64(len(src.body)))
				off := rand.IntN(len(src.body))
				for range rand.IntN(20) {
					if err := tryRead(f, src.body, min(off, len(src.body)), 100_000); err != nil {
						panic(err)
					}
					off += 100_000
				}
				f.Close()
			}
		}()
	}
	select {}
}

// A disk that is full still reads, and what is there stays.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip(err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	c := openCache(t, dir, 64<<20)
	src := newSource("a", 16<<20)
	f := c.Object(src, int64(len(src.body)))
	defer f.Close()
	for range 2 {
		for off := 0; off < len(src.body); off += 128 << 10 {
			readAt(t, f, src.body, off, 128<<10)
		}
	}
	settled(c)
	if u := c.Usage(); u.Used < 1<<20 {
		t.Errorf("%+v: the disk has room for more", u)
	}
	if _, err := f.ReadContext(context.Background(), make([]byte, 10), 5); err != nil {
		t.Error(err)
	}
}
