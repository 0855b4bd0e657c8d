package wandb_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// random returns n bytes that are the same each time.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func filesOf(t testing.TB, s *wandb.Source, name string) store.Files {
	t.Helper()
	f, err := s.Files(ctx(t), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func object(t testing.TB, f store.Files, path string) store.File {
	t.Helper()
	file, err := f.Stat(ctx(t), path)
	if err != nil || file.Object == nil {
		t.Fatalf("Stat(%s) = %+v, %v; want an object", path, file, err)
	}
	return file
}

// read reads a range.
func read(ctx context.Context, o store.Object, off, n int64) ([]byte, error) {
	r, err := o.ReadRange(ctx, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestFiles(t *testing.T) {
	srv := wandbtest.New(t, &wandbtest.Options{Path: "/w"})
	s := open(t, srv, nil)
	content := map[string][]byte{"metadata.json": []byte("{}"), "dir/big": random(3 << 20), "dir/a b/é%20.txt": []byte("odd"), "empty": nil}
	log(t, srv, wandbtest.Version{Name: "m", Files: content, Refs: []wandbtest.Ref{{Name: "ref/x%20y", URI: "file:///l/my%20data/x%20y", Size: 7}, {Name: "ref/z", URI: "file:///l/my%20data/z"}}})
	f := filesOf(t, s, "m")
	served := srv.BytesServed()
	list := func(path string) map[string]store.File {
		t.Helper()
		files, err := f.ReadDir(ctx(t), path)
		if err != nil {
			t.Fatal(err)
		}
		out := make(map[string]store.File)
		for _, file := range files {
			file.Object = nil
			out[file.Name] = file
		}
		return out
	}
	for path, want := range map[string]map[string]store.File{
		"":        {"metadata.json": {Name: "metadata.json", Size: 2}, "dir": {Name: "dir", Dir: true}, "empty": {Name: "empty", Size: -1}, "ref": {Name: "ref", Dir: true}},
		"dir":     {"big": {Name: "big", Size: 3 << 20}, "a b": {Name: "a b", Dir: true}},
		"dir/a b": {"é%20.txt": {Name: "é%20.txt", Size: 3}},
		"ref":     {"x%20y": {Name: "x%20y", Size: 7, Local: "/l/my data/x%20y"}, "z": {Name: "z", Size: -1, Local: "/l/my data/z"}},
	} {
		if d := cmp.Diff(want, list(path)); d != "" {
			t.Errorf("ReadDir(%s) (-want +got):\n%s", path, d)
		}
	}
	if file, err := f.Stat(ctx(t), "dir"); err != nil || !file.Dir || file.Name != "dir" {
		t.Errorf("Stat(dir) = %+v, %v", file, err)
	}
	for path, want := range map[string]error{"none": fs.ErrNotExist, "dir/none": fs.ErrNotExist, "empty/x": fs.ErrNotExist, "../x": fs.ErrNotExist, "dir/": fs.ErrNotExist} {
		if _, err := f.Stat(ctx(t), path); !errors.Is(err, want) {
			t.Errorf("Stat(%s): %v; want %v", path, err, want)
		}
	}
	if _, err := f.ReadDir(ctx(t), "empty"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("ReadDir of a file: %v", err)
	}
	if srv.BytesServed() != served || srv.Requests("GET") != 1 {
		t.Errorf("looking fetched %d bytes, in %d requests of files", srv.BytesServed()-served, srv.Requests("GET"))
	}
	for path, want := range content {
		file := object(t, f, path)
		if got, err := read(ctx(t), file.Object, 0, 1<<30); err != nil || !bytes.Equal(got, want) || file.Size != int64(len(want)) {
			t.Errorf("%s has %d bytes, %v; want %d", path, len(got), err, len(want))
		}
	}
}

func TestRanges(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	want := random(1 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	o := object(t, filesOf(t, s, "m"), "f").Object
	served := srv.BytesServed()
	for _, r := range []struct{ off, n int64 }{{0, 1}, {0, 4096}, {1, 4096}, {1<<20 - 1, 1}, {1<<20 - 1, 100}, {1 << 20, 1}, {1 << 30, 10}, {0, 0}, {5, 0}, {777, 1 << 40}, {77, 1<<63 - 1}} {
		got, err := read(ctx(t), o, r.off, r.n)
		from := min(r.off, 1<<20)
		to := from + min(r.n, 1<<20-from)
		if err != nil || !bytes.Equal(got, want[from:to]) {
			t.Errorf("ReadRange(%d, %d) = %d bytes, %v; want %d", r.off, r.n, len(got), err, to-from)
		}
	}
	if n := srv.BytesServed() - served; n > 3<<20 {
		t.Errorf("%d bytes were fetched; a range is what it takes", n)
	}
	if n := srv.Requests("FileURLs"); n != 1 {
		t.Errorf("%d requests for one address", n)
	}
}

// Addresses of many files are asked for together.
func TestAddressesAhead(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	content := make(map[string][]byte)
	for i := range 300 {
		content[fmt.Sprintf("d/%03d", i)] = fmt.Append(nil, i)
	}
	log(t, srv, wandbtest.Version{Name: "m", Files: content})
	f := filesOf(t, s, "m")
	for i := range 300 {
		path := fmt.Sprintf("d/%03d", i)
		if got, err := read(ctx(t), object(t, f, path).Object, 0, 100); err != nil || !bytes.Equal(got, content[path]) {
			t.Fatalf("%s: %q, %v", path, got, err)
		}
	}
	if n := srv.Requests("FileURLs"); n > 8 {
		t.Errorf("%d requests for 300 addresses", n)
	}
}

// An address that has expired is replaced, and a range that is being read goes on.
func TestExpiredAddress(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	want := random(1 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	o := object(t, filesOf(t, s, "m"), "f").Object
	for range 3 {
		if got, err := read(ctx(t), o, 10, 100); err != nil || !bytes.Equal(got, want[10:110]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		srv.ExpireURLs()
	}
	if n := srv.Requests("FileURLs"); n != 3 {
		t.Errorf("%d addresses; want 3", n)
	}
	srv.SetURLLifetime(-time.Second) // no address is ever good
	before := srv.Requests("FileURLs")
	if got, err := read(ctx(t), o, 10, 100); err == nil || strings.Contains(err.Error(), "X-Amz") || strings.Contains(err.Error(), "ignature=") {
		t.Errorf("an address that never holds: %d bytes, %v", len(got), err)
	}
	if n := srv.Requests("FileURLs") - before; n > 3 {
		t.Errorf("%d addresses for one read; want 3 at most", n)
	}
}

func TestFileFaults(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	want := random(1 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	for name, fault := range map[string]wandbtest.Fault{
		"429":            {Status: 429, Header: map[string]string{"Retry-After": "0.2"}},
		"500":            {Status: 500},
		"503 twice":      {Status: 503, Times: 2},
		"403":            {Status: 403},
		"dropped":        {Drop: true},
		"cut":            {Cut: 1000},
		"cut many times": {Cut: 100_000, Times: 9},
		"hangs":          {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, srv, nil)
			o := object(t, filesOf(t, s, "m"), "f").Object
			srv.Heal()
			srv.Fail("GET", fault)
			defer srv.Heal()
			c, cancel := context.WithTimeout(context.Background(), 8*time.Second)
			defer cancel()
			if got, err := read(c, o, 0, 1<<20); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	for name, c := range map[string]struct {
		fault wandbtest.Fault
		is    error
	}{
		"404":      {wandbtest.Fault{Status: 404, Times: -1}, syscall.EIO},
		"503":      {wandbtest.Fault{Status: 503, Times: -1}, syscall.EIO},
		"dropped":  {wandbtest.Fault{Drop: true, Times: -1}, syscall.EIO},
		"hangs":    {wandbtest.Fault{Hang: true, Times: -1}, context.DeadlineExceeded},
		"no range": {wandbtest.Fault{Status: 200, Body: "something else"}, syscall.EIO},
	} {
		t.Run("never: "+name, func(t *testing.T) {
			s := open(t, srv, nil)
			o := object(t, filesOf(t, s, "m"), "f").Object
			srv.Fail("GET", c.fault)
			defer srv.Heal()
			within, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			got, err := read(within, o, 0, 1<<20)
			if !errors.Is(err, c.is) || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "ignature=") || !strings.Contains(err.Error(), srv.URL) {
				t.Errorf("%d bytes, %v; want %v", len(got), err, c.is)
			}
		})
	}
}

// Whoever reads a file whole is told when it is not the one that was logged.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	for _, xxh := range []bool{false, true} {
		srv := wandbtest.New(t, &wandbtest.Options{Features: wandbtest.XXH})
		s := open(t, srv, nil)
		want := random(100_000)
		log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}, XXH128: xxh})
		f := filesOf(t, s, "m")
		pieces := func(o store.Object, size int64) ([]byte, error) {
			var all []byte
			for off := int64(0); off < int64(len(want)); off += size {
				b, err := read(ctx(t), o, off, size)
				if all = append(all, b...); err != nil {
					return all, err
				}
			}
			return all, nil
		}
		for _, size := range []int64{1 << 20, 4096} {
			if got, err := pieces(object(t, f, "f").Object, size); err != nil || !bytes.Equal(got, want) {
				t.Errorf("xxh %v, pieces of %d: %d bytes, %v", xxh, size, len(got), err)
			}
			srv.Fail("GET", wandbtest.Fault{Corrupt: true, Times: -1})
			o := object(t, f, "f").Object
			_, err := pieces(o, size)
			var c *wandb.CorruptError
			if !errors.As(err, &c) || !errors.Is(err, syscall.EIO) || c.Path != "f" || c.Want == c.Got || len(c.Got) != 32 {
				t.Errorf("xxh %v, corrupt, in pieces of %d: %v; want what was expected and what came", xxh, size, err)
			}
			if _, err := read(ctx(t), o, 5, 10); !errors.As(err, &c) {
				t.Errorf("a file that is known to be wrong is read again: %v", err)
			}
			srv.Heal()
		}
		// Only the file as a whole has a digest.
		if got, err := read(ctx(t), object(t, f, "f").Object, 5, 10); err != nil || !bytes.Equal(got, want[5:15]) {
			t.Errorf("a range: %v", err)
		}
	}
}

// The last resort is the address at which the server itself gives files.
func TestAPIAddress(t *testing.T) {
	for _, features := range []wandbtest.Features{wandbtest.Modern, wandbtest.XXH} {
		srv := wandbtest.New(t, &wandbtest.Options{Features: features, Path: "/w"})
		s := open(t, srv, nil)
		log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"d/a b%20é": []byte("hello")}})
		f := filesOf(t, s, "m")
		srv.Fail("FileURLs", wandbtest.Fault{Times: -1, Status: 200, Body: `{"data": {"project": {"artifactCollection": null}}}`})
		if got, err := read(ctx(t), object(t, f, "d/a b%20é").Object, 1, 3); err != nil || string(got) != "ell" || srv.Requests("artifactsV2") != 1 {
			t.Errorf("%q, %v after %d requests to the server's own address", got, err, srv.Requests("artifactsV2"))
		}
	}
}

