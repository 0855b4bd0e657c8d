package resolver

import (
	"context"
	"path/filepath"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
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
	l.t.opened(ctx, l.name, l.n) // what follows is seen by nobody here
	path, err := localPath(v)
	if err != nil {
		return "", err
	}
	// A file's record shows its directory. What cannot be asked is linked to as
	// it is recorded: whoever follows the link meets the error himself.
	if p, err := l.t.data.Resolve(ctx, path); err == nil {
		if p.Attr.Mode&syscall.S_IFMT == syscall.S_IFREG {
			l.t.files.Add(v.key(), path)
		} else {
			l.t.files.Remove(v.key())
		}
	}
	return l.t.linkTarget(v, path), nil
}

// linkTarget is where the link of a version leads whose record names path, as far as
// that is known without looking at the data. Of a file's record it takes a readlink
// to know.
func (t *Tree) linkTarget(v *Version, path string) string {
	if file, ok := t.files.Get(v.key()); ok && file == path {
		return filepath.Dir(path)
	}
	return path
}

func (l *versionLink) Stat(ctx context.Context) (Entry, error) {
	target, ok := l.t.versionTarget(ctx, l.name, l.n)
	if !ok { // another record has its number
		return Entry{}, syscall.ESTALE
	}
	return l.t.linkEntry(l, "/"+l.name+"/"+manifest.Version(l.n).String(), len(target)), nil
}

// versionTarget is where NAME/vN leads, if it is a link. In the symlink lane
// checkpoints and remote data stay directories.
func (t *Tree) versionTarget(ctx context.Context, name string, n int) (target string, link bool) {
	if t.opt.Lane != "symlink" {
		return "", false
	}
	v, err := t.version(ctx, name, n)
	if err != nil {
		return "", false
	}
	path, err := localPath(v)
	if err != nil {
		return "", false
	}
	if _, checkpoint := v.Record.Iteration(); checkpoint {
		return "", false
	}
	return t.linkTarget(v, path), true
}

// versionMode is the type of NAME/vN.
func (t *Tree) versionMode(ctx context.Context, name string, n int) uint32 {
	if _, link := t.versionTarget(ctx, name, n); link {
		return syscall.S_IFLNK
	}
	return syscall.S_IFDIR
}
