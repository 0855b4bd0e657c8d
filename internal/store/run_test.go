//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hung mounts a FUSE file system whose server never answers. revive closes the
// connection, so that what waits for it fails.
func hung(t testing.TB, dir, fstype string) (revive func()) {
	t.Helper()
	needRoot(t)
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("needs /dev/fuse to make a mount that hangs: %v", err)
	}
	must(t, os.MkdirAll(dir, 0o755))
	must(t, unix.Mount(fstype, dir, fstype, 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)))
	var once sync.Once
	revive = func() { once.Do(func() { unix.Close(fd) }) }
	t.Cleanup(func() {
		revive()
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return revive
}

func (l *Local) inFlight(path string) int {
	return l.mountOf(l.host(), path).gate.inUse()
}

// Only file systems that were asked for something have calls to count.
func TestInFlight(t *testing.T) {
	file := mkfile(t, openDir(t)+"/f", 0o644)
	l := NewLocal(nil)
	if got := l.InFlight(); len(got) > 0 {
		t.Errorf("before any call: %v", got)
	}
	_, err := l.Lstat(t.Context(), file)
	must(t, err)
	if got := l.InFlight(); len(got) != 1 {
		t.Errorf("after calls to one file system of %d mounts: %v", len(l.mounts.current(true).mounts), got)
	}
}

// TestHungMount: calls to a mount that hangs end at their deadline, hold a
// bounded number of threads, take nothing from other mounts, and their slots
// come back when the mount does.
func TestHungMount(t *testing.T) {
	dir := openDir(t)
	well := mkfile(t, dir+"/well", 0o644)
	bad := dir + "/bad"
	must(t, os.Symlink(bad+"/x", dir+"/link"))
	revive := hung(t, bad, "fuse.hung")
	const slots = 4
	l := NewLocal(&Options{AsCaller: true, Deadline: time.Second, InFlight: slots})

	calls := map[string]func(context.Context) error{
		"lstat":   func(ctx context.Context) error { _, err := l.Lstat(ctx, bad+"/x"); return err },
		"readdir": func(ctx context.Context) error { _, err := l.ReadDir(ctx, bad+"/x"); return err },
		"open":    func(ctx context.Context) error { _, _, err := l.OpenWith(ctx, bad+"/x", nil); return err },
		"resolve": func(ctx context.Context) error { _, err := l.Resolve(ctx, bad+"/x"); return err },
		"link":    func(ctx context.Context) error { _, err := l.Resolve(ctx, dir+"/link"); return err },
		"access":  func(ctx context.Context) error { return l.Access(ctx, bad+"/x", 4) },
		"do": func(ctx context.Context) error {
			return l.Do(ctx, bad, func() error { _, err := os.Stat(bad + "/x"); return err })
		},
	}
	var wg sync.WaitGroup
	begin := time.Now()
	for name, call := range calls {
		for i := range 4 {
			wg.Go(func() {
				err := call(ctxOf(i%2*alice, 0))
				if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), bad+" (fuse.hung)") {
					t.Errorf("%s: error %v, want the deadline's, naming %s", name, err, bad)
				}
			})
		}
	}
	wg.Wait()
	if took := time.Since(begin); took < l.Deadline() || took > 20*l.Deadline() { // one after the other they take longer
		t.Errorf("took %v, want about %v", took, l.Deadline())
	}
	if n := l.inFlight(bad + "/x"); n != slots {
		t.Errorf("%d calls in flight, want all %d slots taken", n, slots)
	}
	if l.Searchable(context.Background(), bad+"/x") {
		t.Error("what hangs is called searchable")
	}
	l.Reconfigure(nil, time.Minute) // what works may be slow on a busy machine
	if _, err := l.Lstat(ctxOf(alice, 0), well); err != nil {
		t.Errorf("a file on another mount: %v", err)
	}
	if n := l.inFlight(well); n != 0 {
		t.Errorf("%d slots of the other mount are taken", n)
	}
	revive()
	eventually(t, "the slots are free", func() bool { return l.inFlight(bad+"/x") == 0 })
	if _, err := l.Lstat(context.Background(), bad+"/x"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the mount came back: error %v, want its own", err)
	}
}

