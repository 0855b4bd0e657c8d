package resolver

import (
	"io/fs"
	"os"
	"syscall"
	"testing"
	"testing/fstest"

	"artifactfs.dev/artifactfs/manifest"
)

func TestRootShowsArtifactsOnly(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("sft", "d")
	s.log("embed/model", "d")
	s.log("embed/model/tiny", "d")
	s.wantLs("", "embed/ sft/")
	s.wantLs("embed", "model/")
	s.wantLs("embed/model", "latest@ tiny/ v1/")
	for _, view := range []string{".log", ".manifest", ".fields", ".artifactfs"} {
		if _, isDir := s.walk1(view).Node.(Dir); !isDir {
			t.Errorf("%s is no directory", view)
		}
	}
	s.wantNone(".wandb", fs.ErrNotExist, "switched off")
	s.wantNone(".snapshot", fs.ErrNotExist, "switched off")
	s.wantNone(".git", fs.ErrNotExist)
	s.wantNone("nothing", fs.ErrNotExist)
	s.wantNone("embed/nothing", fs.ErrNotExist)
}

func TestVersionsAndAliases(t *testing.T) {
	s := newSite(t, nil)
	s.file("one/x", "1")
	s.file("two/x", "2")
	s.log("a", "one")
	s.log("a", `{"path": "DATA/two", "aliases": ["prod"]}`)
	s.wantLs("a", "latest@ prod@ v1/ v2/")
	s.want("latest", s.readlink("a/latest"), "v2")
	s.want("a/v1/x", s.read("a/v1/x"), "1")
	s.want("a/latest/x", s.read("a/latest/x"), "2")
	for _, spelling := range []string{"v05", "v01", "1", "v3", "v", "V1", "v18446744073709551617"} {
		s.wantNone("a/"+spelling, fs.ErrNotExist)
	}
	s.wantNone("a/v01", fs.ErrNotExist, "v1")
	s.wantNone("a/v3", fs.ErrNotExist, "2 versions from v1 to v2")

	_, err := s.Retire(ctx, ref(t, "a:v2"), "wrong", false)
	ok(t, err)
	s.wantLs("a", "latest@ prod@ v1/")
	s.want("latest after retiring", s.readlink("a/latest"), "v1")
	s.want("a retired version", s.read("a/v2/x"), "2")
	v, err := s.Resolve(ctx, ref(t, "a:v2"))
	ok(t, err)
	if len(v.Warnings) == 0 {
		t.Error("a retired version resolves without a warning")
	}
}

func ref(t *testing.T, s string) manifest.Ref {
	t.Helper()
	r, err := manifest.ParseRef(s)
	ok(t, err)
	return r
}

// What is published behind the tree's back shows: through latest at once.
func TestForeignVersion(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	s.wantLs("a", "latest@ v1/")
	s.record("a", 2, manifest.Manifest{Path: s.data + "/d"})
	ok(t, os.WriteFile(s.root+"/a/latest", []byte("v2"), 0o644))
	s.want("latest", s.readlink("a/latest"), "v2")
	s.want("a/latest/x", s.read("a/latest/x"), "1")
}

// Listing and reading links never touches data, nor does looking up a version.
func TestListingTouchesNoData(t *testing.T) {
	s := newSite(t, nil)
	s.record("a", 1, manifest.Manifest{Path: "/proc/self/root" + s.data})
	s.record("a", 2, manifest.Manifest{Path: s.data + "/gone"})
	s.wantLs("a", "latest@ v1/ v2/")
	s.want("latest", s.readlink("a/latest"), "v2")
	if got := s.Missing(); len(got) != 0 {
		t.Errorf("listing looked for data: %v", got)
	}
	s.wantNone("a/v2/x", fs.ErrNotExist, s.data+"/gone", "logged by")
	if got := s.Missing(); len(got) != 1 || got[0].Path != s.data+"/gone" {
		t.Errorf("missing: %v", got)
	}
	s.file("gone/x", "back")
	s.want("data that came back", s.read("a/v2/x"), "back")
	if got := s.Missing(); len(got) != 0 {
		t.Errorf("still missing: %v", got)
	}
	s.wantNone("a/v1/x", syscall.EPERM)
}

