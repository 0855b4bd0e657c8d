//go:build linux

package fs_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/cache"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// TestMain serves a mount instead of testing when it is told to: a test that
// mounts in its own process can wait for itself for ever.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_SERVE"); dir != "" {
		if err := serve(dir, os.Getenv("TEST_ROOT"), os.Getenv("TEST_LANE")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serve(dir, root, lane string) error {
	d, err := manifest.OpenDir(root, nil)
	if err != nil {
		return err
	}
	wait, _ := time.ParseDuration(os.Getenv("TEST_DEADLINE"))
	fails := failing{d, filepath.Join(filepath.Dir(dir), "fail")}
	src := resolver.Source(fails)
	if url := os.Getenv("TEST_URL"); url != "" {
		src = filing{fails, os.Getenv("TEST_FILES"), url}
	}
	o := &resolver.Options{Data: store.NewLocal(&store.Options{AsCaller: true, Deadline: wait})}
	if dir := os.Getenv("TEST_CACHE"); dir != "" {
		if o.Cache, err = cache.Open(dir, &cache.Options{Size: 256 << 20, Deadline: o.Data.Deadline}); err != nil {
			return err
		}
	}
	tree := resolver.New(src, o)
	mo := &fs.Options{Lane: lane, ReadOnly: os.Getenv("TEST_NARROW") != "", NoExec: os.Getenv("TEST_NARROW") != ""}
	if file := os.Getenv("TEST_TRACE"); file != "" {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		mo.Debug, mo.Log = true, slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if n, err := strconv.Atoi(os.Getenv("TEST_NAMES")); err == nil {
		fs.SetMostNames(n)
	}
	s, err := fs.Mount(dir, tree, mo)
	if err != nil {
		return err
	}
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			_ = os.WriteFile(filepath.Join(filepath.Dir(dir), "names"), []byte(strconv.Itoa(s.Names())), 0o644)
		}
	}()
	rounds, err := os.OpenFile(filepath.Join(filepath.Dir(dir), "rounds"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	look := make(chan os.Signal, 1)
	signal.Notify(look, syscall.SIGUSR2)
	fmt.Println("ready")
	go func() {
		<-look
		s.Look(dir + "/other")
	}()
	go func() {
		for range signals {
			s.Expire()
			rounds.Write([]byte{'x'})
		}
	}()
	s.Wait()
	return nil
}

// mounted is a mount of one artifact, n:v1, over data.
type mounted struct {
	dir, data, v1, root, lane string
	daemon                    *exec.Cmd
}

func mount(t *testing.T, lane string) *mounted {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting without a helper needs root")
	}
	tmp := t.TempDir()
	for _, dir := range []string{tmp, filepath.Dir(tmp)} { // what not every user may reach is not bound
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := &mounted{dir: filepath.Join(tmp, "mnt"), data: filepath.Join(tmp, "data"), root: filepath.Join(tmp, "root"), lane: lane}
	m.v1 = filepath.Join(m.dir, "n/v1")
	write(t, filepath.Join(m.data, "a"), "one")
	write(t, filepath.Join(m.data, "sub/b"), "two")
	write(t, filepath.Join(m.root, "n/v1/manifest.json"), fmt.Sprintf(`{"type":"Artifact","path":%q}`, m.data))
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	t.Cleanup(func() {
		for unix.Unmount(m.dir, unix.MNT_DETACH) == nil {
		}
		m.daemon.Process.Kill()
		m.daemon.Wait()
	})
	return m
}

// start starts a daemon, by way of a command if one is given, and returns when it serves.
func (m *mounted) start(t *testing.T, by ...string) {
	t.Helper()
	args := append(by, os.Args[0])
	m.daemon = exec.Command(args[0], args[1:]...)
	m.daemon.Env = append(os.Environ(), "TEST_SERVE="+m.dir, "TEST_ROOT="+m.root, "TEST_LANE="+m.lane)
	m.daemon.Stderr = os.Stderr
	out, err := m.daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the daemon said %q", line)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func lanes(t *testing.T, test func(t *testing.T, lane string)) {
	for _, lane := range []string{"passthrough", "copy"} {
		t.Run(lane, func(t *testing.T) { test(t, lane) })
	}
}

func (m *mounted) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.v1, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRead(t *testing.T) {
	lanes(t, func(t *testing.T, lane string) {
		m := mount(t, lane)
		big := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // 5 MiB
		write(t, filepath.Join(m.data, "big"), string(big))
		if got := m.read(t, "big"); got != string(big) {
			t.Errorf("big: %d bytes read, %d written, or they differ", len(got), len(big))
		}
		f, err := os.Open(filepath.Join(m.v1, "big"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := make([]byte, 100)
		if k, err := f.ReadAt(p, int64(len(big)-50)); k != 50 || err != io.EOF || string(p[:k]) != string(big[len(big)-50:]) {
			t.Errorf("the last 50 bytes: %d, %v", k, err)
		}
	})
}

// A file that another was renamed over shows the new bytes to a fresh open, while
// whoever has the old one open goes on reading the old.
func TestReplaced(t *testing.T) {
	lanes(t, func(t *testing.T, lane string) {
		m := mount(t, lane)
		f, err := os.Open(filepath.Join(m.v1, "a"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range 20 {
			want := fmt.Sprintf("generation %d", i)
			write(t, filepath.Join(m.data, "new"), want)
			if err := os.Rename(filepath.Join(m.data, "new"), filepath.Join(m.data, "a")); err != nil {
				t.Fatal(err)
			}
			if got := m.read(t, "a"); got != want {
				t.Fatalf("a fresh open read %q, want %q", got, want)
			}
		}
		if got, err := io.ReadAll(f); err != nil || string(got) != "one" {
			t.Errorf("the open file read %q, %v; want the bytes it was opened with", got, err)
		}
	})
}

// A file rewritten in place, longer or shorter, shows its new bytes and size.
func TestRewritten(t *testing.T) {
	lanes(t, func(t *testing.T, lane string) {
		m := mount(t, lane)
		for i := range 20 {
			want := strings.Repeat("x", 1+(i*7919)%9000) + fmt.Sprint(i)
			write(t, filepath.Join(m.data, "a"), want)
			if got := m.read(t, "a"); got != want {
				t.Fatalf("round %d: read %d bytes, want %d", i, len(got), len(want))
			}
			if st, err := os.Stat(filepath.Join(m.v1, "a")); err != nil || st.Size() != int64(len(want)) {
				t.Fatalf("round %d: stat says %v, %v; want %d bytes", i, st.Size(), err, len(want))
			}
		}
	})
}

// What the kernel keeps of a listing goes when the directory changes.
func TestListingChanges(t *testing.T) {
	m := mount(t, "")
	for i := range 5 {
		write(t, filepath.Join(m.data, "sub", fmt.Sprint("f", i)), "x")
		list, err := os.ReadDir(filepath.Join(m.v1, "sub"))
		if err != nil || len(list) != i+2 {
			t.Fatalf("round %d: %d names, %v; want %d", i, len(list), err, i+2)
		}
	}
}

// After kill -9 an open file and a mapping go on being read: the kernel has them.
func TestKilledDaemonPassthrough(t *testing.T) {
	m := mount(t, "passthrough")
	f, err := os.Open(filepath.Join(m.v1, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := unix.Mmap(int(f.Fd()), 0, 3, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	m.daemon.Process.Kill()
	m.daemon.Wait()
	if _, err := os.ReadFile(filepath.Join(m.dir, ".artifactfs/status")); !errors.Is(err, syscall.ENOTCONN) {
		t.Fatalf("the daemon is still there: %v", err)
	}
	got := make([]byte, 3)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != "one" {
		t.Errorf("read %q, %v after kill -9", got, err)
	}
	if string(p) != "one" {
		t.Errorf("the mapping holds %q after kill -9", p)
	}
}

// A directory's d_ino is its files' st_ino, and rewinddir reads anew.
func TestDirectoryNumbers(t *testing.T) {
	m := mount(t, "passthrough") // in the bind lane the numbers are the file system's own
	f, err := os.Open(m.v1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 4096)
	n, err := unix.ReadDirent(int(f.Fd()), buf)
	if err != nil {
		t.Fatal(err)
	}
	inos := map[string]uint64{}
	for b := buf[:n]; len(b) > 0; {
		d := (*unix.Dirent)(unsafe.Pointer(&b[0]))
		name := string(bytes.SplitN(b[19:d.Reclen], []byte{0}, 2)[0])
		inos[name] = d.Ino
		b = b[d.Reclen:]
	}
	for _, name := range []string{"a", "sub"} {
		st, err := os.Lstat(filepath.Join(m.v1, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := inos[name], st.Sys().(*syscall.Stat_t).Ino; got != want {
			t.Errorf("%s: d_ino %d, st_ino %d", name, got, want)
		}
	}
	write(t, filepath.Join(m.data, "late"), "")
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	names, err := f.Readdirnames(-1)
	if err != nil || !strings.Contains(strings.Join(names, " "), "late") {
		t.Errorf("after rewinddir: %v, %v", names, err)
	}
}

// The mount bound below its own data: the daemon refuses itself, and nothing hangs.
func TestLoopThroughBind(t *testing.T) {
	m := mount(t, "")
	m.read(t, "sub/b")
	if err := unix.Mount(m.dir, filepath.Join(m.data, "sub"), "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(filepath.Join(m.data, "sub"), unix.MNT_DETACH)
	done := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(filepath.Join(m.v1, "sub/n/v1/a"))
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("the mount was read through itself")
		}
	case <-time.After(time.Minute):
		t.Fatal("a read through the mount into itself hangs")
	}
	if got := m.read(t, "a"); got != "one" {
		t.Errorf("afterwards a reads %q", got)
	}
}

func TestReadOnly(t *testing.T) {
	lanes(t, func(t *testing.T, lane string) {
		m := mount(t, lane)
		a, sub := filepath.Join(m.v1, "a"), filepath.Join(m.v1, "sub")
		now := time.Now()
		for what, err := range map[string]error{
			"write":    os.WriteFile(a, nil, 0o644),
			"create":   os.WriteFile(filepath.Join(m.v1, "new"), nil, 0o644),
			"truncate": os.Truncate(a, 0),
			"remove":   os.Remove(a),
			"rmdir":    unix.Rmdir(sub),
			"mkdir":    os.Mkdir(filepath.Join(m.v1, "d"), 0o755),
			"rename":   os.Rename(a, filepath.Join(m.v1, "b")),
			"link":     os.Link(a, filepath.Join(m.v1, "l")),
			"symlink":  os.Symlink("a", filepath.Join(m.v1, "s")),
			"mknod":    unix.Mknod(filepath.Join(m.v1, "p"), unix.S_IFIFO|0o644, 0),
			"chmod":    os.Chmod(a, 0o600),
			"chown":    os.Chown(a, 1, 1),
			"utimes":   os.Chtimes(a, now, now),
		} {
			if !errors.Is(err, syscall.EROFS) {
				t.Errorf("%s: %v, want EROFS", what, err)
			}
		}
		if got, err := os.ReadFile(filepath.Join(m.data, "a")); err != nil || string(got) != "one" {
			t.Errorf("the data is now %q, %v", got, err)
		}
	})
}
