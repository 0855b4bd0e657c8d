//go:build linux

package nodes

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Own lets threads of the daemon walk its mount, as attaching something in it
// needs; all other threads' requests are refused.
type Own struct {
	mu      sync.Mutex // guards what follows
	threads map[int]bool
	dev     int // /dev/fuse, connected to the mount; 0: not known
}

// Connected says by which descriptor the daemon is connected to its mount.
func (o *Own) Connected(dev int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dev = dev
}

// Do runs fn on a thread whose requests are answered. It must not be called from
// a request's handler, which would wait for itself. What fn opens it must close:
// descriptors are its own.
//
// A daemon that dies while one of its threads waits for an answer of its own
// would never be gone: kill -9 does not end that wait, and the thread would keep
// /dev/fuse open, so that the kernel would not give the request up either. So the
// thread has a table of files without it.
func (o *Own) Do(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread() // but the first one would stay, files and all
			done <- o.Do(fn)
			return
		}
		done <- o.do(fn)
	}()
	return <-done
}

func (o *Own) do(fn func() error) error {
	o.mu.Lock()
	dev := o.dev
	o.mu.Unlock()
	if dev != 0 {
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		_ = unix.Close(dev)
	}
	tid := unix.Gettid()
	o.set(tid, true)
	defer o.set(tid, false)
	return fn()
}

func (o *Own) set(tid int, may bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.threads == nil {
		o.threads = make(map[int]bool)
	}
	if may {
		o.threads[tid] = true
	} else {
		delete(o.threads, tid)
	}
}

func (o *Own) may(tid int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.threads[tid]
}
