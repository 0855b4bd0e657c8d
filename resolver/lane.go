package resolver

import (
	"context"
	"path/filepath"
	"syscall"
)

// versionLink is NAME/vN in the symlink lane: a link to the data, for users whose
// processes see its path and who want native speed without privileges.
type versionLink struct {
	t    *Tree
	name string
	n    int
}

var _ Link = (*versionLink)(nil)

func (l *versionLink) Readlink(ctx context.Context) (string, error) {
	v, err := l.t.version(ctx, l.name, l.n)
	if err != nil {
		return "", err
	}
	path, err := localPath(v)
	if err != nil {
		return "", err
	}
	// A file's record shows its directory. What cannot be asked is linked to as
	// it is recorded: whoever follows the link meets the error himself.
	if p, err := l.t.data.Resolve(ctx, path); err == nil && p.Attr.Mode&syscall.S_IFMT == syscall.S_IFREG {
		path = filepath.Dir(path)
	}
	return path, nil
}

// versionMode is the type of NAME/vN. In the symlink lane checkpoints and remote
// data stay directories.
func (t *Tree) versionMode(ctx context.Context, name string, n int) uint32 {
	if t.opt.Lane != "symlink" {
		return syscall.S_IFDIR
	}
	v, err := t.version(ctx, name, n)
	if err != nil {
		return syscall.S_IFDIR
	}
	if _, err := localPath(v); err != nil {
		return syscall.S_IFDIR
	}
	if _, checkpoint := v.Record.Iteration(); checkpoint {
		return syscall.S_IFDIR
	}
	return syscall.S_IFLNK
}
