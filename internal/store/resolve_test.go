//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestResolve: %R is the test's directory.
func TestResolve(t *testing.T) {
	dir := openDir(t)
	mkfile(t, dir+"/a/b/f", 0o644)
	mkfile(t, dir+"/ab", 0o644)
	link := func(target, name string) { must(t, os.Symlink(strings.ReplaceAll(target, "%R", dir), dir+"/"+name)) }
	link("a", "rel")
	link("%R/a/b/", "abs")
	link("b/../../rel/b", "a/up")
	link("/", "root")
	link(".", "a/self")
	link("..", "a/b/parent")
	link("f", "a/b/flink")
	link("f/", "a/b/slash")
	link("loop2", "loop1")
	link("loop1", "loop2")
	link("me/x", "me")
	link("nowhere/x", "dangling")
	link("/proc/self/root/etc", "magic")
	link("/proc/self/cwd", "cwd")
	link("/dev/fd/0", "fd")
	link("c1", "c0")
	for i := 1; i < 41; i++ {
		link(fmt.Sprintf("c%d", i+1), fmt.Sprintf("c%d", i))
	}
	mkfile(t, dir+"/c41", 0o644)
	long := strings.Repeat("/a/..", 800)

	l := NewLocal(nil)
	for path, want := range map[string]any{
		"%R": "%R", "/": "/", "//": "/", "/.": "/", "/..": "/", "/../..": "/", "%R/": "%R", "%R//a/./b/f": "%R/a/b/f", "%R/a/../a/b": "%R/a/b",
		"%R/rel/b/f": "%R/a/b/f", "%R/abs": "%R/a/b", "%R/abs/f": "%R/a/b/f", "%R/a/up/f": "%R/a/b/f", "%R/root": "/", "%R/root%R/a": "%R/a",
		"%R/a/self": "%R/a", "%R/a/self/self/b": "%R/a/b", "%R/a/b/parent": "%R/a", "%R/abs/..": "%R/a", "%R/a/b/parent/../ab": "%R/ab",
		"%R/a/b/flink": "%R/a/b/f", "%R/rel/": "%R/a", "%R/c2": "%R/c41", "%R" + long: "%R", "%R/root/": "/",
		"%R/a/b/f/": syscall.ENOTDIR, "%R/a/b/f/.": syscall.ENOTDIR, "%R/a/b/f/..": syscall.ENOTDIR, "%R/a/b/f/x": syscall.ENOTDIR, "%R/a/b/flink/": syscall.ENOTDIR, "%R/a/b/slash": syscall.ENOTDIR,
		"%R/none": syscall.ENOENT, "%R/none/..": syscall.ENOENT, "%R/dangling": syscall.ENOENT, "%R/a/c": syscall.ENOENT,
		"%R/loop1": syscall.ELOOP, "%R/me": syscall.ELOOP, "%R/c0": syscall.ELOOP,
		"/proc": syscall.EPERM, "/proc/self/root/etc": syscall.EPERM, "/proc/1/environ": syscall.EPERM, "/proc/..": syscall.EPERM,
		"%R/magic": syscall.EPERM, "%R/cwd": syscall.EPERM, "%R/fd": syscall.EPERM, "/dev/stdin": syscall.EPERM,
		"": syscall.EINVAL, "a": syscall.EINVAL, "./a": syscall.EINVAL, "%R/a\x00/b": syscall.EINVAL,
		"%R/" + strings.Repeat("x", 256): syscall.ENAMETOOLONG, "%R" + strings.Repeat("/.", 5000): "%R", "%R" + strings.Repeat("/a/..", 3000): syscall.ENAMETOOLONG,
	} {
		path = strings.ReplaceAll(path, "%R", dir)
		got, err := l.Resolve(context.Background(), path)
		if len(path) > 200 {
			path = path[:200] + "…"
		}
		switch want := want.(type) {
		case error:
			wantErr(t, "resolve "+path, err, want)
		case string:
			want = strings.ReplaceAll(want, "%R", dir)
			var st unix.Stat_t
			must(t, unix.Lstat(want, &st))
			if err != nil || got.Path != want || got.Attr.Ino != st.Ino || got.Attr.Mode != st.Mode {
				t.Errorf("resolve %s: %s, inode %d, %v; want %s, inode %d", path, got.Path, got.Attr.Ino, err, want, st.Ino)
			}
		}
	}
}

