package wandb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store"
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

// Readers at once share what is asked for: each address is asked for once. When that fails, it fails for the one who asked,
// and the others ask again.
func TestAddressesTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what   string
		fault  wandbtest.Fault
		failed int
	}{
		{"slow", wandbtest.Fault{Times: -1, Delay: 200 * time.Millisecond}, 0},
		{"failing once", wandbtest.Fault{Status: 403, Delay: 200 * time.Millisecond}, 1},
	} {
		srv := wandbtest.New(t, nil)
		s := open(t, srv, nil)
		content := make(map[string][]byte)
		for i := range 200 {
			content[fmt.Sprintf("d/%03d", i)] = fmt.Append(nil, i)
		}
		log(t, srv, wandbtest.Version{Name: "m", Files: content})
		f := filesOf(t, s, "m")
		srv.Fail("FileURLs", c.fault)
		var (
			readers sync.WaitGroup
			failed  atomic.Int32
		)
		for path := range content {
			o := object(t, f, path).Object
			readers.Go(func() {
				if got, err := read(ctx(t), o, 0, 100); err != nil {
					failed.Add(1)
				} else if !bytes.Equal(got, content[path]) {
					t.Errorf("%s: %s: %q", c.what, path, got)
				}
			})
		}
		readers.Wait()
		if n := failed.Load(); int(n) > c.failed {
			t.Errorf("%s: %d readers failed, %d of them asked", c.what, n, c.failed)
		}
		if n := srv.Requests("FileURLs"); n > 40 { // measured: 10, and 200 where each asks for itself
			t.Errorf("%s: %d requests for 200 addresses", c.what, n)
		}
	}
}
