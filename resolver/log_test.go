package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// open opens .log/NAME for writing, as a shell's > does.
func (s *site) open(name string, flags int) Handle {
	s.Helper()
	dir, base := ".log", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = ".log/"+name[:i], name[i+1:]
	}
	d := s.walk1(dir).Node
	e, err := d.(Dir).Lookup(ctx, base)
	if errors.Is(err, fs.ErrNotExist) {
		_, h, err := d.(Mutable).Create(ctx, base, false)
		ok(s.T, err)
		return h
	}
	ok(s.T, err)
	h, err := e.Node.(Control).Open(ctx, flags)
	ok(s.T, err)
	return h
}

func result(t *testing.T, h Handle, off int64) (r struct {
	Result
	Error string
}) {
	t.Helper()
	b := make([]byte, 64<<10)
	n, err := h.Read(ctx, b, off)
	ok(t, err)
	ok(t, json.Unmarshal(b[:n], &r))
	return r
}

func TestLogAPath(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	h := s.open("a", 0)
	n, err := h.Write(ctx, []byte(s.data+"/d\n"), 0)
	if err != nil || n != len(s.data)+3 {
		t.Fatalf("write: %d %v", n, err)
	}
	s.want("inside the write", s.read("a/v1/x"), "1")
	r := result(t, h, int64(n))
	if r.Version != 1 || !r.New || r.Manifest != s.root+"/a/v1/manifest.json" || r.Path != s.data+"/d" {
		t.Errorf("result: %+v", r)
	}
	if again := result(t, h, 0); again.Version != 1 {
		t.Errorf("result from the start: %+v", again)
	}
	ok(t, h.Flush(ctx))
	ok(t, h.Close())
	s.wantLs("a", "latest@ v1/")

	later := s.open("a", 0)
	if r := result(t, later, 0); r.Version != 1 {
		t.Errorf("a later open reads %+v", r)
	}
	ok(t, later.Close())
}

// Each open file is a request of its own, with its own result.
func TestEachOpenIsItsOwnRequest(t *testing.T) {
	s := newSite(t, nil)
	s.file("one/x", "1")
	s.file("two/x", "2")
	a, b := s.open("a", 0), s.open("a", 0)
	half := s.data + "/o"
	_, err := a.Write(ctx, []byte(half), 0)
	ok(t, err)
	_, err = b.Write(ctx, []byte(s.data+"/two\n"), 0)
	ok(t, err)
	_, err = a.Write(ctx, []byte("ne\n"), int64(len(half)))
	ok(t, err)
	if ra, rb := result(t, a, 0), result(t, b, 0); ra.Version != 2 || rb.Version != 1 {
		t.Errorf("results %+v %+v", ra, rb)
	}
	s.want("a/v1", s.read("a/v1/x"), "2")
	s.want("a/v2", s.read("a/v2/x"), "1")
}

func TestLogInPieces(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	big := `{"path": "` + s.data + `/d", "metadata": {"note": "` + strings.Repeat("x}", 150_000) + `"}}` + "\n"
	for _, size := range []int{1, 4096, 128 << 10} {
		text := big
		if size == 1 {
			text = `{"path": "` + s.data + `/d", "k": "}{"}` + "\n\n"
		}
		h := s.open("a", 0)
		for off := 0; off < len(text); off += size {
			p := text[off:min(len(text), off+size)]
			if n, err := h.Write(ctx, []byte(p), int64(off)); err != nil || n != len(p) {
				t.Fatalf("in pieces of %d, at %d: %d %v", size, off, n, err)
			}
		}
		ok(t, h.Flush(ctx))
		if r := result(t, h, 0); r.Version == 0 {
			t.Errorf("in pieces of %d: %+v", size, r)
		}
		ok(t, h.Close())
	}
	s.wantLs("a", "latest@ v1/ v2/ v3/")
}

