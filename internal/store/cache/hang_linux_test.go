package cache

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// hangVar has the test binary be a file system instead, "FROM:AT", which hangs when it
// is stopped.
const hangVar = "CACHE_TEST_LOOPBACK"

func TestMain(m *testing.M) {
	if what := os.Getenv(hangVar); what != "" {
		serveLoopback(what)
		return
	}
	os.Exit(m.Run())
}

func serveLoopback(what string) {
	from, at, _ := strings.Cut(what, ":")
	root, err := fusefs.NewLoopbackRoot(from)
	if err == nil {
		var srv *fuse.Server
		srv, err = fusefs.Mount(at, root, &fusefs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "loopback"}})
		if err == nil {
			fmt.Println("ready")
			srv.Wait()
			return
		}
	}
	fmt.Println(err)
}

// slowDisk is a directory on a file system of a process of its own.
func slowDisk(t *testing.T) (dir string, p *os.Process) {
	if os.Getuid() != 0 {
		t.Skip("needs root for a file system that can hang")
	}
	from, at := t.TempDir(), t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), hangVar+"="+from+":"+at)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(at, unix.MNT_FORCE) // what waits for it gets an error
		_ = unix.Unmount(at, unix.MNT_DETACH)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	said := make([]byte, 100)
	n, _ := out.Read(said)
	if got := string(said[:n]); got != "ready\n" {
		t.Skipf("no file system that can hang: %s", got)
	}
	return at, cmd.Process
}

// dropPages has a file's content read from the disk again.
func dropPages(t *testing.T, c *Cache) {
	for _, path := range files(t, c) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// fetching returns how many requests there are that are not over.
func fetching(c *Cache) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, o := range c.objects {
		for _, b := range o.blocks {
			n += len(b.fetches)
		}
	}
	return n
}

// A disk that hangs costs a moment: then everything is read from the store, nobody
// waits for the disk any more, and when it is back it is used again.
func TestHungDisk(t *testing.T) {
	const deadline = 8 * time.Second
	dir, disk := slowDisk(t)
	options := &Options{Size: 64 << 20, Deadline: func() time.Duration { return deadline }}
	c, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Scanned(t.Context()); err != nil {
		t.Fatal(err)
	}
	there, closed, other := newSource("there", 3<<20), newSource("closed", 3<<20), newSource("other", 3<<20)
	f, g := c.Object(there, 3<<20), c.Object(closed, 3<<20)
	readAt(t, f, there.body, 0, 3<<20)
	readAt(t, g, closed.body, 0, 3<<20)
	settled(c)
	g.Close()
	dropPages(t, c)
	goroutines := runtime.NumGoroutine()
	if err := disk.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Signal(syscall.SIGCONT) })

	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			for k := range 3 {
				src := []*source{there, closed, other}[(i+k)%3]
				h := c.Object(src, 3<<20)
				if err := tryRead(h, src.body, i%200*10_000, 200_000); err != nil {
					t.Errorf("%s: %v", src.key, err)
				}
				h.Close()
			}
		})
	}
	wg.Wait()
	start := time.Now()
	readAt(t, f, there.body, 0, 3<<20)
	if took := time.Since(start); took > c.patience() {
		t.Errorf("a read while it is known that the disk hangs took %v", took)
	}
	// Timers that have gone off are goroutines too, for a moment.
	most := goroutines + gateSlots + fetching(c) + 10
	for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > most; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines wait, there were %d", runtime.NumGoroutine(), goroutines)
		}
	}
	if _, err := f.Ready(); !errors.Is(err, ErrIncomplete) {
		t.Errorf("whole: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "more"), options); !errors.Is(err, errHung) {
		t.Errorf("a cache on it is opened: %v", err)
	}

	if err := disk.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		back := c.keeping()
		c.mu.Unlock()
		if back {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it answers again, and nothing is kept")
		}
	}
	h := c.Object(other, 3<<20)
	readAt(t, h, other.body, 0, 3<<20)
	before := other.requests.Load() + there.requests.Load()
	readAt(t, h, other.body, 0, 3<<20)
	readAt(t, f, there.body, 0, 3<<20)
	if asked := other.requests.Load() + there.requests.Load() - before; asked != 0 {
		t.Errorf("%d requests for what is kept", asked)
	}
	h.Close()
	f.Close()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
