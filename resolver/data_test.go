package resolver

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

func TestFileRecordShowsItsDirectory(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/blend.json", "{}")
	s.file("d/other", "1")
	s.log("a", "d/blend.json")
	s.wantLs("a/v1", "blend.json other")
	s.want("path", s.read(".fields/a/v1/path"), s.data+"/d/blend.json\n")
	s.want("path.link", s.readlink(".fields/a/v1/path.link"), "../../../a/v1/blend.json")
}

func TestRecordedThroughALink(t *testing.T) {
	s := newSite(t, nil)
	s.file("real/x", "1")
	s.file("real/f.json", "2")
	s.symlink("real", "current")
	s.symlink("../real/f.json", "links/g.json")
	s.record("a", 1, manifest.Manifest{Path: s.data + "/current"})
	s.record("a", 2, manifest.Manifest{Path: s.data + "/links/g.json"})
	s.want("a/v1/x", s.read("a/v1/x"), "1")
	s.want("a/v2/f.json", s.read("a/v2/f.json"), "2")
	s.want("path.link", s.readlink(".fields/a/v1/path.link"), "../../../a/v1")
	s.want("path.link", s.readlink(".fields/a/v2/path.link"), "../../../a/v2/f.json")
}

func TestLinksInData(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.file("d/sub/y", "2")
	s.file("blobs/b", "blob")
	s.file("blobs/dir/z", "3")
	s.symlink("x", "d/stays")
	s.symlink("stays", "d/chain")
	s.symlink("../x", "d/sub/up")
	s.symlink("../blobs/b", "d/leaves")
	s.symlink(s.data+"/blobs/b", "d/absolute")
	s.symlink(s.data+"/d/x", "d/absolute-inside")
	s.symlink("../blobs/dir", "d/dir")
	s.symlink("nothing", "d/dangling")
	s.symlink("../a/v2/x", "d/dangling-out")
	s.symlink("loop2", "d/loop1")
	s.symlink("loop1", "d/loop2")
	s.symlink("../d/../blobs/b", "d/winding")
	s.symlink("leaves", "d/chain-out")
	s.log("a", "d")
	s.log("a", "blobs")

	s.wantLs("a/v1", "absolute absolute-inside chain-out chain@ dangling-out@ dangling@ dir/ leaves loop1@ loop2@ stays@ sub/ winding x")
	for path, want := range map[string]string{
		"stays": "x", "chain": "stays", "sub/up": "../x", "dangling": "nothing", "loop1": "loop2",
		"dangling-out": s.data + "/a/v2/x", // as written it would lead to another version in the mount
	} {
		s.want(path, s.readlink("a/v1/"+path), want)
	}
	for _, path := range []string{"leaves", "absolute", "winding", "chain-out"} {
		s.want(path, s.read("a/v1/"+path), "blob")
		f := s.walk1("a/v1/" + path).Node.(Data)
		s.want("real path of "+path, f.Real(), s.data+"/blobs/b")
	}
	s.want("dir/z", s.read("a/v1/dir/z"), "3")
	s.want("chain", s.read("a/v1/chain"), "1")
	s.wantNone("a/v1/loop1/x", syscall.ELOOP)
	if a, b := s.walk1("a/v1/leaves"), s.walk1("a/v1/absolute"); a.Key == b.Key {
		t.Error("two links to one file are one inode")
	}
}

