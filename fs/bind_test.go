//go:build linux

package fs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/manifest"
)

// failing is a source that answers EIO while a file is there, and nothing at all
// while that says so.
type failing struct {
	*manifest.Dir
	flag string
}

func (f failing) err() error {
	text, err := os.ReadFile(f.flag)
	if string(text) == "hang" {
		select {}
	}
	if err == nil {
		return syscall.EIO
	}
	return nil
}

func (f failing) Names(ctx context.Context, prefix string) ([]string, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Dir.Names(ctx, prefix)
}

func (f failing) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Dir.Versions(ctx, name)
}

// bound waits for n:v1 to be bound.
func (m *mounted) bound(t *testing.T) {
	t.Helper()
	if _, err := os.ReadFile(filepath.Join(m.v1, "a")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if m.isBound(t) {
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing is bound")
		}
	}
}

func (m *mounted) isBound(t *testing.T) bool {
	t.Helper()
	at, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(m.v1))
	if err != nil {
		t.Fatal(err)
	}
	return len(at) == 1
}

// Nothing is written through a mount that is to be read only, nor run in one that is
// not to be run in; what is bound in it is no way around that.
func TestNarrow(t *testing.T) {
	t.Setenv("TEST_NARROW", "yes")
	m := mount(t, "bind")
	if err := os.Chmod(filepath.Join(m.data, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.bound(t)
	for _, dir := range []string{m.dir, m.v1} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		for flag, name := range map[int64]string{unix.ST_RDONLY: "ro", unix.ST_NOEXEC: "noexec", unix.ST_NOSUID: "nosuid", unix.ST_NODEV: "nodev"} {
			if st.Flags&flag == 0 {
				t.Errorf("%s is not %s", dir, name)
			}
		}
	}
	if err := exec.Command(filepath.Join(m.v1, "a")).Run(); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a program in a bound version: %v, want EACCES", err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, ".log/n"), []byte(m.data+"\n"), 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a log: %v, want EROFS", err)
	}
}

// What is mounted below the data later does not come along, not for a moment: it would
// be neither read-only nor nosuid.
func TestLaterMountsStayOut(t *testing.T) {
	m := mount(t, "bind")
	if err := errors.Join(unix.Mount(m.data, m.data, "", unix.MS_BIND, ""), unix.Mount("", m.data, "", unix.MS_SHARED, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(m.data, unix.MNT_DETACH) })
	m.bound(t)
	if err := unix.Mount("none", filepath.Join(m.data, "sub"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(filepath.Join(m.data, "sub"), unix.MNT_DETACH) })
	at, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(filepath.Join(m.v1, "sub")))
	if err != nil || len(at) > 0 {
		t.Errorf("in the bound version: %+v, %v", at, err)
	}
}

// The kernel keeps the names above a bind for good, though it had them for an hour
// before: after kill -9 nobody is there to be asked again.
func TestNamesAboveBindAreKept(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	t.Setenv("TEST_TRACE", trace)
	m := mount(t, "bind")
	m.bound(t)
	for _, name := range []string{"n", "v1"} {
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // the last look-up may be under way
			why := lastKept(t, trace, name)
			if why == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal(why)
			}
		}
	}
}

// lastKept says why a name is not kept for good by the last answer to a LOOKUP of it.
func lastKept(t *testing.T, trace, name string) error {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`rx ([0-9]+): LOOKUP n[0-9]+  \\"`+name+`\\"`).FindAllSubmatch(text, -1)
	if len(asked) == 0 {
		return fmt.Errorf("nobody has looked %s up:\n%s", name, text)
	}
	last := asked[len(asked)-1][1]
	kept := regexp.MustCompile(`tx ` + string(last) + `: +OK, .*tE=([0-9.e+]+)s`).FindSubmatch(text)
	if kept == nil {
		return fmt.Errorf("no answer to LOOKUP %s:\n%s", last, text)
	}
	if s, err := strconv.ParseFloat(string(kept[1]), 64); err != nil || s < 3e9 { // a century
		return fmt.Errorf("%s is kept for %s s, %v", name, kept[1], err)
	}
	return nil
}

// A transient EIO at LOOKUP of an ancestor does not cost a bind. For an exclusive
// creation the kernel looks each name up again, whatever it has cached.
func TestBindThroughFailedLookup(t *testing.T) {
	m := mount(t, "bind")
	m.bound(t)
	flag := filepath.Join(filepath.Dir(m.dir), "fail")
	write(t, flag, "")
	if _, err := os.Stat(filepath.Join(m.dir, "other")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("the source does not fail: %v", err)
	}
	for _, name := range []string{m.v1, filepath.Dir(m.v1)} {
		if err := os.Mkdir(name, 0o755); !errors.Is(err, syscall.EEXIST) {
			t.Errorf("mkdir %s: %v, want EEXIST", name, err)
		}
	}
	if !m.isBound(t) {
		t.Error("the bind is lost")
	}
	if got := m.read(t, "a"); got != "one" {
		t.Errorf("read %q", got)
	}
}

