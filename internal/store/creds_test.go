//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// noCaps starts a root process without any capability.
func noCaps(t testing.TB) int {
	return start(t, nil, "setpriv", "--bounding-set=-all", "--inh-caps=-all", "sleep", "1000")
}

// TestAsCaller is who may read what: by owner, groups, ACL, capabilities and
// ancestors.
func TestAsCaller(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	world := mkfile(t, dir+"/world", 0o644)
	hers := mkfile(t, dir+"/hers", 0o600)
	must(t, os.Chown(hers, alice, alice))
	group := mkfile(t, dir+"/group", 0o640)
	must(t, os.Chown(group, 0, 777))
	acl := mkfile(t, dir+"/acl", 0o600)
	run(t, "setfacl", "-m", "u:1234:r", acl)
	hidden := mkfile(t, dir+"/closed/world", 0o644)
	must(t, os.Chmod(dir+"/closed", 0o700))
	admitted := mkfile(t, dir+"/admits/world", 0o644)
	must(t, os.Chmod(dir+"/admits", 0o700))
	run(t, "setfacl", "-m", "u:1234:x", dir+"/admits")
	none := mkfile(t, dir+"/none", 0o000)

	everybody, member, she, bare, own := startAs(t, nobody), startAs(t, nobody, 777), startAs(t, alice), noCaps(t), os.Getpid()
	elsewhere := start(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}}, "sleep", "1000")
	const ok, no = true, false
	for _, c := range []struct {
		who      string
		uid, pid int
		path     string
		want     bool
	}{
		{"nobody", nobody, everybody, world, ok},
		{"nobody", nobody, everybody, hers, no},
		{"nobody", nobody, everybody, group, no},
		{"nobody", nobody, everybody, acl, no},
		{"nobody", nobody, everybody, hidden, no},
		{"nobody", nobody, everybody, admitted, no},
		{"nobody, a member", nobody, member, group, ok},
		{"nobody, a member but not seen", nobody, 0, group, no},
		{"alice with nobody's member's pid", alice, member, group, no},
		{"alice", alice, she, hers, ok},
		{"alice", alice, she, acl, ok},
		{"alice", alice, she, admitted, ok},
		{"alice", alice, she, hidden, no},
		{"alice, not seen", alice, 0, hers, ok},
		{"root", 0, own, hers, ok},
		{"root", 0, own, none, ok},
		{"root", 0, own, hidden, ok},
		{"root without capabilities", 0, bare, hers, no},
		{"root without capabilities", 0, bare, none, no},
		{"root without capabilities", 0, bare, hidden, ok},
		{"root, not seen", 0, 0, hers, no},
		{"root of another user namespace", 0, elsewhere, hers, no},
		{"an id that nobody has", -1, everybody, world, no},
	} {
		l := NewLocal(&Options{AsCaller: true})
		ctx := ctxOf(c.uid, c.pid)
		f, _, err := l.OpenWith(ctx, c.path, nil)
		if err == nil {
			f.Close()
		} else if !errors.Is(err, iofs.ErrPermission) {
			t.Errorf("%s opens %s: %v", c.who, filepath.Base(c.path), err)
		}
		if (err == nil) != c.want {
			t.Errorf("%s opens %s: error %v, want success %v", c.who, strings.TrimPrefix(c.path, dir), err, c.want)
		}
		if err := l.Access(ctx, c.path, 4); (err == nil) != c.want {
			t.Errorf("%s, access(R_OK) of %s: error %v, want success %v", c.who, strings.TrimPrefix(c.path, dir), err, c.want)
		}
	}
}

// TestAccessAgrees holds the fallback for old kernels to what the kernel says.
func TestAccessAgrees(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	for _, mode := range []os.FileMode{0, 0o444, 0o222, 0o644, 0o666, 0o711, 0o755, 0o777} {
		mkfile(t, fmt.Sprintf("%s/f%o", dir, mode), mode)
		must(t, os.Mkdir(fmt.Sprintf("%s/d%o", dir, mode), 0))
		must(t, os.Chmod(fmt.Sprintf("%s/d%o", dir, mode), mode))
	}
	p := newProcess()
	names, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range names {
		for mask := uint32(1); mask < 8; mask++ {
			path := dir + "/" + e.Name()
			if !e.IsDir() && mask&1 != 0 {
				continue // execution cannot be tried
			}
			if m := strings.TrimPrefix(e.Name(), "d"); mask&2 != 0 && (m == "222" || m == "666") {
				continue // writing without searching makes nothing anyway, and O_TMPFILE says so
			}
			_, err := as(p, &creds{uid: nobody, gid: nobody}, func() (struct{}, error) {
				fd, err := openReal(here, path, unix.O_PATH|unix.O_NOFOLLOW)
				if err != nil {
					return struct{}{}, err
				}
				defer unix.Close(fd)
				want, got := access(path, mask), accessByOpening(path, fd, mask)
				if (want == nil) != (got == nil) {
					t.Errorf("%s mask %d: by opening %v, the kernel says %v", e.Name(), mask, got, want)
				}
				return struct{}{}, nil
			}, func() { t.Error("not restored") })
			must(t, err)
		}
	}
}

