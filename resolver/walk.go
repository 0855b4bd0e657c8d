package resolver

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// leaves says that a path leads out of the tree.
type leaves struct {
	path    string
	version *Version // whose data it leads to, in the symlink lane
}

func (l *leaves) Error() string { return "the path leads out of the tree, to " + l.path }
func (l *leaves) Unwrap() error { return fs.ErrNotExist }

// Walk returns the entry at a slash-separated path below the root. Links on the
// way are followed as the kernel would, one at the end is not.
func (t *Tree) Walk(ctx context.Context, path string) (Entry, error) {
	e, _, err := t.walk(ctx, path, false)
	return e, err
}

// walk also returns the components of where it arrived.
func (t *Tree) walk(ctx context.Context, path string, followLast bool) (Entry, []string, error) {
	at, names := []Entry{t.Root()}, []string{} // at[i+1] is names[i] in at[i]
	todo := strings.Split(path, "/")
	for links := 0; len(todo) > 0; {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			if len(names) > 0 {
				at, names = at[:len(at)-1], names[:len(names)-1]
			}
			continue
		}
		d, ok := at[len(at)-1].Node.(Dir)
		if !ok {
			return Entry{}, nil, fmt.Errorf("%s: %w", strings.Join(names, "/"), syscall.ENOTDIR)
		}
		e, err := d.Lookup(ctx, c)
		if err != nil {
			return Entry{}, nil, err
		}
		l, ok := e.Node.(Link)
		if !ok || len(todo) == 0 && !followLast {
			at, names = append(at, e), append(names, c)
			continue
		}
		if links++; links > maxLinks {
			return Entry{}, nil, fmt.Errorf("%s: too many links: %w", path, syscall.ELOOP)
		}
		target, err := l.Readlink(ctx)
		if err != nil {
			return Entry{}, nil, err
		}
		if filepath.IsAbs(target) {
			out := &leaves{path: filepath.Join(append([]string{target}, todo...)...)}
			if v, ok := l.(*versionLink); ok {
				out.version = &Version{Name: v.name, N: v.n}
			}
			return Entry{}, nil, out
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at[len(at)-1], names, nil
}
