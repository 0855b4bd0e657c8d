//go:build linux

package nodes

import (
	"context"
	"sync/atomic"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/resolver"
)

// controlNode is a file whose writes do something. Its I/O is direct: the page
// cache would hold a write back past the close that should report its error.
type controlNode struct{ node }

var (
	_ fusefs.NodeOpener    = (*controlNode)(nil)
	_ fusefs.NodeGetattrer = (*controlNode)(nil)
	_ fusefs.NodeSetattrer = (*controlNode)(nil)
)

const controlFlags = fuse.FOPEN_DIRECT_IO

func (n *controlNode) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	h, err := n.inode.entry().Node.(resolver.Control).Open(as(ctx), int(flags))
	if err != nil {
		return nil, 0, n.errno("open", err)
	}
	return &controlHandle{n: &n.node, h: h}, controlFlags, 0
}

func (n *controlNode) Getattr(ctx context.Context, f fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e := n.inode.entry()
	if st, ok := e.Node.(interface {
		Stat(context.Context) (resolver.Entry, error)
	}); ok {
		now, err := st.Stat(as(ctx))
		if err != nil {
			return n.errno("stat", err)
		}
		e = now
	}
	setAttr(&out.Attr, e.Attr)
	if h, ok := f.(*controlHandle); ok {
		out.Size = uint64(h.h.Size())
	}
	return 0
}

// Setattr lets a program do around its write what cp, tee and Python do: truncate
// before it, set times and mode after it. Nothing of that is kept. Refusing it
// would report as failed what has been logged.
func (n *controlNode) Setattr(ctx context.Context, f fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return syscall.EPERM
	}
	if size, ok := in.GetSize(); ok {
		if t, ok := n.inode.entry().Node.(interface {
			Truncate(context.Context, int64) error
		}); ok {
			if err := t.Truncate(as(ctx), int64(size)); err != nil {
				return n.errno("truncate", err)
			}
		} else if h, ok := f.(*controlHandle); size != 0 && !(ok && int64(size) == h.written.Load()) {
			return syscall.EINVAL // rsync --inplace truncates to what it has written
		}
	}
	return n.Getattr(ctx, f, out)
}

// controlHandle is one open control file.
type controlHandle struct {
	n       *node
	h       resolver.Handle
	written atomic.Int64 // the end of the last write
}

var (
	_ fusefs.FileReader   = (*controlHandle)(nil)
	_ fusefs.FileWriter   = (*controlHandle)(nil)
	_ fusefs.FileFlusher  = (*controlHandle)(nil)
	_ fusefs.FileReleaser = (*controlHandle)(nil)
)

func (h *controlHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	k, err := h.h.Read(as(ctx), dest, off)
	return answer(dest[:max(k, 0)]), h.n.errno("read", err)
}

// Write returns the outcome of what it completed: a shell looks at write's errno
// and at nothing that comes after.
func (h *controlHandle) Write(ctx context.Context, p []byte, off int64) (uint32, syscall.Errno) {
	k, err := h.h.Write(as(ctx), p, off)
	h.written.Store(off + int64(max(k, 0)))
	return uint32(max(k, 0)), h.n.errno("write", err)
}

func (h *controlHandle) Flush(ctx context.Context) syscall.Errno {
	return h.n.errno("flush", h.h.Flush(as(ctx)))
}

func (h *controlHandle) Release(context.Context) syscall.Errno {
	return h.n.errno("close", h.h.Close())
}
