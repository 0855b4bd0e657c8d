//go:build linux

package nodes

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/resolver"
)

// The changes of a directory: EROFS everywhere but where the tree takes them,
// below .log and .manifest.

var (
	_ fusefs.NodeMkdirer   = (*dirNode)(nil)
	_ fusefs.NodeMknoder   = (*dirNode)(nil)
	_ fusefs.NodeCreater   = (*dirNode)(nil)
	_ fusefs.NodeRenamer   = (*dirNode)(nil)
	_ fusefs.NodeUnlinker  = (*dirNode)(nil)
	_ fusefs.NodeRmdirer   = (*dirNode)(nil)
	_ fusefs.NodeSymlinker = (*dirNode)(nil)
	_ fusefs.NodeLinker    = (*dirNode)(nil)
	_ fusefs.NodeTmpfiler  = (*dirNode)(nil)
)

func (n *dirNode) mutable() (resolver.Mutable, syscall.Errno) {
	m, ok := n.dir().(resolver.Mutable)
	if !ok {
		return nil, syscall.EROFS
	}
	return m, 0
}

func (n *dirNode) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	m, errno := n.mutable()
	if errno != 0 {
		return nil, errno
	}
	e, err := m.Mkdir(as(ctx), name)
	if err != nil {
		return nil, n.sys.errno("mkdir", n.path()+"/"+name, err)
	}
	return n.newChild(ctx, e, out), 0
}

func (n *dirNode) Create(ctx context.Context, name string, flags, _ uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	m, errno := n.mutable()
	if errno != 0 {
		return nil, nil, 0, errno
	}
	e, h, err := m.Create(as(ctx), name, flags&syscall.O_EXCL != 0)
	if err != nil {
		return nil, nil, 0, n.sys.errno("create", n.path()+"/"+name, err)
	}
	child := n.newChild(ctx, e, out)
	return child, &controlHandle{n: &n.node, h: h}, controlFlags, 0
}

func (n *dirNode) Rename(ctx context.Context, name string, to fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	m, errno := n.mutable()
	if errno != 0 {
		return errno
	}
	dst, ok := to.(*dirNode)
	if !ok {
		return syscall.EXDEV
	}
	md, errno := dst.mutable()
	if errno != 0 {
		return errno
	}
	if flags != 0 {
		return syscall.EINVAL // RENAME_EXCHANGE, RENAME_NOREPLACE: nobody who logs needs them
	}
	return n.sys.errno("rename", n.path()+"/"+name, m.Rename(as(ctx), name, md, newName))
}

func (n *dirNode) Unlink(ctx context.Context, name string) syscall.Errno {
	m, errno := n.mutable()
	if errno != 0 {
		return errno
	}
	return n.sys.errno("unlink", n.path()+"/"+name, m.Unlink(as(ctx), name))
}

func (n *dirNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	m, errno := n.mutable()
	if errno != 0 {
		return errno
	}
	return n.sys.errno("rmdir", n.path()+"/"+name, m.Rmdir(as(ctx), name))
}

func (n *dirNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	m, errno := n.mutable()
	if errno != 0 {
		return nil, errno
	}
	e, err := m.Symlink(as(ctx), name, target)
	if err != nil {
		return nil, n.sys.errno("symlink", n.path()+"/"+name, err)
	}
	return n.newChild(ctx, e, out), 0
}

// Setattr on a directory that takes changes lets mkdir -m, cp -a and touch pass.
func (n *dirNode) Setattr(ctx context.Context, f fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if _, errno := n.mutable(); errno != 0 {
		return errno
	}
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return syscall.EPERM
	}
	return n.Getattr(ctx, f, out)
}

func (n *dirNode) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, n.refuse()
}

func (n *dirNode) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, n.refuse()
}

func (n *dirNode) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	if _, errno := n.mutable(); errno != 0 {
		return nil, nil, 0, errno
	}
	return nil, nil, 0, syscall.EOPNOTSUPP
}

func (n *dirNode) refuse() syscall.Errno {
	if _, errno := n.mutable(); errno != 0 {
		return errno
	}
	return syscall.EPERM
}
