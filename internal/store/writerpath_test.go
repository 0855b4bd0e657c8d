//go:build linux

package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The first thread is kept out of the work, as a daemon should keep it: what
// /proc/PID says of a process is what it says of that thread, and changing its
// ids clears its parent-death signal.
func init() { runtime.LockOSThread() }

// TestMain turns this program into a writer when told so.
func TestMain(m *testing.M) {
	if script := os.Getenv("STORE_TEST_WRITER"); script != "" {
		if err := beWriter(strings.Split(script, "\n")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beWriter makes the mounts it is told to and waits for its input to end.
func beWriter(steps []string) (err error) {
	for _, s := range steps {
		f := strings.Fields(s)
		switch f[0] {
		case "private":
			err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
		case "bind":
			err = unix.Mount(f[1], f[2], "", unix.MS_BIND|unix.MS_REC, "")
		case "tmpfs":
			err = unix.Mount("none", f[1], "tmpfs", 0, "mode=755")
		case "write":
			err = os.WriteFile(f[1], []byte("written there"), 0o644)
		case "chroot":
			err = unix.Chroot(f[1])
		case "pivot":
			if err = unix.Chdir(f[1]); err == nil {
				if err = unix.PivotRoot(".", "."); err == nil {
					err = unix.Unmount(".", unix.MNT_DETACH)
				}
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
	return nil
}

// writerIn starts a writer, with mounts of its own if it makes any.
func writerIn(t *testing.T, steps ...string) int {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "STORE_TEST_WRITER="+strings.Join(steps, "\n"))
	if steps[0] == "private" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if said, _ := bufio.NewReader(out).ReadString('\n'); said != "ready\n" {
		t.Fatalf("the writer says %q", said)
	}
	return cmd.Process.Pid
}

func TestWriterPath(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	mkfile(t, dir+"/data/f", 0o644)
	mkfile(t, dir+"/data/sub/g", 0o644)
	mkfile(t, dir+"/shared/s", 0o644)
	mkfile(t, dir+"/data/shut/f", 0o644)
	must(t, os.Chmod(dir+"/data/shut", 0o700))
	mkfile(t, dir+"/c/f", 0o644) // another file, where the writer has data/f
	mkfile(t, dir+"/c/onlyhere", 0o644)
	mkfile(t, dir+"/p/own", 0o644)
	mkfile(t, dir+"/p/onlyhere", 0o644)
	must(t, os.Symlink(dir+"/c/sub", dir+"/data/abs"))
	must(t, os.Symlink("/proc/self/cwd", dir+"/data/magic"))
	must(t, os.Symlink("data", dir+"/here"))

	locals := []*Local{NewLocal(&Options{AsCaller: true}), NewLocal(&Options{AsCaller: true, Roots: []string{dir + "/data"}})}
	self := os.Getpid()
	bound := writerIn(t, "private", "bind "+dir+"/data "+dir+"/c", "tmpfs "+dir+"/p", "write "+dir+"/p/own")
	jail := writerIn(t, "chroot "+dir)
	mkfile(t, dir+"/img/etc/x", 0o644)
	for _, d := range []string{"/img/data", "/img/proc"} {
		must(t, os.MkdirAll(dir+d, 0o755))
	}
	boxed := writerIn(t, "private", "bind "+dir+"/img "+dir+"/img", "bind "+dir+"/data "+dir+"/img/data", "bind /proc "+dir+"/img/proc", "pivot "+dir+"/img")

	for _, c := range []struct {
		who      string
		uid, pid int
		path     string // %R is the directory
		want     string
		err      error
		words    string
	}{
		{who: "a neighbour", pid: self, path: "%R/none", want: "%R/none"},
		{who: "a neighbour", pid: self, path: "%R/here/f", want: "%R/here/f"},
		{who: "a neighbour", pid: self, path: "f", err: syscall.EINVAL},
		{who: "a neighbour", pid: self, path: "/a\x00", err: syscall.EINVAL},
		{who: "a process not seen", pid: 0, path: "%R/data/f", err: syscall.EXDEV, words: "%R/data/f"},
		{who: "a process that ended", pid: 1 << 30, path: "%R/data/f", err: syscall.EXDEV},

		{who: "a writer with a bind", pid: bound, path: "%R/data/f", want: "%R/data/f"},
		{who: "a writer with a bind", pid: bound, path: "%R/here/f", want: "%R/here/f"},
		{who: "a writer with a bind", pid: bound, path: "%R/c/f", want: "%R/data/f"},
		{who: "a writer with a bind", pid: bound, path: "%R/c", want: "%R/data"},
		{who: "a writer with a bind", pid: bound, path: "%R/c/sub/../f", want: "%R/data/f"},
		{who: "a writer with a bind", pid: bound, path: "%R/c/abs/g", want: "%R/data/sub/g"},
		{who: "a writer with a bind", pid: bound, path: "%R/c/onlyhere", err: os.ErrNotExist},
		{who: "a writer with a tmpfs", pid: bound, path: "%R/p/own", err: syscall.EXDEV, words: "%R/p/own of this host"},
		{who: "a writer with a tmpfs", pid: bound, path: "%R/p/onlyhere", err: os.ErrNotExist},
		{who: "a writer with a tmpfs", pid: bound, path: "%R/p", err: syscall.EXDEV},
		{who: "a writer in procfs", pid: bound, path: "/proc/self/environ", err: syscall.EPERM},
		{who: "a writer in procfs", pid: bound, path: "%R/c/magic", err: syscall.EPERM},
		{who: "nobody", uid: nobody, pid: bound, path: "%R/c/shut/f", err: syscall.EACCES},
		{who: "nobody", uid: nobody, pid: bound, path: "%R/c/f", want: "%R/data/f"},

		{who: "a chrooted writer", pid: jail, path: "/data/f", want: "%R/data/f"},
		{who: "a chrooted writer", pid: jail, path: "/../../data/f", want: "%R/data/f"},
		{who: "a chrooted writer", pid: jail, path: "/", want: "%R"},
		{who: "a chrooted writer", pid: jail, path: "/etc/passwd", err: os.ErrNotExist},
		{who: "a chrooted writer", pid: jail, path: "/here/sub", want: "%R/data/sub"},

		{who: "a container", pid: boxed, path: "/data/f", want: "%R/data/f"},
		{who: "a container", pid: boxed, path: "/etc/x", want: "%R/img/etc/x"},
		{who: "a container", pid: boxed, path: "/etc/passwd", err: os.ErrNotExist},
		{who: "a container", pid: boxed, path: "/proc/1/root/etc/passwd", err: syscall.EPERM},
		{who: "a container", pid: boxed, path: "/../../../etc/x", want: "%R/img/etc/x"},
		{who: "nobody in a container", uid: nobody, pid: boxed, path: "/data/shut/f", err: syscall.EACCES},
	} {
		in := func(s string) string { return strings.ReplaceAll(s, "%R", dir) }
		for _, l := range locals {
			before := countFDs(t)
			got, err := l.WriterPath(ctxOf(c.uid, c.pid), in(c.path))
			if got != in(c.want) {
				t.Errorf("%s, %s: %q, %v; want %q", c.who, c.path, got, err, in(c.want))
			}
			wantErr(t, c.who+", "+c.path, err, c.err)
			if err != nil && !strings.Contains(err.Error(), in(c.words)) {
				t.Errorf("%s, %s: %v; want %q in it", c.who, c.path, err, in(c.words))
			}
			if after := countFDs(t); after > before {
				t.Errorf("%s, %s: %d files left open", c.who, c.path, after-before)
			}
		}
	}
	if got, err := NewLocal(nil).WriterPath(context.Background(), "/x/y"); got != "/x/y" || err != nil {
		t.Errorf("without a caller: %q, %v", got, err)
	}
}

// TestWriterPathPrefersRoots: of two names for one file the one in the roots.
func TestWriterPathPrefersRoots(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	mkfile(t, dir+"/d/f", 0o644)
	must(t, os.MkdirAll(dir+"/the/one/allowed", 0o755))
	must(t, os.Mkdir(dir+"/w", 0o755))
	must(t, unix.Mount(dir+"/d", dir+"/the/one/allowed", "", unix.MS_BIND, ""))
	defer unix.Unmount(dir+"/the/one/allowed", 0)
	pid := writerIn(t, "private", "bind "+dir+"/d "+dir+"/w")
	l := NewLocal(&Options{Roots: []string{dir + "/the"}})
	if got, err := l.WriterPath(ctxOf(0, pid), dir+"/w/f"); got != dir+"/the/one/allowed/f" || err != nil {
		t.Errorf("%q, %v; want the one in the roots", got, err)
	}
}

// TestWriterPathIntoOwn: a path into artifactfs is translated without being
// touched: the mount here answers nothing.
func TestWriterPathIntoOwn(t *testing.T) {
	dir := openDir(t)
	hung(t, dir+"/art", ownType)
	for _, d := range []string{"/there", "/gone"} {
		must(t, os.Mkdir(dir+d, 0o755))
	}
	must(t, os.Symlink("there/name", dir+"/link"))
	pid := writerIn(t, "private", "bind "+dir+"/art "+dir+"/there")
	hung(t, dir+"/gone", ownType)
	l := NewLocal(&Options{Deadline: 5 * time.Second, Own: func() []string { return []string{dir + "/art"} }})
	for path, want := range map[string]string{
		"/there/name/latest/../x": "/art/name/latest/../x", "/there": "/art", "/art/a/v1/": "/art/a/v1", "/link/v1": "/art/name/v1", "/link": "/art/name",
	} {
		if got, err := l.WriterPath(ctxOf(0, pid), dir+path); got != dir+want || err != nil {
			t.Errorf("%s: %q, %v; want %q", path, got, err, dir+want)
		}
	}
}

// TestWriterPathHangs: the writer's mount hangs, the daemon does not.
func TestWriterPathHangs(t *testing.T) {
	dir := openDir(t)
	revive := hung(t, dir+"/bad", "fuse.hung")
	must(t, os.Mkdir(dir+"/there", 0o755))
	pid := writerIn(t, "private", "bind "+dir+"/bad "+dir+"/there")
	l := NewLocal(&Options{Deadline: 100 * time.Millisecond})
	_, err := l.WriterPath(ctxOf(0, pid), dir+"/there/x")
	wantErr(t, "a path on a hung mount", err, os.ErrDeadlineExceeded)
	revive()
	eventually(t, "the slots are free", func() bool { return l.inFlight(dir+"/bad") == 0 })
}

// TestPathFor: the way to a path of ours in another process's namespace.
func TestPathFor(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	mkfile(t, dir+"/data/sub/g", 0o644)
	mkfile(t, dir+"/c/f", 0o644)
	mkfile(t, dir+"/img/etc/x", 0o644)
	must(t, os.MkdirAll(dir+"/img/data", 0o755))
	must(t, os.Symlink(dir+"/data", dir+"/here"))
	bound := writerIn(t, "private", "bind "+dir+"/data "+dir+"/c")
	boxed := writerIn(t, "private", "bind "+dir+"/img "+dir+"/img", "bind "+dir+"/data "+dir+"/img/data", "pivot "+dir+"/img")
	jail := writerIn(t, "chroot "+dir+"/img")
	for _, c := range []struct {
		pid        int
		path, want string // below dir; want: to the process
		err        error
	}{
		{bound, "/data/sub", dir + "/data/sub", nil}, {bound, "/here/sub/g", dir + "/here/sub/g", nil}, {bound, "/c/f", "", syscall.EXDEV}, {bound, "/c", "", syscall.EXDEV},
		{bound, "/none", "", os.ErrNotExist}, {1 << 30, "/data/sub", "", os.ErrNotExist},
		{boxed, "/data/sub/g", "/data/sub/g", nil}, {boxed, "/here", "/data", nil}, {boxed, "/img/etc", "/etc", nil}, {boxed, "/c", "", syscall.EXDEV},
		{jail, "/data/sub", "", syscall.EXDEV},
	} {
		before := countFDs(t)
		got, err := NewLocal(nil).PathFor(context.Background(), uint32(c.pid), dir+c.path)
		if got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.path, got, err, c.want)
		}
		wantErr(t, c.path, err, c.err)
		if after := countFDs(t); after > before+1 { // that of the mounts is the collector's
			t.Errorf("%s: %d files left open", c.path, after-before)
		}
	}
}
