package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// Binding is a version whose data directory may be mounted over NAME/vN, so that
// the kernel serves it natively: what a native walk of it shows, to anybody, is
// what the tree shows.
type Binding struct {
	Name     string
	N        int
	Real     string // the data directory, without a link in it
	Dev, Ino uint64

	walked []walkedDir   // every directory below Real, and Real; nil before WalkBinding
	looked time.Time     // when they were last looked at, and
	took   time.Duration // how long that took
}

// Path is where the version lies in the tree: "NAME/vN".
func (b *Binding) Path() string { return b.Name + "/" + manifest.Version(b.N).String() }

// Bindable returns the binding of a version, or why there is none. It looks at
// what takes no time; WalkBinding does the rest. It asks as this process, not as a caller.
func (t *Tree) Bindable(ctx context.Context, name string, n int) (*Binding, error) {
	if strings.HasPrefix(name, ".") {
		return nil, errors.New("data in a view is not bound, only NAME/vN")
	}
	if err := t.openToAll(ctx, name, n, nil); err != nil {
		return nil, err
	}
	v, err := t.withBase(ctx, name, n)
	for _, none := range []error{errStored, errRemote} {
		if errors.Is(err, none) {
			return nil, none // of which record is plain to who asks about NAME/vN
		}
	}
	if err != nil {
		return nil, err
	}
	if v.iter != "" {
		return nil, errors.New("a checkpoint's version shows one iteration of its directory")
	}
	a, err := t.data.Lstat(ctx, v.Base)
	if err != nil {
		return nil, err
	}
	b := &Binding{Name: name, N: n, Real: v.Base, Dev: a.Dev, Ino: a.Ino}
	return b, t.RecheckBinding(ctx, b, nil)
}

// RecheckBinding returns nil if b is still what Bindable found, as far as that can be
// told at once, and otherwise why not. A directory that does not answer has not
// changed: what is bound does not depend on it. round is shared by one round of
// checks, as OpenToAll's.
func (t *Tree) RecheckBinding(ctx context.Context, b *Binding, round *store.Round) error {
	if err := t.data.OpenToAll(ctx, b.Real, round); err != nil {
		return err
	}
	a, err := t.data.Lstat(ctx, b.Real)
	if err != nil {
		return err
	}
	if a.Dev != b.Dev || a.Ino != b.Ino || a.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return fmt.Errorf("%s is another directory than it was: %w", b.Real, syscall.ESTALE)
	}
	if p := t.data.Submount(b.Real); p != "" {
		return fmt.Errorf("something is mounted at %s", p)
	}
	return nil
}

// RecheckRecord returns nil unless b's record is certain to be gone, to name other
// data, or to be no longer for everybody. A store that does not answer says nothing.
func (t *Tree) RecheckRecord(ctx context.Context, b *Binding, round *store.Round) error {
	if err := t.openToAll(ctx, b.Name, b.N, round); err != nil && !ofSystem(err) {
		return err
	}
	v, err := t.version(ctx, b.Name, b.N)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && v.Base != "" && v.Base != b.Real:
		return fmt.Errorf("%s is at %s now", v, v.Base)
	case err == nil && v.Base == "": // another record, or long not asked for
		if v, err = t.withBase(ctx, b.Name, b.N); err == nil && v.Base != b.Real {
			return fmt.Errorf("%s is at %s now", v, v.Base)
		}
	}
	return nil
}

// openToAll returns nil if every user may read the record of a version.
func (t *Tree) openToAll(ctx context.Context, name string, n int, round *store.Round) error {
	if s, ok := t.src.(Scoped); ok {
		if err := s.OpenToAll(ctx, name, n, round); err != nil {
			return fmt.Errorf("the record of %s:%v: %w", name, manifest.Version(n), err)
		}
	}
	return nil
}

// ofSystem reports whether a system call failed.
func ofSystem(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Ancestry yields the directories on the way to a path of the tree, and the path:
// "a", "a/b", "a/b/v1" for "a/b/v1".
func Ancestry(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, c := range path {
			if c == '/' && !yield(path[:i]) {
				return
			}
		}
		yield(path)
	}
}

// ParseBinding reads the path of a binding, "NAME/vN".
func ParseBinding(path string) (name string, n int, ok bool) {
	name, base := filepath.Split(path)
	n, ok = canonical(base)
	name = strings.TrimSuffix(name, "/")
	return name, n, ok && manifest.CheckName(name) == nil
}
