package resolver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

var ctx = context.Background()

// site is a real store, and a tree over it.
type site struct {
	*testing.T
	root, data string
	dir        *manifest.Dir
	*Tree
}

func newSite(t *testing.T, o *Options) *site {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	ok(t, err)
	ok(t, os.Chmod(filepath.Dir(base), 0o755)) // the entries of a private directory are not kept
	s := &site{T: t, root: base + "/store", data: base + "/data"}
	ok(t, os.MkdirAll(s.root, 0o755))
	ok(t, os.MkdirAll(s.data, 0o755))
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s.dir, err = manifest.OpenDir(s.root, &manifest.DirOptions{Log: quiet})
	ok(t, err)
	if o == nil {
		o = &Options{}
	}
	if o.Log == nil {
		o.Log = quiet
	}
	s.Tree = New(s.dir, o)
	return s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file writes a file below the data directory and returns its path.
func (s *site) file(name, text string) string {
	s.Helper()
	path := filepath.Join(s.data, name)
	ok(s.T, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(s.T, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func (s *site) symlink(target, name string) {
	s.Helper()
	path := filepath.Join(s.data, name)
	ok(s.T, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(s.T, os.Symlink(target, path))
}

// log logs a path below the data directory, or a whole request.
func (s *site) log(name, what string) int {
	s.Helper()
	if !strings.HasPrefix(what, "{") {
		what = filepath.Join(s.data, what)
	}
	req, err := manifest.FinishRequest([]byte(strings.ReplaceAll(what, "DATA", s.data)))
	ok(s.T, err)
	r, err := s.Tree.Log(ctx, name, req, LogOptions{})
	ok(s.T, err)
	return r.Version
}

// record writes a record straight into the store, as another process would.
func (s *site) record(name string, n int, m manifest.Manifest) {
	s.Helper()
	dir := fmt.Sprintf("%s/%s/v%d", s.root, name, n)
	ok(s.T, os.MkdirAll(dir, 0o755))
	m.Name, m.Version = name, n
	ok(s.T, os.WriteFile(dir+"/metadata.json", []byte(`{"path": "x"}`), 0o644))
	ok(s.T, os.WriteFile(dir+"/manifest.json", m.Bytes(), 0o644))
}

func (s *site) walkAs(ctx context.Context, path string) Entry {
	s.Helper()
	e, err := s.Walk(ctx, path)
	if err != nil {
		s.Fatalf("walk %s: %v", path, err)
	}
	return e
}

func (s *site) walk1(path string) Entry { s.Helper(); return s.walkAs(ctx, path) }

// read returns the content at path, links followed.
func (s *site) read(path string) string {
	s.Helper()
	b, err := fs.ReadFile(s.FS(), path)
	if err != nil {
		s.Fatalf("read %s: %v", path, err)
	}
	return string(b)
}

func (s *site) readlink(path string) string {
	s.Helper()
	l, isLink := s.walk1(path).Node.(Link)
	if !isLink {
		s.Fatalf("%s is no link but %T", path, s.walk1(path).Node)
	}
	target, err := l.Readlink(ctx)
	ok(s.T, err)
	return target
}

// ls lists a directory: names, with / for directories and @ for links, and
// checks each against its lookup.
func (s *site) ls(path string) string {
	s.Helper()
	d, isDir := s.walk1(path).Node.(Dir)
	if !isDir {
		s.Fatalf("%s is no directory", path)
	}
	list, err := d.ReadDir(ctx)
	ok(s.T, err)
	var names []string
	for _, e := range list {
		c, err := d.Lookup(ctx, e.Name)
		if err != nil {
			s.Errorf("%s lists %s: %v", path, e.Name, err)
			continue
		}
		if l, ok := d.(Lister); ok {
			if listed, err := l.Listed(ctx, e); err != nil || listed.Key != c.Key || listed.Attr != c.Attr || listed.Valid != c.Valid {
				s.Errorf("%s/%s is known from the listing as %+v %v, and found as %+v", path, e.Name, listed, err, c)
			}
		}
		if c.Key != e.Key || c.Attr.Mode&syscall.S_IFMT != e.Mode {
			s.Errorf("%s/%s is listed as %o %q and found as %o %q", path, e.Name, e.Mode, e.Key, c.Attr.Mode&syscall.S_IFMT, c.Key)
		}
		names = append(names, e.Name+map[uint32]string{syscall.S_IFDIR: "/", syscall.S_IFLNK: "@"}[e.Mode])
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (s *site) wantLs(path, want string) {
	s.Helper()
	if got := s.ls(path); got != want {
		s.Errorf("ls %s: %s; want %s", path, got, want)
	}
}

func (s *site) want(what, got, want string) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %q, want %q", what, got, want)
	}
}

// wantErr checks an error's kind and that its words hold some text.
func wantErr(t *testing.T, what string, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q does not say %q", what, err, w)
		}
	}
}

func (s *site) wantNone(path string, kind error, words ...string) {
	s.Helper()
	_, err := s.Walk(ctx, path)
	wantErr(s.T, "walk "+path, err, kind, words...)
}

// process starts a process that does nothing, and returns a context on its behalf
// and a function that ends it.
func process(t *testing.T) (context.Context, func()) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	ok(t, cmd.Start())
	end := func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(end)
	c := store.Caller{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: uint32(cmd.Process.Pid)}
	return store.WithCaller(ctx, c), end
}

// write writes text to a control file in one open, and closes it.
func write(t *testing.T, ctx context.Context, h Handle, text string) error {
	t.Helper()
	_, err := h.Write(ctx, []byte(text), 0)
	if ferr := h.Flush(ctx); err == nil {
		err = ferr
	}
	ok(t, h.Close())
	return err
}

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func write1(t *testing.T, path, text string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}
