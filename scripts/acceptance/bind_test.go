//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unbound is how long what no longer qualifies may stay bound.
const unbound = 5 * time.Second

// warm binds a version and fails the test if it cannot be.
func (s *site) warm(ref string) {
	s.t.Helper()
	s.artifactfs("warm", "--mount", s.Mnt, ref)
	name, v, _ := strings.Cut(ref, ":")
	if !mounted(s.path(name, v)) {
		s.t.Fatalf("%s is not bound: %v", ref, mountsBelow("self", s.Mnt))
	}
}

// gone waits for a version to be unbound, and then for the reason in the status.
func (s *site) gone(name, v, why string) {
	s.t.Helper()
	eventually(s.t, unbound, name+"/"+v+" is unbound", func() error {
		if mounted(s.path(name, v)) {
			return errors.New("it is bound")
		}
		return nil
	})
	eventually(s.t, soon, "the status says so", func() error {
		for _, shown := range s.status() {
			if shown.Name != name || "v"+fmt.Sprint(shown.Version) != v {
				continue
			}
			if shown.Lane == "bind" || !strings.Contains(shown.Why, why) {
				return fmt.Errorf("status says %s: lane %s, why %q; want %q in it", name, shown.Lane, shown.Why, why)
			}
			return nil
		}
		return fmt.Errorf("status does not show %s", name)
	})
}

// The first open has the version bound, and what is read stays the same. The bind is read-only, nosuid and nodev from the start, also where
// it arrives by propagation; a namespace that does not get it reads through FUSE, one that is made later has it.
func TestBind(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	dir := s.data("bound", map[string]string{"part.txt": "text", "sub/more.txt": "more"})
	must(t, os.Chmod(s.data("bound", map[string]string{"suid": "#!/bin/sh\n"})+"/suid", 0o4755))
	s.publish("bound", 1, dir)
	before := map[string]*namespace{"slave": s.namespace("slave"), "private": s.namespace("private")}
	if _, err := os.ReadFile(s.path("bound", "v1", "part.txt")); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*comeback, "the version is bound after the first open", func() error {
		if !mounted(s.path("bound", "v1")) {
			return errors.New("it is not")
		}
		return nil
	})
	for kind, want := range map[string]bool{"slave": true, "private": false} {
		n := before[kind]
		if got := slices.Contains(mountsBelow(fmt.Sprint(n.pid), s.Base), s.path("bound", "v1")); got != want {
			t.Errorf("a %s namespace made before has the bind: %v, want %v", kind, got, want)
		}
	}
	before["later private"] = s.namespace("private")
	before["host"] = s.namespace("host")
	for kind, n := range before {
		pid := fmt.Sprint(n.pid)
		if n.pid == 0 {
			pid = "self"
		}
		if kind != "private" {
			if options := mountOptions(pid, s.path("bound", "v1")); !hasAll(options, "ro", "nosuid", "nodev") {
				t.Errorf("%s: the bind has %q", kind, options)
			}
		}
		if out, err := n.run(alice, "cat '"+s.path("bound", "v1", "part.txt")+"' '"+s.path("bound", "latest", "sub", "more.txt")+"'"); err != nil || out != "textmore" {
			t.Errorf("%s: read %q, %v", kind, out, err)
		}
		for _, change := range []string{"echo x > part.txt", "touch part.txt", "chmod 600 part.txt", "rm part.txt", "mkdir new", "mknod dev c 1 3", "mount -o remount,bind,rw . 2>/dev/null; echo x > part.txt"} {
			if kind != "slave" && strings.HasPrefix(change, "mount") {
				continue // it would not be the bind's own fault
			}
			if strings.HasPrefix(change, "mount") {
				change = "setpriv --bounding-set -sys_admin sh -c '" + change + "'" // as root in a container
			}
			if out, err := n.run(root, "cd '"+s.path("bound", "v1")+"' && "+change); err == nil {
				t.Errorf("%s: %s succeeded: %s", kind, change, out)
			}
		}
	}
	if text, err := os.ReadFile(dir + "/part.txt"); err != nil || string(text) != "text" {
		t.Errorf("the data holds %q, %v", text, err)
	}
}

func mountOptions(pid, point string) []string {
	text, _ := os.ReadFile("/proc/" + pid + "/mountinfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 5 && f[4] == point {
			return strings.Split(f[5], ",")
		}
	}
	return nil
}

func hasAll(list []string, want ...string) bool {
	for _, w := range want {
		if !slices.Contains(list, w) {
			return false
		}
	}
	return true
}

