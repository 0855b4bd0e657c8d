//go:build linux

package nodes

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// storedNode is a regular file that a version's store hands out by ranges. What it
// holds never changes, so the kernel may keep it from one open to the next: other content
// under its name is another file.
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
	if c, ok := s.(resolver.Current); ok {
		if err := c.Current(as(ctx)); err != nil {
			return nil, 0, n.errno("open", err) // ESTALE: the kernel looks the name up again, and retries
		}
	}
	h := &storedHandle{n: n, r: n.sys.tree.OpenStored(s, a.Size)}
	lane, backing := n.inode.openStored(h.r, n.sys)
	n.sys.opened(ctx, s)
	n.sys.lanes.note(s.Version(), lane, "")
	if lane == lanePassthrough {
		return h, fuse.FOPEN_NOFLUSH | n.sys.pass.ticket(backing), 0
	}
	out := uint32(fuse.FOPEN_NOFLUSH)
	if s.Object().Key() != "" && !n.inode.changed(stampOf(a)) {
		out |= fuse.FOPEN_KEEP_CACHE
	}
	n.inode.show(stampOf(a))
	return h, out, 0
}

// whole is content of which all may lie on this machine, checked, in a file that does
// not change while it is open.
type whole interface {
	Ready() (*os.File, error)
}

// openStored counts one more open. Content that lies whole in a file is passed
// through, if no open that came before reads it otherwise: the two do not mix. The
// kernel has the very file open from then on, which keeps it as it is.
func (i *inode) openStored(c resolver.Content, s *system) (lane, int32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := i.made()
	if d.opens++; d.opens > 1 {
		return d.lane, d.backing
	}
	d.lane, d.backing = laneStored, 0
	w, ok := c.(whole)
	if !ok || s.pass == nil {
		return d.lane, d.backing
	}
	f, err := w.Ready()
	if err != nil {
		return d.lane, d.backing
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err == nil {
		if id, why := s.pass.register(int(f.Fd()), uint64(st.Dev)); why == "" {
			d.lane, d.backing = lanePassthrough, id
		}
	}
	return d.lane, d.backing
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
	n    *storedNode
	r    resolver.Content
	late late
}

var (
	_ fusefs.FileReader   = (*storedHandle)(nil)
	_ fusefs.FileReleaser = (*storedHandle)(nil)
)

func (h *storedHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if err := h.late.again(off, len(dest)); err != nil {
		return nil, h.n.errno("read", err)
	}
	k, err := h.r.ReadAt(dest, off)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		h.late.note(off, len(dest), err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, h.n.errno("read", err)
	}
	return answer(dest[:k]), 0
}

func (h *storedHandle) Release(context.Context) syscall.Errno {
	h.n.inode.close(h.n.sys.pass)
	h.r.Close()
	return 0
}
