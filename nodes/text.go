//go:build linux

package nodes

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/resolver"
)

// textNode is a small generated file. Each open reads it once; what one reader
// sees does not change below it.
type textNode struct{ node }

var (
	_ fusefs.NodeOpener    = (*textNode)(nil)
	_ fusefs.NodeReader    = (*textNode)(nil)
	_ fusefs.NodeGetattrer = (*textNode)(nil)
	_ fusefs.NodeSetattrer = (*textNode)(nil)
)

type text []byte

func (n *textNode) read(ctx context.Context) (text, syscall.Errno) {
	b, err := n.inode.entry().Node.(resolver.Text).Read(as(ctx))
	return b, n.errno("read", err)
}

func (n *textNode) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	b, errno := n.read(ctx)
	if u, ok := n.inode.entry().Node.(resolver.Using); ok && errno == 0 {
		u.Opened(as(ctx))
	}
	return b, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, errno
}

func (n *textNode) Read(_ context.Context, f fusefs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	b := f.(text)
	if off >= int64(len(b)) {
		return answer(nil), 0
	}
	return answer(b[off:min(int64(len(b)), off+int64(len(dest)))]), 0
}

// Getattr gives the size that an open would read now: tar and rsync compare them.
func (n *textNode) Getattr(ctx context.Context, f fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e := n.inode.entry()
	setAttr(&out.Attr, e.Attr)
	b, ok := f.(text)
	if !ok {
		var errno syscall.Errno
		if b, errno = n.read(ctx); errno != 0 {
			return errno
		}
	}
	out.Size = uint64(len(b))
	out.SetTimeout(e.Valid)
	return 0
}
