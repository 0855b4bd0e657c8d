//go:build linux

package fs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/storetest"
	"artifactfs.dev/artifactfs/manifest"
)

// filing is a source whose versions have no path, but files, on a server.
type filing struct {
	failing
	dir, url string
}

func (f filing) Manifest(ctx context.Context, name string, n int) (*manifest.Record, error) {
	r, err := f.Dir.Manifest(ctx, name, n)
	if err != nil {
		return nil, err
	}
	m, out := *r.Manifest, *r
	m.Path, out.Manifest = "", &m
	return &out, nil
}

func (f filing) Files(_ context.Context, name string, n int) (store.Files, error) {
	served := &storetest.Served{Dir: f.dir, URL: f.url}
	if file := os.Getenv("TEST_LISTING"); file != "" {
		return listing{served, file}, nil
	}
	return served, nil
}

// listing is Files that may change, whose listings are named as a file says.
type listing struct {
	*storetest.Served
	file string
}

// Stat gives directories no time, as a bucket's have none.
func (l listing) Stat(ctx context.Context, path string) (store.File, error) {
	f, err := l.Served.Stat(ctx, path)
	if f.Dir {
		f.ModTime = time.Time{}
	}
	return f, err
}

func (l listing) Lasts() time.Duration {
	d, err := time.ParseDuration(os.Getenv("TEST_LASTS"))
	if err != nil {
		return time.Hour
	}
	return d
}

func (l listing) Listing(string) uint64 {
	text, _ := os.ReadFile(l.file)
	n, _ := strconv.ParseUint(string(text), 10, 64)
	return n
}

func (l listing) ReadListing(ctx context.Context, path string) ([]store.File, uint64, error) {
	n := l.Listing(path)
	list, err := l.Served.ReadDir(ctx, path)
	return list, n, err
}

// server serves a directory; while hung it answers nothing.
type server struct {
	dir  string
	hung atomic.Bool
	asks atomic.Int64
	end  chan struct{}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asks.Add(1)
	if s.hung.Load() {
		<-s.end
		return
	}
	http.FileServer(http.Dir(s.dir)).ServeHTTP(w, r)
}

// mountStored mounts n:v1 whose files are on a server.
func mountStored(t *testing.T, lay func(dir string)) (*mounted, *server) {
	t.Helper()
	s := &server{dir: t.TempDir(), end: make(chan struct{})}
	lay(s.dir)
	h := httptest.NewServer(s)
	t.Setenv("TEST_FILES", s.dir)
	t.Setenv("TEST_URL", h.URL)
	m := mount(t, "auto")
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(s.end) })
	return m, s
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// Files that a store keeps are files: read, sought in, mapped, copied, by many at once.
func TestStoredFiles(t *testing.T) { testStoredFiles(t) }

// With a cache they are the same, and asked for once.
func TestStoredFilesCached(t *testing.T) {
	t.Setenv("TEST_CACHE", t.TempDir())
	m, s := testStoredFiles(t)
	before := s.asks.Load()
	f, err := os.Open(filepath.Join(m.v1, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := dropCaches(f); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		t.Fatal(err)
	}
	if asks := s.asks.Load() - before; asks != 0 {
		t.Errorf("%d requests for what is in the cache", asks)
	}
	if before > 60 { // each range once, and each file that may be read next; without a cache there are hundreds
		t.Errorf("%d requests in all", before)
	}
}

// The kernel keeps a listing for as long as it has the same name.
func TestStoredListing(t *testing.T) {
	named, trace := filepath.Join(t.TempDir(), "listing"), filepath.Join(t.TempDir(), "trace")
	t.Setenv("TEST_LISTING", named)
	t.Setenv("TEST_TRACE", trace)
	m, s := mountStored(t, func(dir string) { write(t, filepath.Join(dir, "sub/a"), "a") })
	reads := func() int {
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), ": READDIR")
	}
	for i, step := range []struct {
		listing, add string
		read         bool
		want         int
	}{
		{"", "", true, 1}, // there is no name, and nothing is kept
		{"", "b", true, 2},
		{"1", "", true, 2},
		{"1", "c", false, 2}, // not seen for as long as the listing is good
		{"2", "", true, 3},
		{"2", "", false, 3},
		{"0", "d", true, 4},
		{"3", "e", true, 5},
	} {
		write(t, named, step.listing)
		if step.add != "" {
			write(t, filepath.Join(s.dir, "sub", step.add), "x")
		}
		before := reads()
		list, err := os.ReadDir(filepath.Join(m.v1, "sub"))
		if err != nil || len(list) != step.want {
			t.Errorf("step %d: %v, %v; want %d", i, list, err, step.want)
		}
		if read := reads() > before; read != step.read {
			t.Errorf("step %d: the kernel asked for the listing: %v", i, read)
		}
	}
}

