//go:build linux

package nodes

import (
	"context"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
)

// filler stands for nothing. No lookup finds it: its name is none.
type filler struct{ fusefs.Inode }

const fillerName = "/"

// Trim gives back what the root directory, which New returned, holds of names that
// the kernel has forgotten. go-fuse keeps the room of all children that a directory
// ever had, and makes its table anew only when the next one does not fit: so one is
// added and removed again until it does not.
func Trim(root fusefs.InodeEmbedder) {
	n, ok := root.(*dirNode)
	if !ok {
		return
	}
	most, few := n.sys.inodes.shrunk()
	if !few {
		return
	}
	ctx := context.Background()
	none := n.NewPersistentInode(ctx, &filler{}, fusefs.StableAttr{})
	for range 2*most + 2 { // a table made anew has room for twice what it holds
		n.AddChild(fillerName, none, false)
		n.RmChild(fillerName)
	}
}

// fewer is how many times fewer inodes there have to be than there were.
const fewer = 8

// shrunk returns how many inodes there were at most since it last said that there
// are few by now.
func (t *inodes) shrunk() (most int, few bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	n := len(t.ino)
	if most = t.peak; most < 1024 || n > most/fewer {
		return most, false
	}
	t.peak = n
	return most, true
}