// Nothing that happens to the store or the daemon takes a bind away: a LOOKUP of an ancestor while the store is gone, versions published,
// aliases moved, kill -9 and a long while after it without a daemon.
func TestBindsStay(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	dir := s.data("stays", map[string]string{"part.txt": "text"})
	s.publish("team/stays", 1, dir)
	s.warm("team/stays:v1")
	id := mountID(t, s.path("team/stays/v1"))
	same := func(when string) {
		t.Helper()
		if text, err := os.ReadFile(s.path("team/stays/v1/part.txt")); err != nil || string(text) != "text" {
			t.Errorf("%s: read %q, %v", when, text, err)
		}
		if now := mountID(t, s.path("team/stays/v1")); now != id {
			t.Errorf("%s: the bind was lost: mount %d, was %d", when, now, id)
		}
	}

	// An exclusive creation has the kernel ask for each name again.
	lookup := func() (errs []error) {
		for _, name := range []string{"team", "team/stays", "team/stays/v1"} {
			errs = append(errs, os.Mkdir(s.path(name), 0o755))
		}
		return errs
	}
	must(t, os.Rename(s.Root, s.Root+".away"))
	if _, err := os.Stat(s.path("other")); !errors.Is(err, syscall.EIO) {
		t.Errorf("with the store gone, a lookup says %v, want EIO", err)
	}
	for _, err := range lookup() {
		if !errors.Is(err, syscall.EEXIST) {
			t.Errorf("mkdir of a name above a bind: %v, want EEXIST", err)
		}
	}
	same("with the store gone")
	must(t, os.Rename(s.Root+".away", s.Root))

	s.publish("team/stays", 2, s.data("stays2", map[string]string{"part.txt": "two"}))
	s.artifactfs("alias", "team/stays:v1", "prod")
	s.artifactfs("alias", "team/stays:v2", "prod")
	lookup()
	same("after a version was published and an alias moved")

	for _, pid := range s.processes() { // supervisor and all: nobody brings it back
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		same("with the daemon dead")
		if t.Failed() {
			return
		}
	}
}

func mountID(t *testing.T, point string) uint64 {
	t.Helper()
	var st unix.Statx_t
	must(t, unix.Statx(unix.AT_FDCWD, point, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st))
	return st.Mnt_id
}

// Through kill -9 of the daemon paths in bound versions open without a gap, and paths in others are never "not there".
func TestBindsThroughKills(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	s.publish("bound", 1, s.data("bound", map[string]string{"part.txt": "text"}))
	other := s.data("other", map[string]string{"part.txt": "text"})
	must(t, os.Symlink("/etc/hostname", other+"/leaves"))
	s.publish("other", 1, other)
	s.warm("bound:v1")
	stop, done := make(chan struct{}), make(chan error, 2)
	go func() {
		done <- until(stop, func() error {
			text, err := os.ReadFile(s.path("bound/v1/part.txt"))
			if err != nil || string(text) != "text" {
				return fmt.Errorf("bound: %q, %w", text, err)
			}
			return nil
		})
	}()
	go func() {
		done <- until(stop, func() error {
			_, err := os.ReadFile(s.path("other/v1/part.txt"))
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("other: %w", err)
			}
			return nil
		})
	}()
	for range 10 {
		s.kill()
		s.back(comeback, "after kill -9")
	}
	close(stop)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := mountsBelow("self", s.Mnt); len(got) != 2 {
		t.Errorf("mounts after ten restarts: %q, want the mount and one bind", got)
	}
	s.umount()
	if left := mountsBelow("self", s.Mnt); len(left) > 0 {
		t.Errorf("umount left %q", left)
	}
}

func until(stop <-chan struct{}, try func() error) error {
	for {
		select {
		case <-stop:
			return nil
		default:
			if err := try(); err != nil {
				return err
			}
		}
	}
}

