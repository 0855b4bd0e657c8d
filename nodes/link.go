//go:build linux

package nodes

import (
	"context"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/resolver"
)

// linkNode is a symbolic link. The kernel asks for its target every time
// (EnableSymlinkCaching is off): an alias moves without telling anybody.
type linkNode struct{ node }

var (
	_ fusefs.NodeReadlinker = (*linkNode)(nil)
	_ fusefs.NodeGetattrer  = (*linkNode)(nil)
)

func (n *linkNode) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	target, err := n.inode.entry().Node.(resolver.Link).Readlink(as(ctx))
	if err != nil {
		return nil, n.errno("readlink", err)
	}
	return []byte(target), 0
}

func (n *linkNode) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	e := n.inode.entry()
	if st, ok := e.Node.(interface {
		Stat(context.Context) (resolver.Entry, error)
	}); ok { // an alias has one length for one job, and another for the next
		now, err := st.Stat(as(ctx))
		if err != nil {
			return n.errno("stat", err)
		}
		e = now
	}
	setAttr(&out.Attr, e.Attr)
	out.SetTimeout(e.Valid)
	return 0
}