// A file of the other hash lies in a directory of its own.
func TestLocalCacheXXH(t *testing.T) {
	srv := wandbtest.New(t, &wandbtest.Options{Features: wandbtest.XXH})
	dir := t.TempDir()
	s := open(t, srv, func(c *wandb.Config) { c.CacheDir = dir })
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": []byte("hi")}, XXH128: true})
	path := dir + "/artifacts/obj/xxh128/7d/596ce5fcabaf622a2300bbd7ea6e9a"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hi"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := object(t, filesOf(t, s, "m"), "f").Object
	n := srv.Requests("GET")
	if got, err := read(ctx(t), o, 0, 10); err != nil || string(got) != "hi" || srv.Requests("GET") != n || o.Key() != "wandb:xxh128:7d596ce5fcabaf622a2300bbd7ea6e9a:2" {
		t.Errorf("%q, %v after %d requests; the key is %s", got, err, srv.Requests("GET")-n, o.Key())
	}
}

// A disk that fails in the middle of a file leaves the rest to the server.
func TestLocalCacheFails(t *testing.T) {
	srv := wandbtest.New(t, nil)
	dir := t.TempDir()
	s := open(t, srv, func(c *wandb.Config) { c.CacheDir = dir })
	want := random(3 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	sum := md5.Sum(want)
	h := hex.EncodeToString(sum[:])
	path := filepath.Join(dir, "artifacts", "obj", "md5", h[:2], h[2:])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := object(t, filesOf(t, s, "m"), "f").Object.ReadRange(ctx(t), 0, 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 3<<20)
	n, err := r.Read(got)
	if err != nil || n == 0 || n == len(got) {
		t.Fatalf("the first read is %d bytes, %v", n, err)
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	before := srv.Requests("GET")
	if _, err := io.ReadFull(r, got[n:]); err != nil || !bytes.Equal(got, want) || srv.Requests("GET") == before {
		t.Errorf("%v after %d requests", err, srv.Requests("GET")-before)
	}
}

func TestLocalCache(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	dir := t.TempDir()
	s := open(t, srv, func(c *wandb.Config) { c.CacheDir = dir })
	content := map[string][]byte{"good": random(5000), "short": random(6000), "wrong": random(7000), "absent": random(8000), "large": random(20 << 20)}
	log(t, srv, wandbtest.Version{Name: "m", Files: content})
	for name, b := range map[string][]byte{"good": content["good"], "short": content["short"][1:], "wrong": random(7001)[:7000], "large": content["large"]} {
		sum := md5.Sum(content[name])
		h := hex.EncodeToString(sum[:])
		path := filepath.Join(dir, "artifacts", "obj", "md5", h[:2], h[2:])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := filesOf(t, s, "m")
	fetched := func(name string) bool {
		t.Helper()
		n := srv.Requests("GET")
		for _, r := range []struct{ off, n int64 }{{0, 1 << 30}, {10, 100}} {
			got, err := read(ctx(t), object(t, f, name).Object, r.off, r.n)
			if want := content[name][r.off:min(r.off+r.n, int64(len(content[name])))]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		return srv.Requests("GET") != n
	}
	for name, want := range map[string]bool{"good": false, "short": true, "wrong": true, "absent": true} {
		if got := fetched(name); got != want {
			t.Errorf("%s was fetched: %v; want %v", name, got, want)
		}
	}
	// A large file is served by the server while it is being hashed.
	for end := time.Now().Add(20 * time.Second); fetched("large"); {
		if time.Now().After(end) {
			t.Fatal("the large file is never taken from the cache")
		}
	}
}

// A server that sends other bytes than those that were asked for is found out.
func TestWrongRange(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", map[string]string{"/from": "bytes 0-4/10", "/total": "bytes 2-6/11", "/none": "", "/bad": "items x"}[r.URL.Path])
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, "01234")
	}))
	defer web.Close()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	var list []wandbtest.Ref
	for _, name := range []string{"from", "total", "none", "bad"} {
		list = append(list, wandbtest.Ref{Name: name, URI: web.URL + "/" + name, Size: 10})
	}
	log(t, srv, wandbtest.Version{Name: "m", Refs: list})
	for _, r := range list {
		if got, err := read(ctx(t), object(t, filesOf(t, s, "m"), r.Name).Object, 2, 5); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %q, %v; want EIO", r.Name, got, err)
		}
	}
}

