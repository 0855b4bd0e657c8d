//go:build linux

package nodes

import (
	"context"
	"sync"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// dirNode is a directory of the tree or of a version's data.
type dirNode struct{ node }

var (
	_ fusefs.NodeLookuper       = (*dirNode)(nil)
	_ fusefs.NodeOpendirHandler = (*dirNode)(nil)
	_ fusefs.NodeGetattrer      = (*dirNode)(nil)
	_ fusefs.NodeSetattrer      = (*dirNode)(nil)
	_ fusefs.NodeAccesser       = (*dirNode)(nil)
	_ fusefs.NodeStatfser       = (*dirNode)(nil)
	_ fusefs.NodeFsyncer        = (*dirNode)(nil)
)

func (n *dirNode) dir() resolver.Dir { return n.inode.entry().Node.(resolver.Dir) }

func (n *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if e, ok := n.sys.pins.get(n.inode.entry(), name); ok {
		return n.child(ctx, e, out), 0
	}
	d := n.dir()
	defer n.sys.using(ctx, d)()
	e, err := d.Lookup(as(ctx), name)
	if e, ok := n.sys.pins.get(n.inode.entry(), name); ok { // meanwhile: the answer would undo that
		return n.child(ctx, e, out), 0
	}
	if err != nil {
		return nil, n.sys.errno("lookup", n.path()+"/"+name, err)
	}
	return n.child(ctx, e, out), 0
}

func (n *dirNode) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d := n.dir()
	defer n.sys.using(ctx, d)()
	e, err := d.Stat(as(ctx))
	if err != nil {
		return n.errno("stat", err)
	}
	setAttr(&out.Attr, e.Attr)
	out.SetTimeout(e.Valid)
	return 0
}

// Access answers access(2) and chdir. The kernel does not ask it on a path walk:
// that is what Entry.Valid = 0 is for.
func (n *dirNode) Access(ctx context.Context, mask uint32) syscall.Errno {
	d := n.dir()
	defer n.sys.using(ctx, d)() // a chdir is one
	if a, ok := d.(resolver.Accesser); ok {
		return n.errno("access", a.Access(as(ctx), mask))
	}
	if _, ok := d.(resolver.Mutable); !ok && mask&2 != 0 {
		return syscall.EROFS
	}
	return 0
}

// OpendirHandle lists the directory as the caller. A listing that every caller
// would get may stay in the kernel for as long as the directory is unchanged:
// measured, the second `ls` of 20,000 files costs the daemon nothing then. While
// the kernel may still have it, only the right to read it is asked for here, and
// the directory is read if the kernel asks after all.
func (n *dirNode) OpendirHandle(ctx context.Context, _ uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	d := n.dir()
	defer n.sys.using(ctx, d)()
	h := &dirHandle{n: n}
	e, err := d.Stat(as(ctx))
	if err != nil {
		return nil, 0, n.errno("opendir", err)
	}
	now, keep := listingOf(as(ctx), d, e.Attr)
	a, ok := d.(resolver.Accesser)
	if keep && ok && e.Valid > 0 && n.inode.unchanged(now) {
		if err := a.Access(as(ctx), 4); err != nil {
			return nil, 0, n.errno("opendir", err)
		}
		n.sys.openedDir(ctx, d)
		h.keep(d, e.Valid)
		return h, fuse.FOPEN_CACHE_DIR, 0
	}
	if errno := h.readAs(ctx, now); errno != 0 {
		return nil, 0, errno
	}
	n.sys.openedDir(ctx, d)
	if _, ok := d.(resolver.Keeper); ok {
		keep = h.at.listing != 0
	}
	if !keep || e.Valid == 0 {
		return h, 0, 0
	}
	flags := uint32(fuse.FOPEN_CACHE_DIR)
	if n.inode.changed(h.at) {
		flags |= dropCache
		n.staleAttr()
	}
	n.inode.show(h.at)
	h.keep(d, e.Valid)
	return h, flags, 0
}

// listingOf tells a directory's listing from another of it, if one can be told: by the
// directory's own times where it is one on this machine, else by what it says itself.
func listingOf(ctx context.Context, d resolver.Dir, a store.Attr) (now stamp, ok bool) {
	now = stampOf(a)
	if k, is := d.(resolver.Keeper); is {
		now.listing = k.Listing(ctx)
		return now, now.listing != 0
	}
	return now, a.Dev != 0
}

// dirHandle is an open directory: the listing that opendir, or the last
// rewinddir, read.
type dirHandle struct {
	n      *dirNode
	kept   bool // the kernel keeps what it reads by this handle, for who opens the directory next
	listed bool
	list   []resolver.DirEntry
	at     stamp     // of the list
	when   time.Time // it was read
	next   int

	mu   sync.Mutex  // guards what follows
	ends *time.Timer // when the kernel is no longer to keep it for this one; nil: never, or it is closed
}

var (
	_ fusefs.FileReaddirenter = (*dirHandle)(nil)
	_ fusefs.FileLookuper     = (*dirHandle)(nil)
	_ fusefs.FileSeekdirer    = (*dirHandle)(nil)
	_ fusefs.FileReleasedirer = (*dirHandle)(nil)
	_ fusefs.FileFsyncdirer   = (*dirHandle)(nil)
)