func TestRemoteData(t *testing.T) {
	s := newSite(t, nil)
	s.record("a", 1, manifest.Manifest{Path: "s3://bucket/key"})
	s.record("a", 2, manifest.Manifest{Path: "relative/path"})
	d := s.walk1("a/v1").Node.(Dir)
	_, err := d.ReadDir(ctx)
	wantErr(t, "readdir of remote data", err, syscall.EOPNOTSUPP, "s3://bucket/key")
	_, err = d.Lookup(ctx, "x")
	wantErr(t, "lookup in remote data", err, syscall.EOPNOTSUPP, "behind a URI")
	s.wantNone("a/v2/x", fs.ErrInvalid, "not absolute")
	s.file("d/x", "1")
	s.record("a", 3, manifest.Manifest{Path: "file://" + s.data + "/d"})
	s.want("a file URI", s.read("a/v3/x"), "1")
}

func TestDisabled(t *testing.T) {
	tree := New(nil, &Options{Disabled: "artifacts.wandb=false artifacts.manifest.root=null"})
	d := tree.Root().Node.(Dir)
	list, err := d.ReadDir(ctx)
	if err != nil || len(list) != 0 {
		t.Errorf("root: %v %v", list, err)
	}
	_, err = tree.Walk(ctx, "a")
	wantErr(t, "walk", err, fs.ErrNotExist, "manifest.root=null")
	_, err = tree.Resolve(ctx, ref(t, "a"))
	wantErr(t, "resolve", err, fs.ErrNotExist, "manifest.root=null")
	for _, path := range []string{".log", ".manifest", ".fields"} {
		e, err := tree.Walk(ctx, path)
		ok(t, err)
		if list, err := e.Node.(Dir).ReadDir(ctx); err != nil || len(list) != 0 {
			t.Errorf("%s: %v %v", path, list, err)
		}
		_, err = e.Node.(Dir).Lookup(ctx, "a")
		wantErr(t, path+"/a", err, fs.ErrNotExist)
	}
	e, err := tree.Walk(ctx, ".log")
	ok(t, err)
	_, h, err := e.Node.(Mutable).Create(ctx, "a", false)
	ok(t, err)
	wantErr(t, "log", write(t, ctx, h, "/etc\n"), syscall.EOPNOTSUPP, "manifest.root=null")
	e, _ = tree.Walk(ctx, ".manifest")
	_, err = e.Node.(Mutable).Mkdir(ctx, "a")
	wantErr(t, "mkdir", err, syscall.EOPNOTSUPP)
}

func TestKeptOnlyWherePublic(t *testing.T) {
	s := newSite(t, nil)
	s.file("open/x", "1")
	s.file("closed/x", "1")
	s.log("a", "open")
	s.log("a", "closed")
	ok(t, os.Chmod(s.data+"/closed", 0o700))
	if !s.Local().Searchable(ctx, s.root) {
		t.Skipf("%s cannot be searched by all", s.root)
	}
	for path, kept := range map[string]bool{"a": true, "a/v1": true, "a/v2": true, "a/latest": false, "a/v1/x": true, "a/v2/x": false, ".log": true, ".log/a": false} {
		if e := s.walk1(path); (e.Valid == long) != kept {
			t.Errorf("%s is kept for %v", path, e.Valid)
		}
	}
}

func TestFS(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.file("d/sub/y", "2")
	s.symlink("x", "d/link")
	s.symlink("../out/z", "d/away")
	s.file("out/z", "3")
	s.log("a", "d")
	s.log("a", `{"path": "DATA/d", "aliases": ["prod"]}`)
	s.log("embed/model", "d/sub")
	if err := fstest.TestFS(s.FS(), "a/v1/x", "a/v1/sub/y", "a/v2/away", "embed/model/v1/y"); err != nil {
		t.Error(err)
	}
	for view, file := range map[string]string{".manifest": "a/v1/manifest.json", ".fields": "a/v1/path", ".log": "a", ".artifactfs": "status"} {
		sub, err := fs.Sub(s.FS(), view)
		ok(t, err)
		if err := fstest.TestFS(sub, file); err != nil {
			t.Errorf("%s: %v", view, err)
		}
	}
}