func TestRefusedRequests(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	d := s.data + "/d"
	for _, c := range []struct {
		name, text string
		want       error
		words      string
	}{
		{"relative", "d\n", fs.ErrInvalid, "byte"},
		{"garbage", "{nonsense", fs.ErrInvalid, "byte"},
		{"two paths", d + "\n" + d + "\n", fs.ErrInvalid, "byte"},
		{"two objects", `{"path":"` + d + `"}{}`, fs.ErrInvalid, "byte"},
		{"no path", `{"type": "x"}`, fs.ErrInvalid, "path"},
		{"not there", s.data + "/none\n", fs.ErrNotExist, s.data + "/none"},
		{"procfs", "/proc/self/root" + d + "\n", syscall.EPERM, ""},
		{"wandb", `{"path":"` + d + `", "backends": ["wandb"]}`, syscall.EOPNOTSUPP, "wandb"},
		{"alias", `{"path":"` + d + `", "aliases": ["v3"]}`, fs.ErrInvalid, "v3"},
		{"unfinished", `{"path": "`, fs.ErrInvalid, "byte"},
	} {
		h := s.open("a", 0)
		err := write(t, ctx, h, c.text)
		wantErr(t, c.name, err, c.want, c.words)
		if r := result(t, s.open("a", 0), 0); r.Error == "" || r.Name != "a" {
			t.Errorf("%s: a later open reads %+v", c.name, r)
		}
	}
	s.wantNone("a", fs.ErrNotExist)
}

func TestAfterTheCommitOnlyBlank(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	h := s.open("a", 0)
	text := s.data + "/d\n"
	off := int64(len(text))
	_, err := h.Write(ctx, []byte(text), 0)
	ok(t, err)
	_, err = h.Write(ctx, []byte(" \n\t"), off)
	ok(t, err)
	_, err = h.Write(ctx, []byte(text), off+3)
	wantErr(t, "a second request", err, syscall.EINVAL, "open the file again")
	ok(t, h.Flush(ctx))
	s.wantLs("a", "latest@ v1/")
}

func TestWriteOffsets(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	h := s.open("a", 0)
	_, err := h.Write(ctx, []byte(s.data+"/d\n"), 7)
	wantErr(t, "a write at byte 7", err, syscall.EINVAL, "byte 7")
	ok(t, h.Close())
	s.wantNone("a", fs.ErrNotExist)
	s.log("a", "d")
	h = s.open("a", syscall.O_APPEND) // >>
	_, err = h.Write(ctx, []byte(s.data+"/d\n"), 4711)
	ok(t, err)
	s.wantLs("a", "latest@ v1/ v2/")
}

func TestTooLarge(t *testing.T) {
	s := newSite(t, nil)
	h := s.open("a", 0)
	chunk := []byte(`{"path": "/` + strings.Repeat("x", 1<<20-11))
	_, err := h.Write(ctx, chunk, 0)
	ok(t, err)
	_, err = h.Write(ctx, []byte("x"), 1<<20)
	wantErr(t, "byte 1 Mi", err, syscall.EFBIG)
	ok(t, h.Flush(ctx))
	ok(t, h.Close())
}

// A flush comes with every close of every process that has the file: only the one
// that wrote last ends a request that has no newline.
func TestFlush(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	writer, _ := process(t)
	child, _ := process(t)

	h := s.open("a", 0)
	text := s.data + "/d"
	_, err := h.Write(writer, []byte(text[:3]), 0)
	ok(t, err)
	ok(t, h.Flush(child))
	s.wantNone("a", fs.ErrNotExist)
	_, err = h.Write(writer, []byte(text[3:]), 3)
	ok(t, err)
	ok(t, h.Flush(writer))
	s.wantLs("a", "latest@ v1/")
	ok(t, h.Flush(writer))
	s.wantLs("a", "latest@ v1/")

	unseen := store.WithCaller(ctx, store.Caller{UID: uint32(os.Getuid())})
	h = s.open("a", 0)
	text = "s3://bucket/key"
	_, err = h.Write(unseen, []byte(text), 0)
	ok(t, err)
	wantErr(t, "flush by nobody knows whom", h.Flush(unseen), fs.ErrInvalid, "newline")
	_, err = h.Write(unseen, []byte("\n"), int64(len(text)))
	ok(t, err)
	s.wantLs("a", "latest@ v1/ v2/")

	empty := s.open("a", 0)
	ok(t, empty.Flush(ctx))
	ok(t, write(t, ctx, empty, " \n"))
	s.wantLs("a", "latest@ v1/ v2/")
}

