//go:build linux

package nodes

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// Two keys with one hash are two inodes, whoever comes first.
func TestInodeCollision(t *testing.T) {
	var table inodes
	squatter := &inode{key: "another", ino: inoOf("key")}
	table.ino = map[uint64]weak.Pointer[inode]{squatter.ino: weak.Make(squatter)}
	a := table.get(resolver.Entry{Key: "key"})
	if a == squatter || a.ino == squatter.ino {
		t.Fatalf("key got inode %d of another key", a.ino)
	}
	if b := table.get(resolver.Entry{Key: "key"}); b != a {
		t.Errorf("the same key got another inode")
	}
	runtime.KeepAlive(squatter)
}

// A second lookup brings the inode up to date, and an inode goes with its nodes.
func TestInodeLife(t *testing.T) {
	var table inodes
	i := table.get(resolver.Entry{Key: "k", Attr: store.Attr{Size: 1}})
	table.get(resolver.Entry{Key: "k", Attr: store.Attr{Size: 2}})
	if got := i.entry().Attr.Size; got != 2 {
		t.Errorf("size is %d after the second lookup, want 2", got)
	}
	i = nil
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		table.mu.Lock()
		table.sweep()
		n := len(table.ino)
		table.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d inodes are kept alive by the table", n)
		}
	}
}

// The first sight of a file is no change, a nanosecond is one.
func TestChanged(t *testing.T) {
	i := &inode{}
	a := store.Attr{Size: 1, Mtime: time.Unix(1, 0)}
	if i.changed(a) {
		t.Error("the first sight is a change")
	}
	i.show(a)
	if i.changed(a) {
		t.Error("the same again is a change")
	}
	a.Mtime = time.Unix(1, 1)
	if !i.changed(a) {
		t.Error("a nanosecond later is no change")
	}
	i.show(a)
	if i.changed(a) {
		t.Error("a change is noticed again after it was shown")
	}
}
