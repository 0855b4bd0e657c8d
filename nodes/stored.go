//go:build linux

package nodes

import (
	"context"
	"errors"
	"io"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/resolver"
)

// storedNode is a regular file that a version's store hands out by ranges. What it
// holds never changes, so the kernel may keep it from one open to the next.
type storedNode struct{ node }

var (
	_ fusefs.NodeOpener    = (*storedNode)(nil)
	_ fusefs.NodeGetattrer = (*storedNode)(nil)
	_ fusefs.NodeSetattrer = (*storedNode)(nil)
	_ fusefs.NodeAccesser  = (*storedNode)(nil)
	_ fusefs.NodeFsyncer   = (*storedNode)(nil)
)

func (n *storedNode) stored() resolver.Stored { return n.inode.entry().Node.(resolver.Stored) }

func (n *storedNode) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	s, a := n.stored(), n.inode.entry().Attr
	if err := s.Access(as(ctx), 4); err != nil {
		return nil, 0, n.errno("open", err)
	}
	out := uint32(fuse.FOPEN_NOFLUSH)
	if s.Object().Key() != "" && !n.inode.changed(a) {
		out |= fuse.FOPEN_KEEP_CACHE
	}
	n.inode.show(a)
	n.sys.opened(s)
	n.sys.lanes.note(s.Version(), laneStored, "")
	return &storedHandle{n: n, r: n.sys.tree.OpenStored(s, a.Size)}, out, 0
}

func (n *storedNode) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e := n.inode.entry()
	setAttr(&out.Attr, e.Attr)
	out.SetTimeout(e.Valid)
	return 0
}

func (n *storedNode) Access(ctx context.Context, mask uint32) syscall.Errno {
	return n.errno("access", n.stored().Access(as(ctx), mask))
}

// storedHandle is an open one.
type storedHandle struct {
	n *storedNode
	r resolver.Content
}

var (
	_ fusefs.FileReader   = (*storedHandle)(nil)
	_ fusefs.FileReleaser = (*storedHandle)(nil)
)

func (h *storedHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	k, err := h.r.ReadAt(dest, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, h.n.errno("read", err)
	}
	return fuse.ReadResultData(dest[:k]), 0
}

func (h *storedHandle) Release(context.Context) syscall.Errno {
	h.r.Close()
	return 0
}