// A link that can lead nowhere, as its target is written, is a link all the same.
func TestLinksThatLeadNowhere(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.file("out/y", "1")
	long := strings.Repeat("n", 256)
	targets := map[string]string{ // what readlink gives, by target
		long: long, "sub/" + long + "/x": "sub/" + long + "/x", "../" + long: s.data + "/" + long, "/" + long + "/x": "/" + long + "/x",
		"../out/" + long: s.data + "/out/" + long, s.data + "/out/" + long: s.data + "/out/" + long,
		"../out/y/z": s.data + "/out/y/z", "x/z": "x/z", "../none/../out/y": s.data + "/none/../out/y", "../..//" + long: filepath.Dir(s.data) + "/" + long,
		strings.Repeat("../", 60) + "none": "/none",
	}
	var names []string
	for target := range targets {
		names = append(names, fmt.Sprint("l", len(names)))
		s.symlink(target, "d/"+names[len(names)-1])
	}
	s.log("a", "d")
	list, err := s.walk1("a/v1").Node.(Dir).ReadDir(ctx)
	if err != nil || len(list) != len(names)+1 {
		t.Errorf("listed: %v %v", list, err)
	}
	for _, name := range names {
		target, err := os.Readlink(s.data + "/d/" + name)
		ok(t, err)
		e := s.walk1("a/v1/" + name)
		if e.Attr.Mode&syscall.S_IFMT != syscall.S_IFLNK || e.Attr.Size != int64(len(targets[target])) {
			t.Errorf("the link to %s is %+v", target, e.Attr)
		}
		s.want("the link to "+target, s.readlink("a/v1/"+name), targets[target])
	}
}

// A link that leads to a directory around itself has no end.
func TestLinkCycles(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/sub/x", "1")
	s.file("out/y", "1")
	s.symlink(s.data, "d/sub/root")
	s.symlink(s.data+"/d", "d/sub/self")
	s.symlink(s.data+"/d/abs", "d/abs")
	s.symlink("../out", "d/out")
	s.symlink(s.data+"/d", "out/back")
	s.log("a", "d")
	for _, path := range []string{"a/v1/sub/root", "a/v1/sub/self", "a/v1/abs", "a/v1/out/back"} {
		s.wantNone(path, syscall.ELOOP)
	}
	// Listing goes on beside them.
	list, err := s.walk1("a/v1/sub").Node.(Dir).ReadDir(ctx)
	if err != nil || len(list) != 3 {
		t.Errorf("sub: %v %v", list, err)
	}
}

func TestDataRoots(t *testing.T) {
	s := newSite(t, nil)
	s.file("in/x", "1")
	s.file("out/secret", "1")
	s.symlink("../out/secret", "in/leak")
	s.symlink("../out", "in/leakdir")
	s.record("a", 1, manifest.Manifest{Path: s.data + "/in"})
	s.record("a", 2, manifest.Manifest{Path: s.data + "/out"})
	s.record("a", 3, manifest.Manifest{Path: s.data + "/in/leak"})
	s.Tree = New(s.dir, &Options{Data: store.NewLocal(&store.Options{Roots: []string{s.data + "/in"}})})
	s.want("x", s.read("a/v1/x"), "1")
	for _, path := range []string{"a/v1/leak", "a/v1/leakdir", "a/v2/secret", "a/v3/secret"} {
		s.wantNone(path, syscall.EPERM, "data_roots")
	}
}

// Two versions over one directory share no identity.
func TestKeysDiffer(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.file("d/sub/y", "1")
	ok(t, os.Link(s.data+"/d/x", s.data+"/d/hard"))
	s.log("a", "d")
	s.log("a", "d")
	s.log("b", "d")
	seen := map[string]string{}
	for _, path := range []string{
		"", "a", "a/v1", "a/v1/x", "a/v1/sub", "a/v1/sub/y", "a/v2", "a/v2/x", "a/v2/sub", "b/v1/x", "b/v1/sub", "a/latest",
		".manifest", ".manifest/a", ".manifest/a/v1", ".manifest/a/latest", ".fields/a", ".fields/a/v1", ".fields/a/latest", ".log", ".log/a",
		".manifest/a/v1/data", ".manifest/a/v1/manifest.json", ".fields/a/v1/manifest.json",
	} {
		key := s.walk1(path).Key
		if other, twice := seen[key]; twice {
			t.Errorf("%q and %q have the key %q", path, other, key)
		}
		seen[key] = path
	}
	if s.walk1("a/v1/x").Key != s.walk1("a/v1/hard").Key {
		t.Error("two names of one file are two inodes")
	}
}