// keep notes that the kernel keeps the listing, which is good for so long. A handle that is
// open for longer gets a new one then, and each time after that: the kernel looks at the
// directory's times alone, and one in a bucket has none. Of a directory pages may be
// invalidated: nobody holds them while a request is under way.
func (h *dirHandle) keep(d resolver.Dir, valid time.Duration) {
	h.kept = true
	if _, ok := d.(resolver.Keeper); !ok {
		return
	}
	valid = max(valid, time.Second)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = time.AfterFunc(valid, func() {
		h.n.NotifyContent(0, 0)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.ends != nil {
			h.ends.Reset(valid)
		}
	})
}

func (h *dirHandle) read(ctx context.Context) syscall.Errno {
	d := h.n.dir()
	e, err := d.Stat(as(ctx))
	if err != nil {
		return h.n.errno("readdir", err)
	}
	now, _ := listingOf(as(ctx), d, e.Attr)
	return h.readAs(ctx, now)
}

// readAs reads the directory, which was as the stamp says a moment ago.
func (h *dirHandle) readAs(ctx context.Context, now stamp) syscall.Errno {
	var err error
	if k, ok := h.n.dir().(resolver.Keeper); ok {
		h.list, now.listing, err = k.ReadListing(as(ctx))
	} else {
		h.list, err = h.n.dir().ReadDir(as(ctx))
	}
	if err != nil {
		return h.n.errno("readdir", err)
	}
	h.listed, h.at, h.when = true, now, time.Now()
	return 0
}

// justRead is for how long a list is taken to be what the directory holds: an opendir is
// followed by a readdir.
const justRead = 100 * time.Millisecond

// old reports whether the kernel is about to keep, as what the directory holds now, a list
// that was read earlier: by who opened it long ago, and reads it after others have opened it
// as it is now.
func (h *dirHandle) old(ctx context.Context) bool {
	if !h.kept || h.next > 0 || time.Since(h.when) < justRead {
		return false
	}
	d := h.n.dir()
	e, err := d.Stat(as(ctx))
	if err != nil {
		return true // read says so
	}
	now, ok := listingOf(as(ctx), d, e.Attr)
	return !ok || now != h.at
}

func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !h.listed || h.old(ctx) {
		if errno := h.read(ctx); errno != 0 {
			return nil, errno
		}
	}
	if h.next >= len(h.list) {
		return nil, 0
	}
	e := h.list[h.next]
	h.next++
	mode := e.Mode
	if mode == 0 { // not looked at: most likely a file
		mode = syscall.S_IFREG
	}
	return &fuse.DirEntry{Name: e.Name, Mode: e.Mode, Ino: inoOf(keyOf(e.Key, mode)), Off: uint64(h.next)}, 0
}

// maxPlus is how many names of a generated directory come with their attributes
// unasked. Of 100,000 artifacts each costs the store a look, and `ls` wants none.
const maxPlus = 4096

// Lookup answers READDIRPLUS for the name that Readdirent gave last. Looking up
// each of 2,000 versions that a listing has just found cost a writer seconds.
// An error here only leaves the attributes out.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if i := h.next - 1; i >= 0 && i < len(h.list) && h.list[i].Late {
		return nil, syscall.ENODATA
	}
	l, ok := h.n.dir().(resolver.Lister)
	if i := h.next - 1; !ok || i < 0 || i >= len(h.list) || h.list[i].Name != name {
		return h.n.Lookup(ctx, name, out)
	}
	if e, ok := h.n.sys.pins.get(h.n.inode.entry(), name); ok {
		return h.n.child(ctx, e, out), 0
	}
	if h.next > maxPlus {
		return nil, syscall.ENODATA
	}
	e, err := l.Listed(as(ctx), h.list[h.next-1])
	if e, ok := h.n.sys.pins.get(h.n.inode.entry(), name); ok {
		return h.n.child(ctx, e, out), 0
	}
	if err != nil {
		return nil, h.n.sys.errno("lookup", h.n.path()+"/"+name, err)
	}
	return h.n.child(ctx, e, out), 0
}

// Seekdir to the start reads the directory again, as rewinddir promises.
func (h *dirHandle) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	if off == 0 || !h.listed {
		if errno := h.read(ctx); errno != 0 {
			return errno
		}
	}
	h.next = int(min(off, uint64(len(h.list))))
	return 0
}

// Releasedir counts the directory out. A node's entry may be another object by
// now, but it shows the same version. If it was opened again in the meantime, and had become
// another, nobody knows which list the kernel has: whoever opens it next gets a new one.
func (h *dirHandle) Releasedir(context.Context, uint32) {
	h.n.sys.lanes.dir(h.n.dir(), -1)
	h.mu.Lock()
	if h.ends != nil {
		h.ends.Stop()
		h.ends = nil
	}
	h.mu.Unlock()
	if h.kept && h.listed && h.n.inode.changed(h.at) {
		h.n.inode.show(unknown)
	}
}

func (h *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno { return 0 }
