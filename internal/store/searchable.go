package store

import (
	"context"
	"iter"
	"strings"

	"golang.org/x/sys/unix"
)

// Searchable reports whether every user may walk to a real path and look up
// names in it (in its directory, if it is a file): every directory on the way
// has x for user, group and others, and no ACL that could say otherwise. Only
// there may the kernel keep entries, for it keeps them for all users. The
// daemon itself looks; what it saw of a directory is kept for 5 s. Where it
// cannot look the answer is no.
func (l *Local) Searchable(ctx context.Context, real string) bool {
	if yes, known := l.searchedLately(real); known {
		return yes
	}
	j, err := l.realJob(ctx, "search", real)
	if err != nil {
		return false
	}
	j.creds = nil
	yes, err := do(ctx, l, j, func() (bool, error) { return l.searchAll(real) }, nil)
	return err == nil && yes
}

// searchedLately answers from what is kept of each directory: its own age
// counts, not that of an answer made from it.
func (l *Local) searchedLately(real string) (yes, known bool) {
	known = true
	for dir := range prefixes(real) {
		yes, ok := l.search.get(dir)
		if ok && !yes {
			return false, true
		}
		known = known && ok
	}
	return true, known
}

func (l *Local) searchAll(real string) (bool, error) {
	for p := range prefixes(real) {
		yes, ok := l.search.get(p)
		if !ok {
			a, err := stat(p)
			if err != nil {
				return false, err
			}
			// x for the group matters as much as for others: mode 0705 shuts
			// the group's members out. What is no directory is looked up in one.
			yes = a.Mode&unix.S_IFMT != unix.S_IFDIR || a.Mode&0o111 == 0o111 && !hasACL(p)
			l.search.put(p, yes)
		}
		if !yes {
			return false, nil
		}
	}
	return true, nil
}

// prefixes yields "/", "/a", "/a/b" for "/a/b".
func prefixes(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield("/") || path == "/" {
			return
		}
		for i := 1; i < len(path); i++ {
			next := strings.IndexByte(path[i:], '/')
			if next < 0 {
				break
			}
			i += next
			if !yield(path[:i]) {
				return
			}
		}
		yield(path)
	}
}