// TestNoPowersLeft: a thread that acts for nobody keeps none of the daemon's
// capabilities, CAP_SYS_PTRACE in particular, which is no matter of fsuid.
func TestNoPowersLeft(t *testing.T) {
	needRoot(t)
	other := start(t, nil, "sleep", "1000")
	target := openDir(t) // a test that fails must not take /tmp from the machine
	t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
	l := NewLocal(&Options{AsCaller: true})
	for _, pid := range []int{startAs(t, nobody), 0} {
		err := l.Do(ctxOf(nobody, pid), "/tmp", func() error {
			for _, f := range []string{"environ", "maps", "root/etc/shadow"} {
				if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", other, f)); err == nil {
					t.Errorf("nobody reads %d bytes of %s of a root process", len(b), f)
				}
			}
			return unix.Mount("none", target, "tmpfs", 0, "")
		})
		wantErr(t, "mount as nobody", err, syscall.EPERM)
	}
	err := l.Do(ctxOf(0, noCaps(t)), "/tmp", func() error {
		_, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/shadow", other))
		return err
	})
	wantErr(t, "another's root as a root without capabilities", err, iofs.ErrPermission)
}

// TestHookCredentials: the kernel keeps the credentials that a backing file is
// registered with, so the hook has the caller's, and the one capability that
// registering takes.
func TestHookCredentials(t *testing.T) {
	needRoot(t)
	file := mkfile(t, openDir(t)+"/f", 0o644)
	l := NewLocal(&Options{AsCaller: true})
	caps := func() uint64 { return newProcess().eff }
	var inHook uint64
	var uid uint32
	f, a, err := l.OpenWith(ctxOf(nobody, 0), file, func(fd int, a Attr) error {
		inHook, uid = caps(), fsuid()
		return nil
	})
	must(t, err)
	f.Close()
	if uid != nobody || inHook != 1<<unix.CAP_SYS_ADMIN || a.Size != int64(len(file)) {
		t.Errorf("in the hook: fsuid %d, capabilities %x, size %d; want %d, %x, %d", uid, inHook, a.Size, nobody, 1<<unix.CAP_SYS_ADMIN, len(file))
	}
	before := countFDs(t)
	_, _, err = l.OpenWith(ctxOf(nobody, 0), file, func(int, Attr) error { return syscall.ELOOP })
	wantErr(t, "a hook that fails", err, syscall.ELOOP)
	if after := countFDs(t); after > before {
		t.Errorf("a hook that fails leaves %d files open", after-before)
	}
}

func countFDs(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(all)
}

// TestThreadsComeBack: after many switched calls, some of which panic their
// goroutine's end or fail half way, no thread is anybody but the daemon.
func TestThreadsComeBack(t *testing.T) {
	needRoot(t)
	file := mkfile(t, openDir(t)+"/f", 0o644)
	l := NewLocal(&Options{AsCaller: true})
	want := identity(t, "/proc/thread-self/status")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ctx := ctxOf(1000+i, 0)
			if i%5 == 0 {
				ctx = ctxOf(0, 0)
			}
			for n := range 500 {
				switch {
				case n%50 == 0:
					l.Do(ctxOf(-1, 0), file, func() error { t.Error("ran as an id that nobody has"); return nil })
				case n%50 == 1:
					if err := l.Do(ctx, file, func() error { runtime.Goexit(); return nil }); err == nil {
						t.Error("Do of a function that never returned succeeds")
					}
				default:
					if _, err := l.Lstat(ctx, file); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	checkThreads(t, want)
}

// checkThreads looks at every thread of this process.
func checkThreads(t *testing.T, want string) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	must(t, err)
	if len(tasks) < 2 {
		t.Errorf("looked at %d threads only", len(tasks))
	}
	for _, s := range tasks {
		if got := identity(t, s); got != want && got != "" {
			t.Errorf("%s:\n%swant\n%s", s, got, want)
		}
	}
}

// identity is the lines of a status that say who a thread is; none if it ended.
func identity(t *testing.T, path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	var id strings.Builder
	for line := range strings.Lines(string(b)) {
		switch key, _, _ := strings.Cut(line, ":"); key {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff":
			id.WriteString(line)
		}
	}
	return id.String()
}

// TestStuckThreadEnds: a thread that cannot be restored must not serve anybody
// else.
func TestStuckThreadEnds(t *testing.T) {
	needRoot(t)
	want := identity(t, "/proc/thread-self/status")
	p := newProcess()
	p.eff |= 1 << 50 // no such capability: capset fails on the way back
	p.permitted &^= 1 << unix.CAP_SYS_NICE
	var tid int
	lost := false
	done := make(chan error)
	go func() {
		defer close(done)
		as(p, &creds{uid: nobody, gid: nobody}, func() (int, error) {
			tid = unix.Gettid()
			return 0, nil
		}, func() { lost = true })
	}()
	<-done
	if !lost {
		t.Error("nobody is told that the thread is lost")
	}
	eventually(t, "the thread is gone", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return err != nil
	})
	checkThreads(t, want)
}

func TestSkipsTheSwitch(t *testing.T) {
	needRoot(t)
	l := NewLocal(&Options{AsCaller: true})
	if c := l.creds(ctxOf(0, os.Getpid())); c != nil {
		t.Errorf("for the daemon's own equal: %+v, want no switch", c)
	}
	if c := l.creds(context.Background()); c != nil {
		t.Errorf("for nobody: %+v, want no switch", c)
	}
	groups := start(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{5}}}, "sleep", "1000")
	for what, ctx := range map[string]context.Context{
		"a user": ctxOf(nobody, 0), "a root not seen": ctxOf(0, 0), "a root without capabilities": ctxOf(0, noCaps(t)),
		"a root with a group more": ctxOf(0, groups),
	} {
		if l.creds(ctx) == nil {
			t.Errorf("for %s: no switch, want one", what)
		}
	}
	if c := NewLocal(nil).creds(ctxOf(nobody, 0)); c != nil {
		t.Errorf("without AsCaller: %+v, want no switch", c)
	}
}
