//go:build linux

package fs

import (
	"slices"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// The kernel keeps the names above a bind for as long as it was told when it looked
// them up. So it has to look them up again when they are pinned, and when they are no
// longer. Either waits for every LOOKUP that is under way in the same directory, and
// so for a store that hangs: the table is not locked meanwhile.

// hold has the kernel keep the names of r, which are pinned, or undoes prepare.
func (b *binder) hold(r *ready) error {
	err := b.renew(slices.Collect(resolver.Ancestry(r.Path())))
	if err != nil {
		b.drop(r)
	}
	return err
}

// renew has directories of the mount looked up again, and returns the first error.
func (b *binder) renew(dirs []string) error {
	return b.own.Do(func() (first error) {
		root, err := b.root()
		if err != nil {
			return err
		}
		defer unix.Close(root)
		for _, dir := range dirs {
			if err := renew(root, dir); first == nil {
				first = err
			}
		}
		return first
	})
}

// unpin lets go of a path, and has taken back what the kernel was told of it.
func (b *binder) unpin(path string) {
	free := b.pins.Unpin(path)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, free...)
	b.renewFree()
}

// renewFree has somebody renew what is free. The mutex is held.
func (b *binder) renewFree() {
	if b.renewed || b.leaving || b.ended || len(b.free) == 0 {
		return
	}
	b.renewed = true
	b.tasks.Go(func() {
		for {
			b.mu.Lock()
			free := b.free
			b.free = nil
			if b.renewed = len(free) > 0 && !b.leaving; !b.renewed {
				b.free = free
				b.mu.Unlock()
				return
			}
			b.mu.Unlock()
			_ = b.renew(free) // the mount is gone, or the name has been pinned or lost: all is well
		}
	})
}

// stay takes back that the mount is about to go.
func (b *binder) stay() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaving = false
	b.renewFree()
}