// What opens a file to read it on finds out too, and a range of a corrupt one does not.
func TestCorruptThroughReader(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	want := random(5 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	for _, corrupt := range []bool{false, true} {
		srv.Heal()
		if corrupt {
			srv.Fail("GET", wandbtest.Fault{Corrupt: true, Times: -1})
		}
		f, err := s.Files(ctx(t), "m", 0) // the manifest is known
		if err != nil {
			t.Fatal(err)
		}
		file := object(t, f, "f")
		r := store.NewReader(file.Object, file.Size, func() time.Duration { return 20 * time.Second })
		n, err := io.Copy(io.Discard, io.NewSectionReader(r, 0, file.Size))
		r.Close()
		if corrupt != errors.Is(err, syscall.EIO) || !corrupt && n != file.Size {
			t.Errorf("corrupt %v: %d bytes, %v", corrupt, n, err)
		}
	}
}

func TestHTTPReference(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	content, tag, ranges := random(50_000), `"v1"`, true
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Secret") != "" {
			t.Errorf("a reference was asked for with %v", r.Header)
		}
		if r.URL.Path == "/gone" {
			w.WriteHeader(404)
			return
		}
		if tag != "" {
			w.Header().Set("ETag", tag)
		}
		if !ranges {
			r.Header.Del("Range")
			_, _ = w.Write(content)
			return
		}
		http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(content))
	}))
	defer web.Close()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, func(c *wandb.Config) { c.Headers = map[string]string{"X-Secret": "s"} })
	log(t, srv, wandbtest.Version{Name: "m", Refs: []wandbtest.Ref{
		{Name: "tagged", URI: web.URL + "/f?token=secret", Digest: "v1", Size: 50_000, Extra: map[string]any{"etag": `"v1"`}},
		{Name: "untagged", URI: web.URL + "/f"},
		{Name: "gone", URI: web.URL + "/gone", Size: 5},
		{Name: "metadata", URI: "http://169.254.169.254/latest/meta-data", Size: 5},
		{Name: "azure", URI: "abfs://c/x"}, {Name: "bad", URI: "http://%zz"},
	}})
	f := filesOf(t, s, "m")
	for _, name := range []string{"tagged", "untagged"} {
		file := object(t, f, name)
		if file.Size != 50_000 {
			t.Errorf("%s has size %d", name, file.Size)
		}
		if got, err := read(ctx(t), file.Object, 100, 40_000); err != nil || !bytes.Equal(got, content[100:40_100]) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if a, b := object(t, f, "tagged").Object.Key(), object(t, f, "untagged").Object.Key(); a == "" || b != "" || strings.Contains(a, "secret") {
		t.Errorf("the keys are %q and %q", a, b)
	}
	mu.Lock()
	ranges = false
	mu.Unlock()
	if got, err := read(ctx(t), object(t, f, "tagged").Object, 100, 40_000); err != nil || !bytes.Equal(got, content[100:40_100]) {
		t.Errorf("of a server without ranges: %d bytes, %v", len(got), err)
	}
	mu.Lock()
	ranges, tag = true, `"v2"`
	mu.Unlock()
	for name, words := range map[string]string{"tagged": "changed since it was logged", "gone": "404", "metadata": "not followed"} {
		within, cancel := context.WithTimeout(context.Background(), time.Second)
		got, err := read(within, object(t, f, name).Object, 0, 5)
		cancel()
		if !errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, %v; want EIO and %q", name, got, err, words)
		}
	}
	for _, name := range []string{"azure", "bad"} {
		if file, err := f.Stat(ctx(t), name); !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("Stat(%s) = %+v, %v", name, file, err)
		}
	}
}