// What keeps a version from being bound, before and after: it reads the same by the other lanes, and the status says why.
func TestNotBound(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "auto"})
	blob := s.data("blobs", map[string]string{"b1": "weights"}) + "/b1"
	for name, c := range map[string]struct {
		spoil func(dir string) // what makes dir unfit
		why   string
	}{
		"leaving-link":  {func(dir string) { must(t, os.Symlink("../../../blobs/b1", dir+"/sub/model")) }, "leaves the version"},
		"absolute-link": {func(dir string) { must(t, os.Symlink(blob, dir+"/sub/model")) }, "leaves the version"},
		"fifo":          {func(dir string) { must(t, unix.Mkfifo(dir+"/sub/fifo", 0o644)) }, "neither file"},
		"submount": {func(dir string) {
			must(t, unix.Mount("none", dir+"/sub/fs", "tmpfs", 0, ""))
			writeFile(t, dir+"/sub/fs/in", "in")
		}, "mounted at"},
		"ancestor":     {func(dir string) { must(t, os.Chmod(filepath.Dir(dir), 0o750)) }, "mode 0750"},
		"ancestor-acl": {func(dir string) { s.shell("setfacl -m u:54001:--- '" + filepath.Dir(dir) + "'") }, "access control list"},
		"replaced": {func(dir string) {
			must(t, os.Rename(dir, dir+".old"))
			s.shell("cp -a '" + dir + ".old' '" + dir + "'")
		}, "another directory"},
	} {
		for _, when := range []string{"before", "after"} {
			if name == "replaced" && when == "before" {
				continue
			}
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				s := s.with(t)
				artifact := name + "-" + when
				dir := s.data(artifact+"/d", map[string]string{"part.txt": "text", "sub/more.txt": "more"})
				must(t, os.Mkdir(dir+"/sub/fs", 0o755))
				s.publish(artifact, 1, dir)
				t.Cleanup(func() { unix.Unmount(dir+"/sub/fs", unix.MNT_DETACH) })
				v := s.path(artifact, "v1")
				if when == "before" {
					c.spoil(dir)
					if out, err := s.command(binary, "warm", "--mount", s.Mnt, artifact+":v1").CombinedOutput(); err == nil || !strings.Contains(string(out), c.why) {
						t.Errorf("warm: %v: %s; want %q in it", err, out, c.why)
					}
				} else {
					s.warm(artifact + ":v1")
					c.spoil(dir)
				}
				s.gone(artifact, "v1", c.why)
				for file, want := range map[string]string{"part.txt": "text", "sub/more.txt": "more", "sub/model": "weights", "sub/fs/in": "in"} {
					if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
						continue
					}
					if text, err := os.ReadFile(filepath.Join(v, file)); err != nil || string(text) != want {
						t.Errorf("%s: %q, %v; want %q", file, text, err, want)
					}
				}
			})
		}
	}
}

// with is the site for a test below its own.
func (s *site) with(t *testing.T) *site {
	below := *s
	below.t = t
	return &below
}

// A walk that is under way when a version is bound goes on to its end: find climbs by "..", which steps into what is mounted there.
func TestBindUnderWalk(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	dir := s.Data + "/deep"
	for i := range 30 {
		must(t, os.MkdirAll(fmt.Sprintf("%s/a%d/b/c/d/e/f/g/h", dir, i), 0o755))
		writeFile(t, fmt.Sprintf("%s/a%d/b/c/d/e/f/g/h/file", dir, i), "text")
	}
	for i := range 10 {
		name := fmt.Sprint("deep", i)
		s.publish(name, 1, dir)
		out, err := s.command("sh", "-c", "cd '"+s.path(name, "v1")+"' && find . -type f | wc -l").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "30" {
			t.Errorf("find under way: %v: %s", err, out)
		}
	}
}

// What is bound below a shell's working directory is another directory than the shell is in, which rsync does not put up with: so it
// is not bound while the shell is there, and soon after.
func TestBindUnderShell(t *testing.T) {
	needProgram(t, "rsync")
	s := newSite(t, siteOptions{Lane: "bind"})
	for _, name := range []string{"in", "other"} {
		s.publish(name, 1, s.data(name, map[string]string{"sub/f": "text"}))
	}
	shell := s.command("sh", "-euc", "cd '"+s.path("in/v1/sub")+"'; ls; read go; rsync -a ./ '"+s.Base+"/out/'")
	stdin, err := shell.StdinPipe()
	must(t, err)
	out, err := shell.StdoutPipe()
	must(t, err)
	var stderr strings.Builder
	shell.Stderr = &stderr
	must(t, shell.Start())
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	bound := func(name string) {
		eventually(t, 10*comeback, name+" is bound", func() error {
			if !mounted(s.path(name, "v1")) {
				return errors.New("it is not")
			}
			return nil
		})
	}
	readFile(t, s.path("other/v1/sub/f"))
	bound("other") // which was opened later, so that the first one has had its turn
	if mounted(s.path("in/v1")) {
		t.Error("it is bound under the shell")
	}
	_, err = stdin.Write([]byte("go\n"))
	must(t, err)
	if err := shell.Wait(); err != nil {
		t.Errorf("rsync in the shell: %v: %s", err, stderr.String())
	}
	bound("in")
}