// TestRoots: what leads outside the roots is refused, and nothing is learned of
// what is there.
func TestRoots(t *testing.T) {
	dir := openDir(t)
	mkfile(t, dir+"/root/f", 0o644)
	mkfile(t, dir+"/moved/g", 0o644)
	mkfile(t, dir+"/out/secret", 0o644)
	mkfile(t, dir+"/rootx/f", 0o644)
	link := func(target, name string) { must(t, os.Symlink(target, dir+"/"+name)) }
	link("moved", "root2")
	link("../out/secret", "root/there")
	link("../out/none", "root/notthere")
	link("../out/secret/x", "root/notdir")
	link("../out/loop", "root/loop")
	link("loop", "out/loop")
	link("../root2/g", "root/across")
	link("../root/f", "out/back")
	l := NewLocal(&Options{Roots: []string{dir + "/root/", dir + "/root2", dir + "/later"}})
	resolve := func(p string) (string, error) {
		got, err := l.Resolve(context.Background(), dir+"/"+p)
		return strings.TrimPrefix(got.Path, dir), err
	}
	for p, want := range map[string]string{"root": "/root", "root/f": "/root/f", "root2/g": "/moved/g", "moved/g": "/moved/g", "root/across": "/moved/g", "out/back": "/root/f"} {
		if got, err := resolve(p); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", p, got, err, want)
		}
	}
	words := ""
	for _, p := range []string{"root/there", "root/notthere", "root/notdir", "root/loop", "out/secret", "out/none", "rootx/f", ".", "", "later/../out/secret"} {
		if p == "later/../out/secret" {
			continue
		}
		_, err := resolve(p)
		wantErr(t, p, err, os.ErrPermission)
		if !strings.Contains(err.Error(), dir+"/"+p+" is outside data_roots ("+dir+"/root, ") {
			t.Errorf("%s: %v: want the path and the roots named", p, err)
		}
		said := strings.Replace(err.Error(), dir+"/"+p, "", 1)
		if words != "" && said != words {
			t.Errorf("%s: %q differs from %q: it tells what is there", p, said, words)
		}
		words = said
	}
	for _, p := range []string{"root/none", "root/f/x", "root2/none"} {
		if _, err := resolve(p); errors.Is(err, os.ErrPermission) || err == nil {
			t.Errorf("%s: %v, want its own error", p, err)
		}
	}
	for _, p := range []string{"/moved", "/moved/g", "/root/f"} {
		if _, err := l.Lstat(context.Background(), dir+p); err != nil {
			t.Error(err)
		}
	}
	for _, p := range []string{"/out/secret", "", "/rootx/f"} {
		_, err := l.Lstat(context.Background(), dir+p)
		wantErr(t, "lstat "+p, err, syscall.EPERM)
	}
	// A root that appears later, by a link, is found.
	mkfile(t, dir+"/target/f", 0o644)
	link("target", "later")
	eventually(t, "the late root is known", func() bool { p, err := resolve("later/f"); return err == nil && p == "/target/f" })
}

// TestSearchAsCaller: a walk asks every directory for the caller's right, the
// one before ".." too.
func TestSearchAsCaller(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	mkfile(t, dir+"/shut/f", 0o644)
	mkfile(t, dir+"/f", 0o644)
	must(t, os.Chmod(dir+"/shut", 0o700))
	must(t, os.Symlink("shut/f", dir+"/link"))
	l := NewLocal(&Options{AsCaller: true})
	for _, p := range []string{"/shut/f", "/link", "/shut/../f", "/shut/none"} {
		_, err := l.Resolve(ctxOf(nobody, 0), dir+p)
		wantErr(t, "nobody: "+p, err, syscall.EACCES)
	}
	if _, err := l.Resolve(ctxOf(nobody, 0), dir+"/shut"); err != nil {
		t.Errorf("the directory itself: %v", err)
	}
}

// TestSwap: while a directory on the way is swapped for a link to a secret and
// back, no access by real path ever sees the secret.
func TestSwap(t *testing.T) {
	dir := openDir(t)
	mkfile(t, dir+"/root/d/f", 0o644)
	mkfile(t, dir+"/secret/f", 0o644)
	must(t, os.Symlink(dir+"/secret", dir+"/root/evil"))
	l := NewLocal(&Options{Roots: []string{dir + "/root"}})
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { done <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(here, dir+"/root/d", here, dir+"/root/evil", unix.RENAME_EXCHANGE)
			}
		}
	}()
	secret, err := stat(dir + "/secret/f")
	must(t, err)
	good, bad := 0, 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		f, a, err := l.OpenWith(context.Background(), dir+"/root/d/f", nil)
		if err != nil {
			wantErr(t, "open", err, syscall.ELOOP)
			bad++
			continue
		}
		b, _ := io.ReadAll(f)
		f.Close()
		good++
		if string(b) != dir+"/root/d/f" || a.Ino == secret.Ino {
			t.Fatalf("reads %s", b)
		}
		if p, err := l.Resolve(context.Background(), dir+"/root/d/f"); err == nil && (p.Attr.Ino == secret.Ino || !within(p.Path, dir+"/root")) {
			t.Fatalf("resolves to %+v", p)
		}
	}
	close(stop)
	if n := <-done; good == 0 || bad == 0 {
		t.Logf("%d swaps, %d opens, %d refused: no race happened", n, good, bad)
	}
}