// Who opened a directory long ago, and reads it only now, does not have the kernel keep
// what it was then for those who have opened it since.
func TestStoredListingOfOldHandle(t *testing.T) {
	named := filepath.Join(t.TempDir(), "listing")
	t.Setenv("TEST_LISTING", named)
	m, s := mountStored(t, func(dir string) { write(t, filepath.Join(dir, "sub/a"), "a") })
	for i := range 5 {
		dir := filepath.Join(m.v1, []string{"sub", ""}[i%2])
		write(t, named, fmt.Sprint(2*i+1))
		old, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if i == 2 { // in the other rounds it has not been read yet
			if _, err := old.Readdirnames(0); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(s.dir, strings.TrimPrefix(dir, m.v1), fmt.Sprint("new", i)), "x")
		write(t, named, fmt.Sprint(2*i+2))
		now, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer now.Close()
		time.Sleep(200 * time.Millisecond)
		for _, f := range []*os.File{old, now} {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			list, err := f.Readdirnames(0)
			if err != nil || !slices.Contains(list, fmt.Sprint("new", i)) {
				t.Errorf("round %d: the old handle: %v: reads %v, %v", i, f == old, list, err)
			}
		}
		if list, err := os.ReadDir(dir); err != nil || !strings.Contains(fmt.Sprint(list), fmt.Sprint("new", i)) {
			t.Errorf("round %d: then there is %v, %v", i, list, err)
		}
	}
}

// What an old handle may have had the kernel keep, because it was read just when others opened
// the directory as it is now, is gone when the handle is.
func TestStoredListingOfTwo(t *testing.T) {
	named := filepath.Join(t.TempDir(), "listing")
	t.Setenv("TEST_LISTING", named)
	m, s := mountStored(t, func(dir string) { write(t, filepath.Join(dir, "sub/a"), "a") })
	write(t, named, "1")
	dir := filepath.Join(m.v1, "sub")
	old, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "sub/b"), "x")
	write(t, named, "2")
	now, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	now.Close()
	if _, err := old.Readdirnames(0); err != nil {
		t.Fatal(err)
	}
	old.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the kernel tells of it later
		list, err := os.ReadDir(dir)
		if err == nil && len(list) == 2 {
			return
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%v, %v; want the new listing", list, err)
		}
	}
}

// Who has a directory open for longer than a listing is good reads a new one then.
func TestStoredListingEnds(t *testing.T) {
	named := filepath.Join(t.TempDir(), "listing")
	t.Setenv("TEST_LISTING", named)
	t.Setenv("TEST_LASTS", "300ms")
	m, s := mountStored(t, func(dir string) { write(t, filepath.Join(dir, "sub/a"), "a") })
	write(t, named, "1")
	f, err := os.Open(filepath.Join(m.v1, "sub"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if list, err := f.Readdirnames(0); err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	for i := 2; i < 5; i++ { // each time, and not the first alone
		write(t, filepath.Join(s.dir, "sub", fmt.Sprint(i)), "x")
		write(t, named, fmt.Sprint(i))
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			list, err := f.Readdirnames(0)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == i {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%v, long after it changed to listing %d", list, i)
			}
		}
	}
}

// What lies whole in the cache is read by the kernel alone, once it has been checked.
func TestStoredPassthrough(t *testing.T) {
	t.Setenv("TEST_CACHE", t.TempDir())
	big := random(3 << 20)
	m, _ := mountStored(t, func(dir string) { write(t, filepath.Join(dir, "big"), string(big)) })
	path := filepath.Join(m.v1, "big")
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, big) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		passed := readsAlone(t, m, f, big)
		f.Close()
		if passed {
			break
		}
		if time.Now().After(end) {
			if f := fs.Probe().Feature("passthrough"); !f.Have {
				t.Skip("this kernel has no passthrough: ", f.Why)
			}
			t.Fatal("the daemon still reads it")
		}
	}
}

