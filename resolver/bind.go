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

	walked []walkedDir // every directory below Real, Real first; nil before WalkBinding
	took   time.Duration
	at     time.Time
}

// walkedDir is a directory as it was when its names were read: a link that comes
// into being in it later changes its times.
type walkedDir struct {
	path         string
	mtime, ctime time.Time
}

// Limits of what is walked to make sure: past them a version stays on FUSE.
const (
	maxBindNames = 2_000_000
	maxBindDirs  = 50_000
)

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

// WalkBinding reads all directories of b and returns why it must not be bound: a link
// that leaves the version, which only the tree can show as what it leads to, or a
// file that is not only data.
func (t *Tree) WalkBinding(ctx context.Context, b *Binding) error {
	v, err := t.withBase(ctx, b.Name, b.N)
	if err != nil {
		return err
	}
	if v.Base != b.Real {
		return fmt.Errorf("%s is at %s now", v, v.Base)
	}
	start := t.opt.Now()
	w := bindWalk{t: t, top: &dataDir{t: t, v: v, in: &region{root: v.Base}, real: v.Base}}
	if err := w.dir(ctx, b.Real, 0, ""); err != nil {
		return err
	}
	b.walked, b.at = w.dirs, t.opt.Now()
	b.took = b.at.Sub(start)
	return nil
}

// RewalkBinding walks again where a directory has changed since: at every check, so
// that what changes is found within seconds, but of a version that takes longer than
// a second to be looked at, only a twentieth of the time. It would be a load on its
// file server.
func (t *Tree) RewalkBinding(ctx context.Context, b *Binding) error {
	rest := 2 * b.took // measured: 40,000 directories are looked at in 0.2 s, and walked in 0.9 s
	if b.took > time.Second {
		rest = 20 * b.took
	}
	if t.opt.Now().Sub(b.at) < rest && b.walked != nil {
		return nil
	}
	start := t.opt.Now()
	for _, d := range b.walked {
		a, err := t.data.Lstat(ctx, d.path)
		if err != nil || !a.Mtime.Equal(d.mtime) || !a.Ctime.Equal(d.ctime) {
			return t.WalkBinding(ctx, b)
		}
	}
	if b.walked == nil {
		return t.WalkBinding(ctx, b)
	}
	b.at = t.opt.Now()
	b.took = b.at.Sub(start)
	return nil
}

type bindWalk struct {
	t     *Tree
	top   *dataDir
	names int
	dirs  []walkedDir
}

// maxDepth bounds the walk; deeper paths than PATH_MAX nobody reads.
const maxDepth = maxPath / 2

// dir walks a directory. shut is the one on the way to what lies here that not every
// user may list, "" if there is none: what the walk says is told to everybody.
func (w *bindWalk) dir(ctx context.Context, real string, depth int, shut string) error {
	a, err := w.t.data.Lstat(ctx, real)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return nil // gone meanwhile; its parent's times say so
	}
	if err != nil {
		return err
	}
	if w.dirs = append(w.dirs, walkedDir{real, a.Mtime, a.Ctime}); len(w.dirs) > maxBindDirs || depth > maxDepth {
		return fmt.Errorf("more than %d directories", maxBindDirs)
	}
	list, err := w.t.data.ReadDir(ctx, real)
	if err != nil {
		return err
	}
	if w.names += len(list); w.names > maxBindNames {
		return fmt.Errorf("more than %d files", maxBindNames)
	}
	if shut == "" && a.Mode&0o555 != 0o555 {
		shut = real
	}
	for _, e := range list {
		if err := w.name(ctx, filepath.Join(real, e.Name), e.Type, depth, shut); err != nil {
			return err
		}
	}
	return nil
}

func (w *bindWalk) name(ctx context.Context, path string, mode uint32, depth int, shut string) error {
	if mode == 0 { // the file system does not say in listings
		a, err := w.t.data.Lstat(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		mode = a.Mode & syscall.S_IFMT
	}
	switch mode {
	case syscall.S_IFREG:
		return nil
	case syscall.S_IFDIR:
		return w.dir(ctx, path, depth+1, shut)
	case syscall.S_IFLNK:
		return w.link(ctx, path, shut)
	}
	return fmt.Errorf("%s is neither file, directory nor link", told(path, "something", shut))
}

// told names a path, or what it is where its name is not everybody's to know.
func told(path, what, shut string) string {
	if shut == "" {
		return path
	}
	return what + " below " + shut
}

func (w *bindWalk) link(ctx context.Context, path, shut string) error {
	target, err := w.t.data.Readlink(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d := *w.top
	d.real = filepath.Dir(path)
	inside, err := d.inside(ctx, target)
	if err == nil && !inside {
		err = fmt.Errorf("the link %s leaves the version", told(path, "somewhere", shut))
	}
	return err
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
