//go:build linux

package nodes

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// dataNode is a regular file below a version's data path.
type dataNode struct{ node }

var (
	_ fusefs.NodeOpener    = (*dataNode)(nil)
	_ fusefs.NodeGetattrer = (*dataNode)(nil)
	_ fusefs.NodeSetattrer = (*dataNode)(nil)
	_ fusefs.NodeAccesser  = (*dataNode)(nil)
	_ fusefs.NodeFsyncer   = (*dataNode)(nil)
)

func (n *dataNode) data() resolver.Data { return n.inode.entry().Node.(resolver.Data) }

// Open opens the file as the caller. When the name leads to another file than the
// one looked up it is ESTALE, and the kernel looks the name up again and retries
// (do_filp_open), so that a fresh open never shows a replaced file's bytes.
func (n *dataNode) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	if flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	d := n.data()
	defer n.sys.using(ctx, d)()
	o := opening{n: n, version: d.Version()}
	f, a, err := n.sys.local.OpenWith(as(ctx), d.Real(), o.admit)
	if err != nil {
		o.abandon()
		return nil, 0, n.errno("open", err)
	}
	changed := n.inode.changed(stampOf(a))
	if changed {
		n.staleAttr()
	}
	n.inode.show(stampOf(a))
	n.sys.opened(ctx, d)
	if o.lane == lanePassthrough {
		f.Close() // the kernel holds the file by its backing id
		return &dataHandle{n: n}, fuse.FOPEN_NOFLUSH | n.sys.pass.ticket(o.backing), 0
	}
	out := uint32(fuse.FOPEN_NOFLUSH)
	if !changed {
		out |= fuse.FOPEN_KEEP_CACHE
	}
	return &dataHandle{n: n, f: f}, out, 0
}

// Getattr asks as the caller. A file that was removed while it is open goes on
// answering what it last was, as an open file does everywhere.
func (n *dataNode) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e, d := n.inode.entry(), n.data()
	defer n.sys.using(ctx, d)()
	a, err := d.Stat(as(ctx))
	if err == nil && (a.Dev != e.Attr.Dev || a.Ino != e.Attr.Ino) {
		err = syscall.ESTALE
	}
	if err != nil {
		if !n.inode.isOpen() {
			return n.errno("stat", err)
		}
		a = e.Attr
	}
	setAttr(&out.Attr, a)
	out.SetTimeout(e.Valid)
	return 0
}

func (n *dataNode) Access(ctx context.Context, mask uint32) syscall.Errno {
	if mask&2 != 0 {
		return syscall.EROFS
	}
	return n.errno("access", n.sys.local.Access(as(ctx), n.data().Real(), mask))
}

// staleAttr makes the kernel ask again for a file's size and times. Only they: a
// negative offset leaves the pages alone, and invalidating pages of a file that is
// being read can deadlock (hf-mount issue 195).
func (n *node) staleAttr() { n.NotifyContent(-1, 0) }

// opening is one open on its way. Past its deadline the open goes on without
// anybody waiting, and must then not count as open.
type opening struct {
	n       *dataNode
	version *resolver.Version

	mu        sync.Mutex
	abandoned bool
	admitted  bool
	lane      lane
	backing   int32
}

// admit counts the open file in, with the caller's credentials still on.
func (o *opening) admit(fd int, a store.Attr) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.abandoned {
		return os.ErrDeadlineExceeded
	}
	var err error
	o.lane, o.backing, err = o.n.inode.open(fd, a, o.n.sys, o.version)
	o.admitted = err == nil
	return err
}

func (o *opening) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.abandoned = true
	if o.admitted {
		o.n.inode.close(o.n.sys.pass)
	}
}

// dataHandle is an open data file; f is nil where the kernel reads it itself.
type dataHandle struct {
	n *dataNode
	f *os.File

	last, fetched atomic.Int64 // where reading came to, and fetching ahead
}

var (
	_ fusefs.FileReader   = (*dataHandle)(nil)
	_ fusefs.FileReleaser = (*dataHandle)(nil)
)

func (h *dataHandle) Release(context.Context) syscall.Errno {
	h.n.inode.close(h.n.sys.pass)
	if h.f != nil {
		h.f.Close()
	}
	return 0
}