// reference is what W&B's SDK writes for an entry of another artifact.
func reference(t testing.TB, id, path string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	return "wandb-artifact://" + hex.EncodeToString(raw) + "/" + path
}

func TestArtifactReference(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	a := log(t, srv, wandbtest.Version{Project: "other", Name: "a", Files: map[string][]byte{"d/f": []byte("hello")}, Refs: []wandbtest.Ref{{Name: "l", URI: "file:///l/x"}}})
	b := log(t, srv, wandbtest.Version{Name: "b", Refs: []wandbtest.Ref{{Name: "to-a", URI: reference(t, a.ID, "d/f")}, {Name: "l", URI: reference(t, a.ID, "l")}}})
	log(t, srv, wandbtest.Version{Name: "c", Refs: []wandbtest.Ref{
		{Name: "to-b", URI: reference(t, b.ID, "to-a")}, {Name: "l", URI: reference(t, b.ID, "l")}, {Name: "gone", URI: reference(t, "QXJ0aWZhY3Q6OTk5OTk=", "x")},
		{Name: "none", URI: reference(t, a.ID, "none")}, {Name: "bad", URI: "wandb-artifact://zz/x"},
	}})
	f := filesOf(t, s, "c")
	file := object(t, f, "to-b")
	if got, err := read(ctx(t), file.Object, 0, 10); err != nil || string(got) != "hello" || file.Size != 5 || file.Name != "to-b" {
		t.Errorf("through two artifacts: %+v, %q, %v", file, got, err)
	}
	list, err := f.ReadDir(ctx(t), "")
	if err != nil || len(list) != 5 {
		t.Fatalf("ReadDir = %v, %v", list, err)
	}
	for _, file := range list {
		if file.Name == "to-b" {
			if got, err := read(ctx(t), file.Object, 1, 3); err != nil || string(got) != "ell" {
				t.Errorf("from a listing: %q, %v", got, err)
			}
		}
	}
	if file, err := f.Stat(ctx(t), "l"); err != nil || file.Local != "/l/x" {
		t.Errorf("a local file through two artifacts: %+v, %v", file, err)
	}
	for _, name := range []string{"gone", "none", "bad"} {
		if file, err := f.Stat(ctx(t), name); err == nil || !strings.Contains(err.Error(), "file "+name+" of c:v0") {
			t.Errorf("Stat(%s) = %+v, %v", name, file, err)
		}
	}
}