func TestLogDir(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	s.log("embed/model", "d")
	s.log("both", "d")
	s.log("both/below", "d")
	s.wantLs(".log", "a both embed/")
	s.wantLs(".log/embed", "model")

	ok(t, write(t, ctx, s.open("embed/new", 0), s.data+"/d\n"))
	s.wantLs("embed", "model/ new/")
	s.wantNone(".log/fresh/name", fs.ErrNotExist)
	d := s.walk1(".log").Node.(Mutable)
	_, err := d.Mkdir(ctx, "fresh")
	ok(t, err)
	_, err = d.Mkdir(ctx, "fresh")
	wantErr(t, "mkdir twice", err, fs.ErrExist)
	ok(t, write(t, ctx, s.open("fresh/name", 0), s.data+"/d\n"))
	s.want("fresh/name/v1/x", s.read("fresh/name/v1/x"), "1")

	for _, name := range []string{"sedAbCdEf", ".a.swp", "a.swp", "a.swx", "a~", ".#a", "#a#", ".x"} {
		_, _, err := d.Create(ctx, name, true)
		wantErr(t, "create "+name, err, syscall.EPERM)
	}
	for _, name := range []string{"v1", "latest"} {
		_, _, err := d.Create(ctx, name, false)
		wantErr(t, "create "+name, err, fs.ErrInvalid)
	}
	wantErr(t, "unlink", d.Unlink(ctx, "a"), syscall.EPERM)
	wantErr(t, "rename", d.Rename(ctx, "a", d, "b"), syscall.EPERM)
	wantErr(t, "rmdir", d.Rmdir(ctx, "embed"), syscall.EPERM)
	_, err = d.Symlink(ctx, "x", "v1")
	wantErr(t, "symlink", err, syscall.EPERM)
}

// One user is not told what another logged.
func TestLastResultIsItsUsers(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	ok(t, write(t, ctx, s.open("a", 0), s.data+"/d\n"))
	other := store.WithCaller(ctx, store.Caller{UID: 4711})
	h, err := s.walk1(".log/a").Node.(Control).Open(other, 0)
	ok(t, err)
	if n, err := h.Read(other, make([]byte, 10), 0); n != 0 || err != nil {
		t.Errorf("another user reads %d bytes, %v", n, err)
	}
}

func TestLogAPathInTheMount(t *testing.T) {
	mnt := "/mnt/does-not-exist/artifacts"
	s := newSite(t, &Options{Mounts: func() []string { return []string{mnt} }})
	s.file("d/sub/x", "1")
	s.file("blobs/b", "2")
	s.symlink("../blobs/b", "d/away")
	s.log("a", "d")
	s.log("a", "d")
	for in, want := range map[string]string{
		"a/v1": s.data + "/d", "a/latest/sub": s.data + "/d/sub", "a/v1/sub/x": s.data + "/d/sub/x", "a/v2/away": s.data + "/blobs/b",
		".manifest/a/v1/data": s.data + "/d", ".fields/a/v2/path.link": s.data + "/d",
	} {
		req, err := manifest.NewRequest(mnt + "/" + in)
		ok(t, err)
		r, err := s.Tree.Log(ctx, "b", req, LogOptions{})
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		version := "a:v1"
		if strings.Contains(in, "v2") || strings.Contains(in, "latest") {
			version = "a:v2"
		}
		if r.Path != want || !slices.Equal(r.Used, []string{version}) {
			t.Errorf("%s: recorded %s, used %v; want %s, %s", in, r.Path, r.Used, want, version)
		}
	}
	for _, in := range []string{"", ".log", ".artifactfs/status", "a", ".manifest/a/v1"} {
		req, err := manifest.NewRequest(mnt + "/" + in)
		ok(t, err)
		_, err = s.Tree.Log(ctx, "b", req, LogOptions{})
		wantErr(t, in, err, syscall.ELOOP)
	}
	req, err := manifest.NewRequest(mnt + "/a/v9")
	ok(t, err)
	_, err = s.Tree.Log(ctx, "b", req, LogOptions{})
	wantErr(t, "no such version", err, fs.ErrNotExist)
}