// At most max_binds versions are bound; the one not used for longest makes room, and one in use stays.
func TestMaxBinds(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Keys: []string{"max_binds = 2"}})
	for _, name := range []string{"a", "b", "c", "d"} {
		s.publish(name, 1, s.data(name, map[string]string{"f": name}))
	}
	s.warm("a:v1")
	s.warm("b:v1")
	held, err := os.Open(s.path("a/v1/f"))
	must(t, err)
	defer held.Close()
	s.warm("c:v1")
	if got := mountsBelow("self", s.Mnt); !slices.Equal(got[1:], []string{s.path("a/v1"), s.path("c/v1")}) {
		t.Errorf("bound: %q, want a and c", got[1:])
	}
	second, err := os.Open(s.path("c/v1/f"))
	must(t, err)
	defer second.Close()
	if out, err := s.command(binary, "warm", "--mount", s.Mnt, "d:v1").CombinedOutput(); err == nil || !strings.Contains(string(out), "max_binds") {
		t.Errorf("with all in use: %v: %s", err, out)
	}
	if text, err := os.ReadFile(s.path("d/v1/f")); err != nil || string(text) != "d" {
		t.Errorf("not bound, d reads %q, %v", text, err)
	}
	// umount names who keeps a bind busy, and takes all away once nobody does.
	out, err := s.command(binary, "umount", s.Mnt).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("umount with files open in binds: %v: %s", err, out)
	}
	held.Close()
	second.Close()
	s.umount()
	if left := mountsBelow("self", s.Mnt); len(left) > 0 {
		t.Errorf("umount left %q", left)
	}
}

// A bind that is read stays, however long ago it was made, and whoever binds many versions displaces those that nobody reads.
func TestMaxBindsKeepsWhatIsRead(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Keys: []string{"max_binds = 3"}})
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		s.publish(name, 1, s.data(name, map[string]string{"f": name}))
	}
	read := func(name string) {
		t.Helper()
		if text, err := os.ReadFile(s.path(name, "v1/f")); err != nil || string(text) != name {
			t.Fatalf("read %q, %v", text, err)
		}
	}
	s.warm("a:v1")
	s.warm("b:v1")
	container := s.namespace("slave")
	held := container.command(root, "sh", "-c", "exec <"+s.path("b/v1/f")+"; echo; sleep 60")
	out, err := held.StdoutPipe()
	must(t, err)
	must(t, held.Start())
	defer held.Wait()
	defer held.Process.Kill()
	_, err = out.Read(make([]byte, 1))
	must(t, err)
	for _, name := range []string{"c", "d", "e", "f"} {
		s.warm(name + ":v1")
		for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			read("a")
		}
		if got := mountsBelow("self", s.Mnt); !slices.Equal(got[1:], []string{s.path("a/v1"), s.path("b/v1"), s.path(name, "v1")}) {
			t.Errorf("bound: %q, want a, b and %s", got[1:], name)
		}
	}
}

// An umount that is refused takes no bind away either.
func TestBusyUmountKeepsBinds(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	s.publish("a", 1, s.data("a", map[string]string{"f": "text"}))
	s.warm("a:v1")
	held, err := os.Open(s.path(".artifactfs/status"))
	must(t, err)
	defer held.Close()
	if out, err := s.command(binary, "umount", s.Mnt).CombinedOutput(); err == nil || !strings.Contains(string(out), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("umount with a file open: %v: %s", err, out)
	}
	if !mounted(s.path("a/v1")) {
		t.Error("the bind is gone")
	}
	held.Close()
	s.umount()
}

// mount --replace: not one open fails, what is open in the old mount goes on, and its daemon leaves with the last file.
func TestReplaceMount(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	s.publish("bound", 1, s.data("bound", map[string]string{"f": "text"}))
	plain := s.data("plain", map[string]string{"f": "text"})
	must(t, os.Symlink("../bound/f", plain+"/leaves"))
	s.publish("plain", 1, plain)
	s.warm("bound:v1")
	first := s.daemon()
	control, err := os.Open(s.path(".artifactfs/status")) // served by the old daemon
	must(t, err)
	defer control.Close()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- until(stop, func() error {
			for _, name := range []string{"bound", "plain"} {
				if _, err := os.ReadFile(s.path(name, "v1", "f")); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	for range 3 {
		s.artifactfs("mount", "--replace", s.Mnt, "--log-file", s.Base+"/daemon.log")
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("during the replacement: %v", err)
	}
	if err := syscall.Kill(first, 0); err != nil {
		t.Errorf("the first daemon has left a file that is open: %v", err)
	}
	if _, err := control.Read(make([]byte, 10)); err != nil {
		t.Errorf("what was open: %v", err)
	}
	control.Close()
	eventually(t, soon, "the first daemon leaves", func() error {
		if syscall.Kill(first, 0) == nil {
			return errors.New("it is there")
		}
		return nil
	})
	eventually(t, soon, "its supervisor too", func() error { // which outlives it by a moment
		if got := s.processes(); len(got) != 2 {
			return fmt.Errorf("processes %v, want one daemon and one supervisor", got)
		}
		return nil
	})
	// One that does not get ready leaves everything as it was.
	out, err := s.command(binary, "mount", "--replace", s.Mnt, "artifactfs.data=bind", "--log-file", "/nowhere/log").CombinedOutput()
	if err == nil {
		t.Errorf("a replacement that cannot log succeeded: %s", out)
	}
	s.kill()
	s.back(comeback, "after a replacement that failed: its supervisor is still the mount's")
}
