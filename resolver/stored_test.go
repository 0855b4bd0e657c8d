package resolver

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/storetest"
	"artifactfs.dev/artifactfs/manifest"
)

// filing is a source that keeps files of every version: below files/NAME/vN, read
// over HTTP. Those of "none" it does not keep.
type filing struct {
	*manifest.Dir
	files, url string
}

func (f *filing) Files(ctx context.Context, name string, n int) (store.Files, error) {
	if name == "none" {
		return nil, fmt.Errorf("no files: %w", fs.ErrInvalid)
	}
	path := fmt.Sprintf("%s/v%d", name, n)
	return &storetest.Served{Dir: filepath.Join(f.files, path), URL: f.url + "/" + path}, nil
}

func (f *filing) Manifest(ctx context.Context, name string, n int) (*manifest.Record, error) {
	r, err := f.Dir.Manifest(ctx, name, n)
	if err != nil || r.Manifest.Path != "-" {
		return r, err
	}
	m, out := *r.Manifest, *r
	m.Path = ""
	out.Manifest = &m
	return &out, nil
}

// newStored returns a site whose source keeps files, and the function that puts one there.
func newStored(t *testing.T, o *Options) (*site, func(name, text string) string) {
	s := newSite(t, o)
	files := filepath.Join(filepath.Dir(s.root), "files")
	srv := httptest.NewServer(http.FileServer(http.Dir(files)))
	t.Cleanup(srv.Close)
	if o == nil {
		o = &Options{}
	}
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	s.Tree = New(&filing{s.dir, files, srv.URL}, o)
	return s, func(name, text string) string {
		path := filepath.Join(files, name)
		write1(t, path, text)
		return path
	}
}

// A version whose record leads to no local path shows what its store keeps of it.
func TestStored(t *testing.T) {
	s, put := newStored(t, &Options{UID: 7, GID: 8, Umask: 0o027})
	s.record("m", 1, manifest.Manifest{Path: "-", CreatedAt: "2026-08-21T09:00:00.125000+00:00"})
	s.record("m", 2, manifest.Manifest{Path: "s3://b/k"})
	s.record("m", 3, manifest.Manifest{Path: s.file("d/x", "local")[:len(s.data)+2]})
	big := strings.Repeat("0123456789abcdef", 1<<11)
	put("m/v1/a", "one")
	put("m/v1/sub/dir/big", big)
	put("m/v2/b", "two")
	put("m/v2/a", "another")
	put("m/v3/c", "not this")
	old := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	ok(t, os.Chtimes(put("m/v1/empty", ""), old, old))

	s.wantLs("m/v1", "a empty sub/")
	s.wantLs("m/v1/sub", "dir/")
	s.wantLs("m/v2", "a b")
	s.wantLs("m/v3", "x")
	for path, want := range map[string]string{"m/v1/a": "one", "m/v1/sub/dir/big": big, "m/v1/empty": "", "m/v2/b": "two", "m/v3/x": "local"} {
		if got := s.read(path); got != want {
			t.Errorf("%s holds %d bytes, %.20q; want %d, %.20q", path, len(got), got, len(want), want)
		}
	}
	for path, want := range map[string]uint32{"m/v1/a": syscall.S_IFREG | 0o440, "m/v1/sub": syscall.S_IFDIR | 0o550} {
		a := s.walk1(path).Attr
		if a.Mode != want || a.UID != 7 || a.GID != 8 || a.Nlink != 1 {
			t.Errorf("%s is %+v; want mode %o, uid 7, gid 8", path, a, want)
		}
	}
	if a := s.walk1("m/v1/empty").Attr; !a.Mtime.Equal(old) || a.Size != 0 {
		t.Errorf("empty is %+v", a)
	}
	if a := s.walk1("m/v1/sub/dir/big").Attr; a.Size != int64(len(big)) || a.Blocks != int64(len(big))/512 {
		t.Errorf("big is %+v", a)
	}
	if a, b := s.walk1("m/v1/a"), s.walk1("m/v2/a"); a.Key == b.Key || a.Valid != 0 {
		t.Errorf("entries %+v and %+v", a, b)
	}
	s.wantNone("m/v1/nope", fs.ErrNotExist)
	s.wantNone("m/v1/sub/../../../x", fs.ErrNotExist)
	if err := fstest.TestFS(s.FS(), "m/v1/a", "m/v1/sub/dir/big", "m/v2/b"); err != nil {
		t.Error(err)
	}

	// It cannot be bound, walked as data, or logged as a path; each says why.
	_, err := s.Bindable(ctx, "m", 1)
	wantErr(t, "bind", err, syscall.EOPNOTSUPP, "the store")
	if err != errStored {
		t.Errorf("why it is not bound: %v", err)
	}
	s.record("none", 1, manifest.Manifest{Path: "-"})
	s.wantNone("none/v1/x", fs.ErrInvalid, "files of none:v1")
}

// Who may read what a store keeps is said by its mode.
func TestStoredPermissions(t *testing.T) {
	s, put := newStored(t, &Options{UID: 7, GID: 8, Umask: 0o027})
	s.record("m", 1, manifest.Manifest{Path: "-"})
	put("m/v1/a", "one")
	put("m/v1/sub/b", "two")
	file, dir := s.walk1("m/v1/a").Node.(Stored), s.walk1("m/v1/sub").Node.(Dir)
	for _, c := range []struct {
		uid, gid uint32
		may      bool
	}{{7, 1, true}, {9, 8, true}, {9, 1, false}} {
		as := store.WithCaller(ctx, store.Caller{UID: c.uid, GID: c.gid})
		_, lookup := dir.Lookup(as, "b")
		_, list := dir.ReadDir(as)
		for what, err := range map[string]error{
			"open": file.Access(as, 4), "lookup": lookup, "list": list, "enter": dir.(Accesser).Access(as, 1),
		} {
			if c.may {
				ok(t, err)
			} else {
				wantErr(t, what, err, fs.ErrPermission, "m:v1")
			}
		}
		wantErr(t, "write", file.Access(as, 2), syscall.EROFS)
		wantErr(t, "write", dir.(Accesser).Access(as, 2), syscall.EROFS)
	}
}

// A file that a store only refers to is read where it is, inside data_roots.
func TestStoredLocal(t *testing.T) {
	s, put := newStored(t, &Options{Data: store.NewLocal(&store.Options{Roots: []string{t.TempDir()}})})
	s.record("m", 1, manifest.Manifest{Path: "-"})
	put("m/v1/a", "kept")
	s.file("in", "referred to")
	s.file("dir/x", "below")
	s.file("out", "outside")
	link := func(target, name string) {
		ok(t, os.Symlink(target, filepath.Join(filepath.Dir(s.root), "files/m/v1", name)))
	}
	for _, name := range []string{"in", "dir", "gone"} {
		link(filepath.Join(s.data, name), name)
	}
	link("/etc/hostname", "outside")
	s.wantNone("m/v1/in", syscall.EPERM)
	s.Local().Reconfigure([]string{s.data}, time.Minute)
	if got := s.read("m/v1/in"); got != "referred to" {
		t.Errorf("in holds %q", got)
	}
	if got := s.read("m/v1/dir/x"); got != "below" {
		t.Errorf("dir/x holds %q", got)
	}
	if _, local := s.walk1("m/v1/in").Node.(Data); !local {
		t.Errorf("in is %T", s.walk1("m/v1/in").Node)
	}
	s.wantNone("m/v1/gone", fs.ErrNotExist, "m:v1")
	s.wantNone("m/v1/outside", syscall.EPERM)
}
