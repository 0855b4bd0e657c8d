//go:build linux

package fs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// A new daemon waits for what a dead one had bound as long as it goes on: nothing
// is given up because there is much of it or the machine is busy, only what hangs.
const (
	patience = time.Second     // for the next answer
	tookOver = 5 * time.Second // all in all
)

// takeOver binds in the new mount, whose root is mnt, what was bound in the one
// that it takes over from, and returns what it could not. It looks only at what
// takes no time: the rest is walked at the next check. Unless attached, the mount
// is in no directory yet; most kernels have refused to bind in such a one.
func (b *binder) takeOver(mnt int, paths []string, attached bool) (left []string, refused bool) {
	ctx, cancel := context.WithTimeout(b.ctx, tookOver)
	defer cancel()
	unused := func() bool { return false } // nobody has seen it yet, or it answers nobody
	open := func() (int, error) { return unix.FcntlInt(uintptr(mnt), unix.F_DUPFD_CLOEXEC, 0) }
	found := make(chan answer)
	waiting := make(map[string]bool)
	for _, p := range paths {
		name, n, ok := resolver.ParseBinding(p)
		if !ok {
			continue
		}
		waiting[p] = true
		b.tasks.Go(func() {
			a := answer{path: p}
			a.ready, a.err = b.look(ctx, name, n)
			select {
			case found <- a:
			case <-ctx.Done(): // too late
				if a.err == nil {
					b.drop(a.ready)
				}
			}
		})
	}
	for len(waiting) > 0 {
		select {
		case a := <-found:
			if a.err == nil {
				a.err = b.attach(a.ready, unused, open)
			}
			if !attached && errors.Is(a.err, unix.EINVAL) {
				return slices.AppendSeq(left, maps.Keys(waiting)), true
			}
			delete(waiting, a.path)
			if a.err != nil {
				b.log.Warn("not bound again for now", "version", a.path, "why", a.err)
				left = append(left, a.path)
			}
			continue
		case <-b.after(patience):
		case <-ctx.Done():
		}
		for p := range waiting {
			b.log.Warn("not bound again for now", "version", p, "why", "its data or record does not answer")
			left = append(left, p)
		}
		return left, false
	}
	return left, false
}

// answer is what a new daemon found of a version that had been bound.
type answer struct {
	path  string
	ready *ready
	err   error
}

func (b *binder) look(ctx context.Context, name string, n int) (*ready, error) {
	bd, err := b.tree.Bindable(ctx, name, n)
	if err != nil {
		return nil, err
	}
	return b.prepare(ctx, bd)
}

// later has bound in the background what could not be taken over, as if it had been
// opened: else it would stay slow until somebody does.
func (b *binder) later(paths []string) {
	for _, p := range paths {
		if name, n, ok := resolver.ParseBinding(p); ok {
			b.want(name, n)
		}
	}
}
