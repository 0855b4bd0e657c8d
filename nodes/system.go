//go:build linux

package nodes

import (
	"context"
	"log/slog"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// Options say how a tree is shown.
type Options struct {
	// Passthrough serves reads from the kernel where that is possible. nil:
	// the copy lane only, and Why says why.
	Passthrough *Passthrough
	Why         string
	Log         *slog.Logger // nil: slog.Default

	// Opened is told of every open of something in a version's data, as the caller in
	// ctx, before the open is answered. May be nil.
	Opened func(ctx context.Context, name string, version int)
}

// system is what all nodes of a mount share.
type system struct {
	tree   *resolver.Tree
	local  *store.Local
	lanes  *Lanes
	pass   *Passthrough
	log    *slog.Logger
	inodes inodes
	pins   Pins
	onOpen func(ctx context.Context, name string, version int)
}

// opened tells whoever wants to know that data has been opened.
func (s *system) opened(ctx context.Context, n resolver.Node) {
	if v, ok := n.(resolver.Versioned); ok && s.onOpen != nil {
		name, version := v.Which()
		s.onOpen(as(ctx), name, version)
	}
}

// openedDir counts an open directory, and then tells of it: nothing is to be bound
// over one that is open.
func (s *system) openedDir(ctx context.Context, d resolver.Dir) {
	s.lanes.dir(d, 1)
	s.opened(ctx, d)
}

// New returns the root node of tree, the account of which version is served how,
// and the pins of what is mounted in it.
func New(tree *resolver.Tree, o *Options) (fusefs.InodeEmbedder, *Lanes, *Pins) {
	if o == nil {
		o = &Options{}
	}
	s := &system{
		tree:   tree,
		local:  tree.Local(),
		lanes:  &Lanes{why: o.Why, pass: o.Passthrough},
		pass:   o.Passthrough,
		log:    o.Log,
		onOpen: o.Opened,
	}
	s.pins.tree = tree
	if s.log == nil {
		s.log = slog.Default()
	}
	i := s.inodes.get(tree.Root())
	i.ops = &dirNode{node: node{sys: s, inode: i}}
	return i.ops, s.lanes, &s.pins
}

// as turns a request's context into one for the tree: on behalf of the caller, and
// not ended by a signal to it.
func as(ctx context.Context) context.Context {
	c, ok := fuse.FromContext(ctx)
	if !ok {
		return ctx
	}
	return store.WithCaller(context.Background(), store.Caller{UID: c.Uid, GID: c.Gid, PID: c.Pid})
}

// node is what every node type embeds.
type node struct {
	fusefs.Inode
	sys   *system
	inode *inode
}

func (n *node) path() string { return "/" + n.Path(nil) }

func (n *node) errno(op string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	return n.sys.errno(op, n.path(), err)
}

// child returns the node of an entry below n, and tells the kernel about it.
func (n *node) child(ctx context.Context, e resolver.Entry, out *fuse.EntryOut) *fusefs.Inode {
	return n.childOf(ctx, n.sys.inodes.get(e), e, out)
}

// newChild is child of what has been made just now: the kernel may still have what was
// there before, and removed, and must not take the one for the other.
func (n *node) newChild(ctx context.Context, e resolver.Entry, out *fuse.EntryOut) *fusefs.Inode {
	i := n.sys.inodes.get(e)
	i.mu.Lock()
	i.ops = nil
	i.mu.Unlock()
	return n.childOf(ctx, i, e, out)
}

func (n *node) childOf(ctx context.Context, i *inode, e resolver.Entry, out *fuse.EntryOut) *fusefs.Inode {
	setAttr(&out.Attr, e.Attr)
	out.Ino = i.ino
	out.SetEntryTimeout(e.Valid)
	out.SetAttrTimeout(e.Valid)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ops == nil {
		i.ops = n.sys.newNode(e.Node, i)
		n.NewInode(ctx, i.ops, fusefs.StableAttr{Ino: i.ino, Mode: e.Attr.Mode & syscall.S_IFMT})
	}
	return i.ops.EmbeddedInode()
}

func (s *system) newNode(n resolver.Node, i *inode) fusefs.InodeEmbedder {
	switch n.(type) {
	case resolver.Dir:
		return &dirNode{node: node{sys: s, inode: i}}
	case resolver.Link:
		return &linkNode{node: node{sys: s, inode: i}}
	case resolver.Data:
		return &dataNode{node: node{sys: s, inode: i}}
	case resolver.Stored:
		return &storedNode{node: node{sys: s, inode: i}}
	case resolver.Control:
		return &controlNode{node: node{sys: s, inode: i}}
	case resolver.Text:
		return &textNode{node: node{sys: s, inode: i}}
	}
	return &specialNode{node: node{sys: s, inode: i}} // a socket, a fifo, a device: attributes only
}

// OnForget is called when the kernel has forgotten the node, or the last name in it.
func (n *node) OnForget() { n.sys.inodes.forgotten(n.inode) }

// Setattr refuses every change: data is read-only in every lane, and what is
// generated has no attributes of its own.
func (n *node) Setattr(context.Context, fusefs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EROFS
}

// Statfs answers for the file system the data lies on, and zeros for what is
// generated; f_namemax is what programs read most (pathconf).
func (n *node) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	*out = fuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: 255}
	d, ok := n.inode.entry().Node.(interface{ Real() string })
	if !ok {
		return 0
	}
	st, err := n.sys.local.Statfs(as(ctx), d.Real())
	if err != nil {
		return n.errno("statfs", err)
	}
	*out = fuse.StatfsOut{Blocks: st.Blocks, Bfree: st.Bfree, Bavail: st.Bavail, Files: st.Files,
		Ffree: st.Ffree, Bsize: uint32(st.Bsize), Frsize: uint32(st.Frsize), NameLen: 255}
	return 0
}

func (n *node) Fsync(context.Context, fusefs.FileHandle, uint32) syscall.Errno { return 0 }

func setAttr(out *fuse.Attr, a store.Attr) {
	out.Mode, out.Nlink, out.Rdev = a.Mode, a.Nlink, uint32(a.Rdev)
	out.Uid, out.Gid = a.UID, a.GID
	out.Size, out.Blocks = uint64(a.Size), uint64(a.Blocks)
	out.Blksize = a.Blksize
	setTime(&out.Atime, &out.Atimensec, a.Atime)
	setTime(&out.Mtime, &out.Mtimensec, a.Mtime)
	setTime(&out.Ctime, &out.Ctimensec, a.Ctime)
}

func setTime(sec *uint64, nsec *uint32, t time.Time) {
	if !t.IsZero() {
		*sec, *nsec = uint64(t.Unix()), uint32(t.Nanosecond())
	}
}

// specialNode is a file that is neither data nor ours: the kernel shows it, and
// the mount's nodev keeps it shut.
type specialNode struct{ node }

func (n *specialNode) Getattr(_ context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	setAttr(&out.Attr, n.inode.entry().Attr)
	return 0
}

var _ fusefs.NodeGetattrer = (*specialNode)(nil)