// References in a circle: the server's ids count up, so that the first can name the
// second before it is there.
func TestReferenceLoop(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	var manifest string
	a := log(t, srv, wandbtest.Version{Name: "a", Files: stored("1")})
	b := log(t, srv, wandbtest.Version{Name: "b", Refs: []wandbtest.Ref{{Name: "x", URI: reference(t, a.ID, "x")}}})
	manifest = fmt.Sprintf(`{"version":1,"contents":{"x":{"digest":"d","ref":%q},"self":{"digest":"d","ref":%q}}}`, reference(t, b.ID, "x"), reference(t, a.ID, "self"))
	srv.Fail("GET", wandbtest.Fault{Status: 200, Body: manifest})
	f := filesOf(t, s, "a")
	for _, name := range []string{"x", "self"} {
		if file, err := f.Stat(ctx(t), name); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("Stat(%s) = %+v, %v; want ELOOP", name, file, err)
		}
	}
}

// A manifest that names files outside the version, or one name as a file and as a
// directory, is refused in words.
func TestHostileVersion(t *testing.T) {
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	for entry, words := range map[string]string{
		`"../../etc/passwd":{"digest":"d"}`:       "leads out",
		`"/etc/passwd":{"digest":"d"}`:            "absolute",
		`"a":{"digest":"d"},"a/b":{"digest":"d"}`: "lies below",
	} {
		s := open(t, srv, nil)
		srv.Fail("GET", wandbtest.Fault{Status: 200, Body: `{"version":1,"contents":{` + entry + `}}`})
		f, err := s.Files(ctx(t), "m", 0)
		if err == nil || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "m:v0") {
			t.Errorf("%s: %v, %v; want EIO and %q", entry, f, err, words)
		}
	}
}

