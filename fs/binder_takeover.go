//go:build linux

package fs

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// tookOver is the time for what a dead daemon had bound, all in all.
const tookOver = time.Second

// takeOver binds in the new mount, whose root is mnt, what was bound in the one
// that it takes over from. It looks only at what takes no time: the rest is
// walked at the next check.
func (b *binder) takeOver(mnt int, paths []string) {
	ctx, cancel := context.WithTimeout(b.ctx, tookOver)
	defer cancel()
	open := func() (int, error) { return unix.FcntlInt(uintptr(mnt), unix.F_DUPFD_CLOEXEC, 0) }
	found := make(chan *resolver.Binding, len(paths)) // never blocks who comes late
	left := 0
	for _, p := range paths {
		name, n, ok := resolver.ParseBinding(p)
		if !ok {
			continue
		}
		left++
		b.tasks.Go(func() {
			bd, err := b.tree.Bindable(ctx, name, n)
			if err != nil {
				b.log.Warn("not bound again", "artifact", name, "version", n, "why", err)
			}
			found <- bd
		})
	}
	for ; left > 0; left-- {
		select {
		case bd := <-found:
			if bd == nil {
				continue
			}
			if err := b.attach(ctx, bd, open); err != nil {
				b.log.Warn("not bound again", "artifact", bd.Name, "version", bd.N, "why", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
