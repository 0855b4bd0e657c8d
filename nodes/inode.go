//go:build linux

package nodes

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// inode is what is known of one file, and the go-fuse node that stands for it, by
// whatever names it is found. It is kept small: there is one for each name that the
// kernel keeps, and of most no data is ever asked for.
type inode struct {
	key    string // of its entry
	typ    uint32 // S_IFMT
	ino    uint64
	handed time.Duration // when get returned it last; the table's mutex guards it

	mu    sync.Mutex // guards what follows; not held across I/O
	ops   fusefs.InodeEmbedder
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

// inodes finds the inode of an entry by its key. An inode leaves it when the kernel has
// forgotten its node. A weak pointer for each would do without being told, but takes
// 48 bytes that Go's runtime never gives back: after a walk of 400,000 names, 24 MB.
type inodes struct {
	mu   sync.Mutex
	ino  map[uint64]*inode
	full int // how many there may be before those that are gone are swept out
	peak int // how many there were since the root was trimmed
	born time.Time
	last [4]*store.Attr // of the inodes before: generated directories are all alike, and links
	turn int
}

// get returns the inode of e, and brings it up to date.
func (t *inodes) get(e resolver.Entry) *inode {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.born.IsZero() {
		t.born = time.Now()
	}
	if len(t.ino) >= t.full {
		t.sweep()
	}
	attr := t.share(e.Attr)
	// Sixty-four bits of a hash collide once in many billions of files; showing
	// one file's bytes under another's name even then is not an option.
	for ino := inoOf(keyOf(e.Key, e.Attr.Mode)); ; ino++ {
		i := t.ino[ino]
		if i != nil && (i.key != e.Key || i.typ != e.Attr.Mode&syscall.S_IFMT) {
			continue
		}
		if i == nil {
			i = &inode{ino: ino}
			t.ino[ino] = i
			t.peak = max(t.peak, len(t.ino))
		}
		i.handed = time.Since(t.born)
		i.mu.Lock()
		i.set(e, attr)
		i.mu.Unlock()
		return i
	}
}

// share returns attributes like a, the same for many inodes. The mutex is held.
func (t *inodes) share(a store.Attr) *store.Attr {
	for _, l := range t.last {
		if l != nil && *l == a {
			return l
		}
	}
	t.turn = (t.turn + 1) % len(t.last)
	t.last[t.turn] = &a
	return &a
}

// justHanded is for how long an inode that get returned is taken to be on its way into
// go-fuse's tree, which takes microseconds: until it is there, its node looks forgotten.
const justHanded = 2 * time.Second

// gone reports whether the kernel has forgotten i. The mutex is held.
func (t *inodes) gone(i *inode) bool {
	if time.Since(t.born)-i.handed < justHanded {
		return false
	}
	i.mu.Lock()
	ops := i.ops
	i.mu.Unlock()
	//lint:ignore SA1019 OnForget says when, but not whether a lookup has brought it back since.
	return ops == nil || ops.EmbeddedInode().Forgotten()
}

// forgotten drops i if it is gone. What was handed out just now stays till it is swept.
func (t *inodes) forgotten(i *inode) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ino[i.ino] == i && t.gone(i) {
		delete(t.ino, i.ino)
	}
}

// sweep drops the inodes that are gone, now and then. The map is made anew, for it
// keeps the room of all that it ever held. The mutex is held.
func (t *inodes) sweep() {
	live := make(map[uint64]*inode)
	for ino, i := range t.ino {
		if !t.gone(i) {
			live[ino] = i
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
