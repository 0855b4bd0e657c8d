package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits of what is walked to make sure: past them a version stays on FUSE.
const (
	maxBindNames = 2_000_000
	maxBindDirs  = 50_000
)

// What comes into a bound version later is found by looking at its directories every
// two seconds, within five. One where that takes longer than a second is not bound,
// unless it is small and the machine is busy.
const (
	longLook = time.Second
	fewDirs  = 1000
	lookers  = 8 // at once: of a file server, each waits for an answer
)

// walkedDir is a directory as it was when its names were read: a link that comes
// into being in it later changes its times. They may be coarse: another directory in its
// place has another number.
type walkedDir struct {
	path         string
	names        int
	ino          uint64
	mtime, ctime time.Time
}

// WalkBinding reads all directories of b and returns why it must not be bound: a link
// that leaves the version, which only the tree can show as what it leads to, a file
// that is not only data, or that what changes in it would not be found in time.
func (t *Tree) WalkBinding(ctx context.Context, b *Binding) error {
	w, err := t.bindWalk(ctx, b)
	if err != nil {
		return err
	}
	if err := w.dir(ctx, b.Real, 0, ""); err != nil {
		return err
	}
	b.walked = w.dirs
	if t.look(ctx, b); b.took > longLook && len(b.walked) > fewDirs {
		return fmt.Errorf("its %d directories take %v to be looked at, so that what changes in them would be seen late", len(b.walked), b.took.Round(time.Millisecond))
	}
	return nil
}

// RewalkBinding looks at b's directories again, and reads those that have changed.
// Where a look has come to take longer than a second it looks only a twentieth of the
// time: it would be a load on the file server.
func (t *Tree) RewalkBinding(ctx context.Context, b *Binding) error {
	if b.walked == nil {
		return t.WalkBinding(ctx, b)
	}
	if b.took > longLook && t.opt.Now().Sub(b.looked) < 20*b.took {
		return nil
	}
	changed := t.look(ctx, b)
	if len(changed) == 0 {
		return nil
	}
	w, err := t.bindWalk(ctx, b)
	if err != nil {
		return err
	}
	w.known = make(map[string]bool, len(b.walked))
	for _, d := range b.walked {
		w.known[d.path] = true
		if !changed[d.path] {
			w.dirs = append(w.dirs, d)
			w.names += d.names
		}
	}
	for _, d := range b.walked {
		if changed[d.path] {
			if err := w.again(ctx, d.path); err != nil {
				return err
			}
		}
	}
	b.walked = w.dirs
	return nil
}

// look returns which of b's directories are not as they were when they were read, or
// cannot be looked at.
func (t *Tree) look(ctx context.Context, b *Binding) map[string]bool {
	var (
		start   = t.opt.Now()
		mu      sync.Mutex
		looking sync.WaitGroup
		changed = map[string]bool{}
	)
	for i := range min(lookers, len(b.walked)) {
		looking.Go(func() {
			for k := i; k < len(b.walked); k += lookers {
				d := b.walked[k]
				a, err := t.data.Lstat(ctx, d.path)
				if err == nil && a.Ino == d.ino && a.Mtime.Equal(d.mtime) && a.Ctime.Equal(d.ctime) {
					continue
				}
				mu.Lock()
				changed[d.path] = true
				mu.Unlock()
			}
		})
	}
	looking.Wait()
	b.looked = t.opt.Now()
	b.took = b.looked.Sub(start)
	return changed
}

func (t *Tree) bindWalk(ctx context.Context, b *Binding) (*bindWalk, error) {
	v, err := t.withBase(ctx, b.Name, b.N)
	if err != nil {
		return nil, err
	}
	if v.Base != b.Real {
		return nil, fmt.Errorf("%s is at %s now", v, v.Base)
	}
	return &bindWalk{t: t, top: &dataDir{t: t, v: v, in: &region{root: v.Base}, real: v.Base}}, nil
}

// bindWalk reads directories, those that are known and have not changed excepted.
type bindWalk struct {
	t     *Tree
	top   *dataDir
	known map[string]bool
	names int
	dirs  []walkedDir
}

// again reads a directory that is known.
func (w *bindWalk) again(ctx context.Context, path string) error {
	shut, depth := "", 0
	for up := w.top.real; up != path; depth++ {
		if a, err := w.t.data.Lstat(ctx, up); shut == "" && (err != nil || a.Mode&0o555 != 0o555) {
			shut = up
		}
		next, _, _ := strings.Cut(strings.TrimPrefix(path[len(up):], "/"), "/")
		up = filepath.Join(up, next)
	}
	return w.dir(ctx, path, depth, shut)
}

// maxDepth bounds the walk; deeper paths than PATH_MAX nobody reads.
const maxDepth = maxPath / 2

// dir walks a directory. shut is the one on the way to what lies here that not every
// user may list, "" if there is none: what the walk says is told to everybody.
func (w *bindWalk) dir(ctx context.Context, real string, depth int, shut string) error {
	a, err := w.t.data.Lstat(ctx, real)
	if depth > 0 && (isGone(err) || err == nil && a.Mode&syscall.S_IFMT != syscall.S_IFDIR) {
		return nil // no directory any more; its parent's times say so
	}
	if err != nil {
		return err
	}
	list, err := w.t.data.ReadDir(ctx, real)
	if err != nil {
		return err
	}
	if w.dirs = append(w.dirs, walkedDir{real, len(list), a.Ino, a.Mtime, a.Ctime}); len(w.dirs) > maxBindDirs || depth > maxDepth {
		return fmt.Errorf("more than %d directories", maxBindDirs)
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

// isGone reports whether there is nothing at a path that led through directories only.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
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
		if w.known[path] {
			return nil
		}
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