// readsAlone reports whether an open file can be read while the daemon stands still.
func readsAlone(t *testing.T, m *mounted, f *os.File, want []byte) bool {
	t.Helper()
	if err := dropCaches(f); err != nil {
		t.Fatal(err)
	}
	if err := m.daemon.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool, 1)
	go func() {
		got := make([]byte, len(want))
		_, err := f.ReadAt(got, 0)
		done <- err == nil && bytes.Equal(got, want)
	}()
	alone := false
	select {
	case alone = <-done:
		done <- alone
	case <-time.After(300 * time.Millisecond):
	}
	if err := m.daemon.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !<-done {
		t.Error("other bytes, or none")
	}
	return alone
}

func testStoredFiles(t *testing.T) (*mounted, *server) {
	big := random(9<<20 + 12345)
	m, s := mountStored(t, func(dir string) {
		write(t, filepath.Join(dir, "big"), string(big))
		write(t, filepath.Join(dir, "sub/small"), "small")
		write(t, filepath.Join(dir, "sub/empty"), "")
	})
	path := filepath.Join(m.v1, "big")
	if out, err := exec.Command("cp", "-a", m.v1, t.TempDir()+"/copy").CombinedOutput(); err != nil {
		t.Errorf("cp -a: %v: %s", err, out)
	}
	out, err := exec.Command("sh", "-c", "cd "+m.v1+" && find . -type f | sort | xargs sha256sum; find . -links 1 | wc -l").CombinedOutput()
	want := fmt.Sprintf("%x  ./big\n%x  ./sub/empty\n%x  ./sub/small\n5\n", sha256.Sum256(big), sha256.Sum256(nil), sha256.Sum256([]byte("small")))
	if err != nil || string(out) != want {
		t.Errorf("sha256sum and find: %v: %s; want %s", err, out, want)
	}

	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Size() != int64(len(big)) || fi.Mode() != 0o444 {
		t.Errorf("stat: %v, %v", fi, err)
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, len(big), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	if !bytes.Equal(mapped, big) {
		t.Error("the mapping differs")
	}
	before := s.asks.Load()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, big) {
		t.Errorf("read again: %d bytes, %v", len(got), err)
	}
	if asks := s.asks.Load() - before; asks != 0 {
		t.Errorf("%d requests for what the kernel has", asks)
	}
	if err := dropCaches(f); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			g, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer g.Close()
			p := make([]byte, 70_000)
			for k := range 40 {
				off := int64((k*1_500_007 + i*777_777) % (len(big) - len(p)))
				if _, err := g.ReadAt(p, off); err != nil || !bytes.Equal(p, big[off:off+int64(len(p))]) {
					t.Errorf("at %d: %v, or other bytes", off, err)
				}
			}
			if got, err := io.ReadAll(g); err != nil || !bytes.Equal(got, big) {
				t.Errorf("from the start: %d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	for what, err := range map[string]error{
		"write":  second(os.OpenFile(path, os.O_WRONLY, 0)),
		"create": second(os.Create(filepath.Join(m.v1, "new"))),
		"chmod":  os.Chmod(path, 0o600),
		"remove": os.Remove(path),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v; want EROFS", what, err)
		}
	}
	return m, s
}

func second(_ any, err error) error { return err }

// dropCaches has the kernel read a file anew.
func dropCaches(f *os.File) error {
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// A server that does not answer costs a reader the deadline, and nobody who lists.
func TestStoredDeadline(t *testing.T) {
	t.Setenv("TEST_DEADLINE", "1s")
	m, s := mountStored(t, func(dir string) { write(t, filepath.Join(dir, "a"), strings.Repeat("x", 5000)) })
	s.hung.Store(true)
	begin := time.Now()
	_, err := os.ReadFile(filepath.Join(m.v1, "a"))
	if took := time.Since(begin); !errors.Is(err, syscall.ETIMEDOUT) || took > 20*time.Second {
		t.Errorf("read: %v after %v; want ETIMEDOUT after 1 s", err, took)
	}
	if list, err := os.ReadDir(m.v1); err != nil || len(list) != 1 {
		t.Errorf("ls: %v, %v", list, err)
	}
	s.hung.Store(false)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		got, err := os.ReadFile(filepath.Join(m.v1, "a"))
		if err == nil && len(got) == 5000 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("once it answers: %d bytes, %v", len(got), err)
		}
	}
}