func TestSpecialFiles(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	ok(t, syscall.Mkfifo(s.data+"/d/fifo", 0o600))
	s.log("a", "d")
	e := s.walk1("a/v1/fifo")
	if e.Attr.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		t.Errorf("mode %o", e.Attr.Mode)
	}
	switch e.Node.(type) {
	case Dir, Link, Text, Data, Control:
		t.Errorf("a fifo is a %T", e.Node)
	}
	s.wantLs("a/v1", "fifo x")
	s.record("b", 1, manifest.Manifest{Path: s.data + "/d/fifo"})
	s.wantNone("b/v1/x", syscall.ENOTDIR, "fifo")
}

func TestNamesInData(t *testing.T) {
	s := newSite(t, nil)
	odd := []string{"with space", "new\nline", strings.Repeat("n", 255), "\xff\xfe", "v1", "latest", "manifest.json", ".log"}
	for _, name := range odd {
		s.file("d/"+name, name)
	}
	s.log("a", "d")
	for _, name := range odd {
		e := s.walk1("a/v1/" + name)
		b, err := os.ReadFile(e.Node.(Data).Real())
		if err != nil || string(b) != name {
			t.Errorf("%q: %q %v", name, b, err)
		}
	}
	s.wantNone("a/v1/"+strings.Repeat("n", 256), syscall.ENAMETOOLONG)
	d := s.walk1("a/v1").Node.(Dir)
	for _, name := range []string{"", ".", "..", "x/y", "x\x00y"} {
		if _, err := d.Lookup(ctx, name); err == nil {
			t.Errorf("%q was found", name)
		}
	}
}

func TestDataIsReadOnly(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/sub/x", "1")
	s.log("a", "d")
	for _, path := range []string{"a", "a/v1", "a/v1/sub"} {
		d := s.walk1(path).Node
		if _, mutable := d.(Mutable); mutable {
			t.Errorf("%s can be changed", path)
		}
		wantErr(t, "write access to "+path, d.(Accesser).Access(ctx, 2), syscall.EROFS)
		ok(t, d.(Accesser).Access(ctx, 5))
	}
}

func TestReplacedData(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	before := s.walk1("a/v1/x")
	s.file("d/y", "2")
	ok(t, os.Rename(s.data+"/d/y", s.data+"/d/x"))
	if after := s.walk1("a/v1/x"); after.Key == before.Key {
		t.Error("a replaced file is the same inode")
	}
	ok(t, os.Rename(s.data+"/d", s.data+"/moved"))
	s.wantNone("a/v1/x", fs.ErrNotExist)
	s.file("d/x", "3")
	s.want("x of a new directory", s.read("a/v1/x"), "3")
}

func TestSymlinkLane(t *testing.T) {
	s := newSite(t, &Options{Lane: "symlink"})
	s.file("d/blend.json", "1")
	s.file("ckpt/iter_0000001/x", "1")
	s.log("a", "d")
	s.log("a", "d/blend.json")
	s.log("a", `{"path": "DATA/ckpt", "iteration": 1}`)
	s.record("a", 4, manifest.Manifest{Path: "s3://b/k"})
	s.record("a", 5, manifest.Manifest{Path: s.data + "/gone"})
	s.dir.Refresh("a")
	s.wantLs("a", "latest@ v1@ v2@ v3/ v4/ v5@")
	for v, path := range map[string]string{"v1": "/d", "v2": "/d/blend.json", "v5": "/gone"} {
		if size := s.walk1("a/" + v).Attr.Size; size != int64(len(s.data+path)) {
			t.Errorf("lstat of %s, of whose data nobody has asked: size %d, want that of %s", v, size, s.data+path)
		}
	}
	s.want("v1", s.readlink("a/v1"), s.data+"/d")
	s.want("a file's version", s.readlink("a/v2"), s.data+"/d")
	s.want("a missing version", s.readlink("a/v5"), s.data+"/gone")
	if size := s.walk1("a/v2").Attr.Size; size != int64(len(s.data+"/d")) {
		t.Errorf("lstat of a file's version that was read: size %d, want that of %s", size, s.data+"/d")
	}
	s.wantLs("a/v3", "iter_0000001/ latest_checkpointed_iteration.txt")
}
