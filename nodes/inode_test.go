//go:build linux

package nodes

import (
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// Two keys with one hash are two inodes, whoever comes first.
func TestInodeCollision(t *testing.T) {
	squatter := &inode{key: "another", ino: inoOf("key")}
	table := inodes{full: 2, ino: map[uint64]*inode{squatter.ino: squatter}}
	a := table.get(resolver.Entry{Key: "key"})
	if a == squatter || a.ino == squatter.ino {
		t.Fatalf("key got inode %d of another key", a.ino)
	}
	if b := table.get(resolver.Entry{Key: "key"}); b != a {
		t.Errorf("the same key got another inode")
	}
}

// A second lookup brings the inode up to date.
func TestInodeUpdate(t *testing.T) {
	var table inodes
	i := table.get(resolver.Entry{Key: "k", Attr: store.Attr{Size: 1}})
	table.get(resolver.Entry{Key: "k", Attr: store.Attr{Size: 2}})
	if got := i.entry().Attr.Size; got != 2 {
		t.Errorf("size is %d after the second lookup, want 2", got)
	}
}

// An inode goes when the kernel has forgotten it, unless somebody may just be looking it up again.
func TestInodeLife(t *testing.T) {
	root, _, _ := New(resolver.New(everything{}, nil), nil)
	fs := fusefs.NewNodeFS(root, &fusefs.Options{NullPermissions: true})
	table := &root.(*dirNode).sys.inodes
	lookup := func() uint64 {
		t.Helper()
		var out fuse.EntryOut
		if st := fs.Lookup(nil, &fuse.InHeader{NodeId: 1}, "one", &out); st != fuse.OK {
			t.Fatal(st)
		}
		return out.NodeId
	}
	id := lookup()
	if again := lookup(); again != id {
		t.Errorf("the second lookup gave node %d, the first %d", again, id)
	}
	one := root.EmbeddedInode().GetChild("one").Operations().(*dirNode).inode
	longAgo := func() {
		table.mu.Lock()
		table.born = table.born.Add(-justHanded)
		table.mu.Unlock()
	}
	there := func() bool {
		table.mu.Lock()
		defer table.mu.Unlock()
		return table.ino[one.ino] == one
	}
	longAgo()
	fs.Forget(id, 1)
	if !there() {
		t.Error("it went while the kernel knew it")
	}
	lookup()
	fs.Forget(id, 2)
	if !there() {
		t.Error("it went while another lookup may be on its way")
	}
	if again := lookup(); again != id {
		t.Errorf("that lookup gave node %d, want %d", again, id)
	}
	longAgo()
	fs.Forget(id, 1)
	if there() {
		t.Error("it stays when it is forgotten")
	}
	id = lookup()
	one = root.EmbeddedInode().GetChild("one").Operations().(*dirNode).inode
	fs.Forget(id, 1)
	longAgo()
	table.mu.Lock()
	table.sweep()
	table.mu.Unlock()
	if there() {
		t.Error("it stays when it is swept")
	}
}

// The first sight of a file is no change, a nanosecond is one.
func TestChanged(t *testing.T) {
	i := &inode{}
	a := store.Attr{Size: 1, Mtime: time.Unix(1, 0)}
	if i.changed(stampOf(a)) {
		t.Error("the first sight is a change")
	}
	i.show(stampOf(a))
	if i.changed(stampOf(a)) {
		t.Error("the same again is a change")
	}
	a.Mtime = time.Unix(1, 1)
	if !i.changed(stampOf(a)) {
		t.Error("a nanosecond later is no change")
	}
	i.show(stampOf(a))
	if i.changed(stampOf(a)) {
		t.Error("a change is noticed again after it was shown")
	}
}