func TestUncheckedLog(t *testing.T) {
	s := newSite(t, nil)
	s.file("in/x", "1")
	s.file("out/x", "1")
	s.symlink("../out", "in/leak")
	s.Tree = New(s.dir, &Options{Log: s.opt.Log, Data: store.NewLocal(&store.Options{Roots: []string{s.data + "/in"}})})
	for path, want := range map[string]error{
		"in/later/x": nil, "in/x": nil, "out/x": syscall.EPERM, "out/later": syscall.EPERM, "in/leak/later": syscall.EPERM, "none": syscall.EPERM,
	} {
		req, err := manifest.NewRequest(s.data + "/" + path)
		ok(t, err)
		if _, err := s.Tree.Log(ctx, "a", req, LogOptions{NoCheck: true}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		if _, err := s.Tree.Log(ctx, "a", req, LogOptions{}); want != nil && !errors.Is(err, want) {
			t.Errorf("%s, checked: %v, want %v", path, err, want)
		}
	}
}

// A file:// URI is a local path by another name, and is checked as one.
func TestLogAFileURI(t *testing.T) {
	s := newSite(t, nil)
	s.file("in/d/x", "1")
	s.file("out/x", "secret")
	s.Tree = New(s.dir, &Options{Log: s.opt.Log, Data: store.NewLocal(&store.Options{Roots: []string{s.data + "/in"}})})
	for uri, want := range map[string]error{
		"file://" + s.data + "/in/d":        nil,
		"FILE://" + s.data + "/in/d":        nil,
		"file://" + s.data + "/out":         syscall.EPERM,
		"File://" + s.data + "/out":         syscall.EPERM,
		"file://" + s.data + "/in/../out":   syscall.EPERM,
		"file://" + s.data + "/in/nope":     fs.ErrNotExist,
		"file://localhost" + s.data + "/in": fs.ErrInvalid,
	} {
		req, err := manifest.NewRequest(uri)
		ok(t, err)
		r, err := s.Tree.Log(ctx, "a", req, LogOptions{})
		if want != nil {
			wantErr(t, uri, err, want)
		} else if err != nil || r.Path != s.data+"/in/d" {
			t.Errorf("log of %s: %+v %v, want the path itself recorded", uri, r, err)
		}
	}
}

func TestLogRecords(t *testing.T) {
	s := newSite(t, &Options{Producer: func(_ context.Context) string { return "run7" }})
	s.file("real/x", "1")
	s.symlink("real", "current")
	s.ckpt(5)
	s.symlink("ckpt", "save")
	s.log("a", "current")
	s.log("a", `{"path": "DATA/save", "iteration": 5, "request_id": "r1"}`)
	if n := s.log("a", `{"path": "DATA/save", "iteration": 5, "request_id": "r1"}`); n != 2 {
		t.Errorf("the same request again is v%d", n)
	}
	r, err := s.dir.Manifest(ctx, "a", 1)
	ok(t, err)
	if m := r.Manifest; m.Path != s.data+"/real" || m.Producer != "run7" {
		t.Errorf("v1: %+v", m)
	}
	if path, _ := r.Meta.Get("path"); path != s.data+"/current" {
		t.Errorf("metadata.json of v1: %v", path)
	}
	r, err = s.dir.Manifest(ctx, "a", 2)
	ok(t, err)
	s.want("a checkpoint's path", r.Manifest.Path, s.data+"/save")
	side, err := os.ReadFile(s.root + "/.artifactfs/log/a/v2.json")
	ok(t, err)
	for _, key := range []string{`"uid"`, `"host"`, `"request_id": "r1"`} {
		if !strings.Contains(string(side), key) {
			t.Errorf("sidecar has no %s: %s", key, side)
		}
	}
}

func TestNewNameNamesItsNeighbour(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("nano3-sft-data", "d")
	req, err := manifest.NewRequest(s.data + "/d")
	ok(t, err)
	r, err := s.Tree.Log(ctx, "nano3-sft-dta", req, LogOptions{})
	ok(t, err)
	if !r.New || r.Near != "nano3-sft-data" {
		t.Errorf("%+v", r)
	}
	r, err = s.Tree.Log(ctx, "nano3-sft-data", req, LogOptions{})
	ok(t, err)
	if r.New || r.Near != "" {
		t.Errorf("an old name: %+v", r)
	}
	if r, _ = s.Tree.Log(ctx, "zzz", req, LogOptions{}); !r.New || r.Near != "" {
		t.Errorf("nothing is near: %+v", r)
	}
	for _, bad := range []string{"", "a/../b", "/a", ".x", "v3", "a/v1", "a//b", "a\x00"} {
		if _, err := s.Tree.Log(ctx, bad, req, LogOptions{}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("name %q: %v", bad, err)
		}
	}
	for _, long := range []string{strings.Repeat("x", 256), "a/" + strings.Repeat("x", 256), strings.Repeat("x/", 600) + "x"} {
		if _, err := s.Tree.Log(ctx, long, req, LogOptions{}); !errors.Is(err, syscall.ENAMETOOLONG) {
			t.Errorf("a name of %d bytes: %v", len(long), err)
		}
	}
}

func TestUnreadableDataIsNotLogged(t *testing.T) {
	s := newSite(t, nil)
	ctx := ctx
	if os.Getuid() == 0 { // who may read everything
		s = newSite(t, &Options{Data: store.NewLocal(&store.Options{AsCaller: true})})
		ctx = store.WithCaller(ctx, store.Caller{UID: 54001, GID: 54001, PID: uint32(os.Getpid())})
	}
	s.file("d/x", "1")
	ok(t, os.Chmod(s.data+"/d", 0))
	req, err := manifest.NewRequest(s.data + "/d")
	ok(t, err)
	_, err = s.Tree.Log(ctx, "a", req, LogOptions{})
	wantErr(t, "log", err, syscall.EACCES, s.data+"/d")
}

// counted is a store that counts what it is asked.
type counted struct {
	*manifest.Dir
	versions, names int
}

func (c *counted) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	c.versions++
	return c.Dir.Versions(ctx, name)
}

func (c *counted) Names(ctx context.Context, prefix string) ([]string, error) {
	c.names++
	return c.Dir.Names(ctx, prefix)
}

// Each look is requests to a store: a name that is not there is looked for once, and
// one that is there is not asked again after the log whether it is new.
func TestLogLooksOnce(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	src := &counted{Dir: s.dir}
	dir := &logDir{New(src, nil), ""}
	if _, err := dir.Lookup(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Lookup of a new name: %v", err)
	}
	if src.versions != 1 || src.names != 1 {
		t.Errorf("a new name is looked for %d and %d times; want once", src.versions, src.names)
	}
	s.log("a", "d")
	*src = counted{Dir: s.dir}
	e, err := dir.Lookup(ctx, "a")
	ok(t, err)
	h, err := e.Node.(Control).Open(ctx, 0)
	ok(t, err)
	_, err = h.Write(ctx, []byte(s.data+"/d\n"), 0)
	ok(t, err)
	if r := result(t, h, 0); r.Version != 2 || r.New || src.versions != 1 || src.names != 0 {
		t.Errorf("a second log: %+v, with %d and %d looks; want one", r, src.versions, src.names)
	}
	ok(t, h.Close())
}
