//go:build linux

package nodes

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"syscall"
	"time"
	"weak"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// inode is what is known of one file, shared by the go-fuse nodes that stand for
// it: two lookups may race, or find one file by two names, and go-fuse then drops
// one node for the other. It is kept small: there is one for each name that the
// kernel keeps, and of most no data is ever asked for.
type inode struct {
	key string // of its entry
	typ uint32 // S_IFMT
	ino uint64

	mu    sync.Mutex // guards what follows; not held across I/O
	node  resolver.Node
	attr  *store.Attr // shared, and not changed
	valid time.Duration
	data  *data // nil: nothing was opened or shown yet
}

func (i *inode) entry() resolver.Entry {
	i.mu.Lock()
	defer i.mu.Unlock()
	return resolver.Entry{Node: i.node, Attr: *i.attr, Key: i.key, Valid: i.valid}
}

// set takes over an entry. The mutex is held, or nobody else has the inode yet.
func (i *inode) set(e resolver.Entry, attr *store.Attr) {
	i.key, i.typ, i.node, i.attr, i.valid = e.Key, e.Attr.Mode&syscall.S_IFMT, e.Node, attr, e.Valid
}

// inodes finds the inode of an entry by its key. It keeps none alive: an inode
// goes with its last node.
type inodes struct {
	mu   sync.Mutex
	ino  map[uint64]weak.Pointer[inode]
	full int         // how many there may be before those that are gone are swept out
	peak int         // how many there were since the root was trimmed
	last *store.Attr // of the inode before: generated directories are all alike
}

// get returns the inode of e, and brings it up to date.
func (t *inodes) get(e resolver.Entry) *inode {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ino) >= t.full {
		t.sweep()
	}
	if t.last == nil || *t.last != e.Attr {
		attr := e.Attr
		t.last = &attr
	}
	// Sixty-four bits of a hash collide once in many billions of files; showing
	// one file's bytes under another's name even then is not an option.
	for ino := inoOf(keyOf(e.Key, e.Attr.Mode)); ; ino++ {
		p, taken := t.ino[ino]
		old := p.Value()
		if taken && old != nil && (old.key != e.Key || old.typ != e.Attr.Mode&syscall.S_IFMT) {
			continue
		}
		if old != nil {
			old.mu.Lock()
			old.set(e, t.last)
			old.mu.Unlock()
			return old
		}
		i := &inode{ino: ino}
		i.set(e, t.last)
		t.ino[ino] = weak.Make(i)
		t.peak = max(t.peak, len(t.ino))
		return i
	}
}

// sweep drops the inodes that are gone, now and then: to be told of each end, by
// runtime.AddCleanup, costs as much as the inode, of memory that is never given
// back. The map is made anew, for it keeps the room of all that it ever held.
// The mutex is held.
func (t *inodes) sweep() {
	live := make(map[uint64]weak.Pointer[inode])
	for ino, p := range t.ino {
		if p.Value() != nil {
			live[ino] = p
		}
	}
	t.ino, t.full = live, max(1024, 2*len(live))
}

// keyOf is an entry's identity among inodes. What becomes a file of another type is
// another file, whatever name or inode number it took over.
func keyOf(key string, mode uint32) string {
	return key + "\x00" + string(rune('a'+mode&syscall.S_IFMT>>12))
}

// inoOf is the inode number of a key: st_ino and d_ino alike. Zero, one and all
// ones mean something to the kernel or to go-fuse; bit 63 is left to go-fuse.
func inoOf(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.LittleEndian.Uint64(sum[:])&(1<<63-1) | 2
}
