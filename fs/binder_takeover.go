//go:build linux

package fs

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// tookOver is the time for what a dead daemon had bound, all in all.
const tookOver = time.Second

// takeOver binds in the new mount, whose root is mnt, what was bound in the one
// that it takes over from, and returns what it could not. It looks only at what
// takes no time: the rest is walked at the next check. Unless attached, the mount
// is in no directory yet; most kernels bind nothing in such a one (EINVAL).
func (b *binder) takeOver(mnt int, paths []string, end time.Time, attached bool) (left []string) {
	ctx, cancel := context.WithDeadline(b.ctx, end)
	defer cancel()
	level := slog.LevelDebug
	if attached {
		level = slog.LevelWarn // it is not tried again
	}
	open := func() (int, error) { return unix.FcntlInt(uintptr(mnt), unix.F_DUPFD_CLOEXEC, 0) }
	type answer struct {
		path string
		bd   *resolver.Binding
		src  int
		err  error
	}
	found := make(chan answer)
	waiting := make(map[string]bool)
	for _, p := range paths {
		name, n, ok := resolver.ParseBinding(p)
		if !ok {
			continue
		}
		waiting[p] = true
		b.tasks.Go(func() {
			a := answer{path: p, src: -1}
			if a.bd, a.err = b.tree.Bindable(ctx, name, n); a.err == nil {
				a.src, a.err = b.source(a.bd)
			}
			select {
			case found <- a:
			case <-ctx.Done(): // too late
				_ = unix.Close(a.src)
			}
		})
	}
	for len(waiting) > 0 {
		select {
		case a := <-found:
			delete(waiting, a.path)
			if a.err == nil {
				a.err = b.attach(ctx, a.bd, a.src, open)
				_ = unix.Close(a.src)
			}
			if a.err != nil {
				b.log.Log(ctx, level, "not bound again", "version", a.path, "why", a.err)
				left = append(left, a.path)
			}
			if !attached && errors.Is(a.err, unix.EINVAL) {
				return slices.AppendSeq(left, maps.Keys(waiting))
			}
		case <-ctx.Done():
			return slices.AppendSeq(left, maps.Keys(waiting))
		}
	}
	return left
}
