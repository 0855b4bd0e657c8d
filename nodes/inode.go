//go:build linux

package nodes

import (
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
	"syscall"
	"weak"

	"artifactfs.dev/artifactfs/resolver"
)

// inode is what is known of one file, shared by the go-fuse nodes that stand for
// it: two lookups may race, or find one file by two names, and go-fuse then drops
// one node for the other.
type inode struct {
	key string
	ino uint64

	mu  sync.Mutex // guards what follows; not held across I/O
	ent resolver.Entry
	data
}

func (i *inode) entry() resolver.Entry {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ent
}

// inodes finds the inode of an entry by its key. It keeps none alive: an inode
// goes with its last node.
type inodes struct {
	mu  sync.Mutex
	ino map[uint64]weak.Pointer[inode]
}

// get returns the inode of e, and brings it up to date.
func (t *inodes) get(e resolver.Entry) *inode {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ino == nil {
		t.ino = make(map[uint64]weak.Pointer[inode])
	}
	// Sixty-four bits of a hash collide once in many billions of files; showing
	// one file's bytes under another's name even then is not an option.
	key := keyOf(e.Key, e.Attr.Mode)
	for ino := inoOf(key); ; ino++ {
		p, taken := t.ino[ino]
		old := p.Value()
		if taken && old != nil && old.key != key {
			continue
		}
		if old != nil {
			old.mu.Lock()
			old.ent = e
			old.mu.Unlock()
			return old
		}
		i := &inode{key: key, ino: ino, ent: e}
		w := weak.Make(i)
		t.ino[ino] = w
		runtime.AddCleanup(i, func(ino uint64) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.ino[ino] == w {
				delete(t.ino, ino)
			}
		}, ino)
		return i
	}
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