// A bind that nobody uses goes at the second round, one in use does not.
func TestIdleBindExpires(t *testing.T) {
	m := mount(t, "bind")
	m.bound(t)
	f, err := os.Open(filepath.Join(m.v1, "a"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		m.round(t)
	}
	if !m.isBound(t) {
		t.Fatal("a bind in use is gone")
	}
	f.Close()
	m.round(t)
	m.read(t, "a") // used in between
	m.round(t)
	if !m.isBound(t) {
		t.Error("a bind that was used since the last round is gone")
	}
	if m.round(t); m.isBound(t) {
		t.Error("a bind that nobody has used for a round is there")
	}
	if got := m.read(t, "a"); got != "one" {
		t.Errorf("after it expired: %q", got)
	}
}

// round has the daemon do a round of expiry.
func (m *mounted) round(t *testing.T) {
	t.Helper()
	before := m.rounds(t)
	m.daemon.Process.Signal(syscall.SIGUSR1)
	for end := time.Now().Add(time.Minute); m.rounds(t) == before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the daemon does not do a round")
		}
	}
}

// While a LOOKUP waits for a store that hangs, the kernel looks no other name of that directory up again. What was bound below one is
// unbound all the same, and what else is bound is looked after.
func TestUnbindWhileStoreHangs(t *testing.T) {
	m := mount(t, "bind")
	m.bound(t)
	write(t, filepath.Join(filepath.Dir(m.dir), "fail"), "hang")
	waiting := exec.Command("test", "-e", filepath.Join(m.dir, "other"))
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { go waiting.Wait() }) // it has its answer when the daemon is gone
	for end := time.Now().Add(time.Minute); !waitsForFUSE(waiting.Process.Pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Skip("/proc does not tell what threads wait for")
		}
	}
	for range 3 { // the first asks about the bind, the second takes it away, and what it leaves to be done keeps no third
		m.round(t)
	}
	if m.isBound(t) {
		t.Error("what nobody uses is bound")
	}
}

// rounds is how many rounds of expiry the daemon has done.
func (m *mounted) rounds(t *testing.T) int64 {
	t.Helper()
	st, err := os.Stat(filepath.Join(filepath.Dir(m.dir), "rounds"))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// A daemon that dies before it has taken a dead one's mount away leaves both, and
// need not have bound all that was bound there. The next one leaves its own alone,
// also on a machine so busy that the dead ones take half a second to say that they are.
func TestStackOfDeadMounts(t *testing.T) {
	for name, by := range map[string][]string{
		"idle": nil,
		"busy": {"strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=statfs", "-e", "inject=statfs:delay_enter=500000"},
	} {
		t.Run(name, func(t *testing.T) {
			if by != nil && exec.Command(by[0], "-V").Run() != nil {
				t.Skip("needs strace: run `make deps`")
			}
			m := mount(t, "bind")
			m.bound(t)
			m.daemon.Process.Kill()
			m.daemon.Wait()
			if err := fs.DeadBeneath(m.dir); err != nil {
				t.Skipf("this kernel attaches nothing beneath a mount (Linux 6.5): %v", err)
			}
			m.start(t, by...)
			var at []string
			all, err := mountinfo.GetMounts(mountinfo.PrefixFilter(m.dir))
			for _, i := range all {
				at = append(at, i.Mountpoint)
			}
			if slices.Sort(at); err != nil || !slices.Equal(at, []string{m.dir, m.v1}) {
				t.Errorf("mounts are %q, %v; want one, and one bind", at, err)
			}
			if got := m.read(t, "a"); got != "one" {
				t.Errorf("read %q", got)
			}
		})
	}
}

// A daemon that is killed while one of its own threads waits for an answer of its
// own is gone: else nobody would learn that it died.
func TestKilledWhileItAsksItself(t *testing.T) {
	m := mount(t, "bind")
	write(t, filepath.Join(filepath.Dir(m.dir), "fail"), "hang")
	if err := m.daemon.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !waitsForFUSE(m.daemon.Process.Pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Skip("/proc does not tell what threads wait for")
		}
	}
	gone := make(chan error, 1)
	if err := m.daemon.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	go func() { gone <- m.daemon.Wait() }()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Error("the daemon is not gone after kill -9")
		unix.Unmount(m.dir, unix.MNT_FORCE) // ends that wait
		<-gone
	}
}

// waitsForFUSE says whether a thread of a process waits for a FUSE daemon.
func waitsForFUSE(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
	for _, f := range threads {
		if wchan, _ := os.ReadFile(f); string(wchan) == "request_wait_answer" {
			return true
		}
	}
	return false
}
