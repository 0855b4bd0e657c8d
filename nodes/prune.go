//go:build linux

package nodes

import (
	"cmp"
	"os"
	"slices"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
)

// pruneAtOnce is how many inodes one message to the kernel names.
const pruneAtOnce = 4096

// Known is how many inodes the kernel knows at most, below the root directory that New returned.
func Known(root fusefs.InodeEmbedder) int {
	n, ok := root.(*dirNode)
	if !ok {
		return 0
	}
	t := &n.sys.inodes
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ino)
}

// Prune asks the kernel to forget all inodes but keep of them. It keeps what is in use:
// open, a working directory, below something that is mounted, or the way to one that
// stays. Those go first whose lookup is longest ago, and last files that were
// opened, for their pages in the kernel's cache go with them; with unopened they all
// stay. It needs Linux 6.18 (ENOSYS). It must not be called by a request handler.
func Prune(root fusefs.InodeEmbedder, keep int, unopened bool) error {
	n, ok := root.(*dirNode)
	if !ok {
		return nil
	}
	for some := range slices.Chunk(n.sys.inodes.oldest(n.inode, keep, unopened), pruneAtOnce) {
		if errno := n.NotifyPrune(some); errno != 0 {
			return os.NewSyscallError("FUSE_NOTIFY_PRUNE", errno)
		}
	}
	return nil
}

// oldest returns the nodes that go when keep stay: what was found last comes first, as
// files were after their directory, which the kernel cannot forget before them.
func (t *inodes) oldest(root *inode, keep int, unopened bool) []*fusefs.Inode {
	type known struct {
		node   *fusefs.Inode
		opened int
		handed time.Duration
	}
	t.mu.Lock()
	t.sweep() // what was forgotten just after it was found
	all := make([]known, 0, len(t.ino))
	for _, i := range t.ino {
		i.mu.Lock()
		opened := 0
		if i.typ == syscall.S_IFREG && i.data != nil {
			opened = 1
		}
		if i != root && i.ops != nil && (opened == 0 || !unopened) {
			all = append(all, known{i.ops.EmbeddedInode(), opened, i.handed})
		}
		i.mu.Unlock()
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b known) int {
		return cmp.Or(cmp.Compare(a.opened, b.opened), cmp.Compare(a.handed, b.handed))
	})
	var gone []*fusefs.Inode
	for _, k := range slices.Backward(all[:max(0, len(all)-keep)]) {
		gone = append(gone, k.node)
	}
	return gone
}