// TestLateFileIsClosed: what an access opens after its requester left is closed.
func TestLateFileIsClosed(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector closes files as well
	file := mkfile(t, openDir(t)+"/f", 0o644)
	l := NewLocal(&Options{Deadline: 20 * time.Millisecond, InFlight: 1})
	l.inline = func(*mount) bool { return false } // as on a file server
	opened, goOn := make(chan struct{}, 1), make(chan struct{})
	eventually(t, "an access is begun in time", func() bool {
		_, _, err := l.OpenWith(context.Background(), file, func(int, Attr) error { opened <- struct{}{}; <-goOn; return nil })
		wantErr(t, "open", err, os.ErrDeadlineExceeded)
		return l.inFlight(file) == 1
	})
	<-opened
	if !isOpen(t, file) {
		t.Fatal("the access under way does not have the file open")
	}
	close(goOn)
	eventually(t, "the file is closed", func() bool { return !isOpen(t, file) && l.inFlight(file) == 0 })
}

// isOpen reports whether this process has a file open. Their number alone does not
// tell: the collector closes what earlier tests have left.
func isOpen(t *testing.T, file string) bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && target == file {
			return true
		}
	}
	return false
}

// TestContext: only a caller that is still queueing can be interrupted.
func TestContext(t *testing.T) {
	file := mkfile(t, openDir(t)+"/f", 0o644)
	l := NewLocal(&Options{InFlight: 1})
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Lstat(gone, file); err != nil {
		t.Errorf("with a free slot and an interrupt: %v, want an answer", err)
	}
	var finished atomic.Bool
	ctx, interrupt := context.WithCancel(context.Background())
	err := l.Do(ctx, file, func() error {
		interrupt()
		_, err := l.Lstat(ctx, file) // the only slot is taken
		wantErr(t, "interrupted in the queue", err, syscall.EINTR)
		wantErr(t, "interrupted in the queue", err, context.Canceled)
		time.Sleep(10 * time.Millisecond)
		finished.Store(true)
		return nil
	})
	if err != nil || !finished.Load() {
		t.Errorf("interrupted at work: %v, finished %v; want it to finish", err, finished.Load())
	}
}

func TestOpenKinds(t *testing.T) {
	dir := openDir(t)
	must(t, unix.Mkfifo(dir+"/fifo", 0o666))
	file := mkfile(t, dir+"/real/f", 0o644)
	must(t, os.Symlink("f", dir+"/real/link"))
	must(t, os.Symlink("real", dir+"/dirlink"))
	l := NewLocal(&Options{Roots: []string{dir}})
	for path, want := range map[string]error{
		file: nil, dir + "/real": syscall.EINVAL, dir + "/fifo": syscall.EINVAL, dir + "/real/link": syscall.ELOOP,
		dir + "/dirlink/f": syscall.ELOOP, dir + "/none": os.ErrNotExist, file + "/x": syscall.ENOTDIR,
		dir + "/real/../real/f": syscall.EINVAL, dir + "//real/f": syscall.EINVAL, "real/f": syscall.EINVAL, "": syscall.EINVAL,
		dir + "/a\x00b": syscall.EINVAL, "/etc/passwd": syscall.EPERM, dir + "x": syscall.EPERM, "/": syscall.EPERM,
	} {
		f, a, err := l.OpenWith(context.Background(), path, nil)
		wantErr(t, "open "+path, err, want)
		if err == nil {
			b := make([]byte, 4096)
			n, _ := f.Read(b)
			if string(b[:n]) != path || a.Size != int64(n) || a.Mode != unix.S_IFREG|0o644 {
				t.Errorf("%s: %q, %+v", path, b[:n], a)
			}
			f.Close()
		}
	}
	for path, want := range map[string]uint32{file: unix.S_IFREG, dir + "/real": unix.S_IFDIR, dir + "/fifo": unix.S_IFIFO, dir + "/dirlink": unix.S_IFLNK} {
		if a, err := l.Lstat(context.Background(), path); err != nil || a.Mode&unix.S_IFMT != want {
			t.Errorf("lstat %s: %o, %v; want %o", path, a.Mode, err, want)
		}
	}
	if s, err := l.Readlink(context.Background(), dir+"/dirlink"); s != "real" || err != nil {
		t.Errorf("readlink: %q, %v", s, err)
	}
	_, err := l.Readlink(context.Background(), file)
	wantErr(t, "readlink of a file", err, syscall.EINVAL)
	if st, err := l.Statfs(context.Background(), file); err != nil || st.Namelen != 255 {
		t.Errorf("statfs: f_namelen %d, %v", st.Namelen, err)
	}
}

