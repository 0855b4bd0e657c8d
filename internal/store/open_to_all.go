package store

import (
	"context"
	"fmt"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// Round is what one round of checks has found of each directory, so that many
// paths below one directory ask about it once. The zero value is ready; it may
// be used concurrently.
type Round struct {
	mu   sync.Mutex // guards seen
	seen map[string]error
}

func (r *Round) get(dir string) (why error, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	why, ok = r.seen[dir]
	return why, ok
}

func (r *Round) put(dir string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = make(map[string]error)
	}
	r.seen[dir] = why
}

// OpenToAll returns nil if every user may walk to a real directory and look up
// names in it, and otherwise says which directory on the way keeps whom out. It
// is what Searchable answers, but asked anew, once in a round (nil: one of its own).
func (l *Local) OpenToAll(ctx context.Context, real string, r *Round) error {
	if r == nil {
		r = &Round{}
	}
	j, err := l.realJob(ctx, "search", real)
	if err != nil {
		return err
	}
	j.creds = nil
	_, err = do(ctx, l, j, func() (struct{}, error) {
		for dir := range prefixes(real) {
			why, ok := r.get(dir)
			if !ok {
				why = openToAll(dir)
				r.put(dir, why)
			}
			if why != nil {
				return struct{}{}, why
			}
		}
		return struct{}{}, nil
	}, nil)
	return err
}

// ReadableByAll returns nil if every user may walk to a real regular file and read
// it, and otherwise says what keeps whom out.
func (l *Local) ReadableByAll(ctx context.Context, real string, r *Round) error {
	if err := l.OpenToAll(ctx, path.Dir(real), r); err != nil {
		return err
	}
	j, err := l.realJob(ctx, "stat", real)
	if err != nil {
		return err
	}
	j.creds = nil
	_, err = do(ctx, l, j, func() (struct{}, error) { return struct{}{}, readableByAll(real) }, nil)
	return err
}

func readableByAll(file string) error {
	a, err := stat(file)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", file, err)
	case a.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s: %w", file, errNotRegular)
	case a.Mode&0o444 != 0o444:
		return fmt.Errorf("not every user may read %s (mode %04o)", file, a.Mode&0o7777)
	case hasACL(file):
		return fmt.Errorf("%s has an access control list", file)
	}
	return nil
}

func openToAll(dir string) error {
	a, err := stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", dir, err)
	case a.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s: %w", dir, unix.ENOTDIR)
	case a.Mode&0o111 != 0o111:
		return fmt.Errorf("not every user may search %s (mode %04o)", dir, a.Mode&0o7777)
	case hasACL(dir):
		return fmt.Errorf("%s has an access control list", dir)
	}
	return nil
}

// Submount returns the point of a mount that lies below a real directory in this
// process's namespace, "" if there is none. What is shown there is another file
// system's.
func (l *Local) Submount(real string) string {
	for _, m := range l.mounts.current(true).mounts {
		if m.point != real && within(m.point, real) {
			return m.point
		}
	}
	return ""
}