// A manifest is fetched again when its connection breaks.
func TestManifestFaults(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": nil}})
	for name, fault := range map[string]wandbtest.Fault{"cut": {Cut: 20}, "500": {Status: 500}, "403": {Status: 403}, "dropped": {Drop: true}} {
		s := open(t, srv, nil)
		srv.Fail("GET", fault)
		if _, err := s.Files(ctx(t), "m", 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		srv.Heal()
	}
}

func TestBucketReference(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	in := make(map[string]*bucket.Bucket)
	s.SetBuckets(func(u bucket.URI) (*bucket.Bucket, error) {
		if in[u.String()] != nil {
			t.Errorf("%s is opened twice", u)
		}
		b, err := bucket.Open(context.Background(), bucket.URI{Scheme: "mem"})
		if err != nil {
			return nil, err
		}
		in[u.String()] = b
		return b, b.Create(context.Background(), "d/a b", []byte("hello"))
	})
	log(t, srv, wandbtest.Version{Name: "m", Refs: []wandbtest.Ref{
		{Name: "sized", URI: "s3://bkt/d/a b", Size: 5}, {Name: "unsized", URI: "gs://bkt/d/a b"},
		{Name: "grown", URI: "s3://bkt/d/a b", Size: 4}, {Name: "changed", URI: "s3://bkt/d/a b", Extra: map[string]any{"etag": "e"}},
		{Name: "generation", URI: "gs://bkt/d/a b", Extra: map[string]any{"versionID": 1700000000000001}},
		{Name: "gone", URI: "s3://bkt/none", Size: 5}, {Name: "none", URI: "s3://bkt"},
	}})
	f := filesOf(t, s, "m")
	if object(t, f, "sized"); len(in) != 0 {
		t.Error("a file whose size is known was looked at before it was read")
	}
	for _, name := range []string{"sized", "unsized"} {
		file := object(t, f, name)
		if got, err := read(ctx(t), file.Object, 1, 3); err != nil || string(got) != "ell" || file.Size != 5 {
			t.Errorf("%s, of %d bytes: %q, %v", name, file.Size, got, err)
		}
	}
	for name, words := range map[string]string{"grown": "has 5 bytes, and had 4", "changed": "expected e", "generation": "expected 1700000000000001", "gone": "none", "none": "no object"} {
		file, err := f.Stat(ctx(t), name)
		if err == nil {
			_, err = read(ctx(t), file.Object, 0, 3)
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v; want %q", name, err, words)
		}
	}
}