func TestReadDir(t *testing.T) {
	dir := openDir(t)
	want := map[string]uint32{"fifo": unix.S_IFIFO, "sub": unix.S_IFDIR, "link": unix.S_IFLNK, strings.Repeat("n", 255): unix.S_IFREG}
	must(t, unix.Mkfifo(dir+"/fifo", 0o666))
	must(t, os.Mkdir(dir+"/sub", 0o755))
	must(t, os.Symlink("none", dir+"/link"))
	mkfile(t, dir+"/"+strings.Repeat("n", 255), 0o644)
	for i := range 1200 {
		name := fmt.Sprint("a name with \n and ", i)
		mkfile(t, dir+"/"+name, 0o644)
		want[name] = unix.S_IFREG
	}
	l := NewLocal(nil)
	got, err := l.ReadDir(context.Background(), dir)
	must(t, err)
	if len(got) != len(want) {
		t.Errorf("%d names, want %d", len(got), len(want))
	}
	for _, e := range got {
		var st unix.Stat_t
		must(t, unix.Lstat(dir+"/"+e.Name, &st))
		if typ, ok := want[e.Name]; !ok || typ != e.Type || st.Ino != e.Ino {
			t.Errorf("%+v: want type %o, inode %d", e, typ, st.Ino)
		}
	}
	_, err = l.ReadDir(context.Background(), dir+"/fifo")
	wantErr(t, "readdir of a fifo", err, syscall.ENOTDIR)
	_, err = l.ReadDir(context.Background(), dir+"/link")
	wantErr(t, "readdir of a link", err, syscall.ENOTDIR) // so says open(O_DIRECTORY|O_NOFOLLOW)
}

// TestOpenSteps holds the walk for old kernels to what openat2 does.
func TestOpenSteps(t *testing.T) {
	if !haveOpenat2() {
		t.Skip("needs openat2 to compare with")
	}
	dir := openDir(t)
	file := mkfile(t, dir+"/a/b/f", 0o644)
	must(t, os.Symlink("b", dir+"/a/link"))
	must(t, os.Symlink("f", dir+"/a/b/flink"))
	must(t, os.Symlink("none", dir+"/a/dangling"))
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(root)
	before := countFDs(t)
	for _, path := range []string{"/", ".", "a", "a/", "a/.", "a/b/f", "a/b/f/", "a/b/f/x", "a/link", "a/link/f", "a/link/.", "a/b/flink",
		"a/dangling", "a/dangling/x", "none", "none/x", file, dir, "/proc/self/exe", "/proc/self/root/etc", "/proc/self/fd/0"} {
		for _, flags := range []int{unix.O_PATH | unix.O_NOFOLLOW, unix.O_RDONLY | unix.O_NOFOLLOW, unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW, unix.O_PATH | unix.O_DIRECTORY} {
			fd1, err1 := openReal(root, path, flags)
			fd2, err2 := openSteps(root, path, flags)
			if !errors.Is(err1, err2) {
				t.Errorf("%s %x: openat2 %v, steps %v", path, flags, err1, err2)
			}
			if err1 == nil && err2 == nil {
				a1, _ := fstat(fd1)
				a2, _ := fstat(fd2)
				if a1 != a2 {
					t.Errorf("%s %x: openat2 opens %+v, steps %+v", path, flags, a1, a2)
				}
			}
			for fd, err := range map[int]error{fd1: err1, fd2: err2} {
				if err == nil {
					unix.Close(fd)
				}
			}
		}
	}
	if after := countFDs(t); after > before {
		t.Errorf("%d files are left open", after-before)
	}
}
