//go:build linux

package fs

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// What is read through a bind is not seen here. The kernel can be asked: MNT_EXPIRE
// takes a mount away if nobody has used it since it was asked the last time, and
// never one that is in use. So while as many versions are bound as may be, each bind
// has been asked about, and when room is needed an idle one goes before one that is
// read, however long ago it was opened by way of FUSE: somebody who binds many
// versions displaces his own.

// secondChance is how long a bind must be without use to make room before others.
const secondChance = 2 * time.Second

// makeRoom unbinds what nobody uses, or else what has not been used for longest,
// when max are bound. What is in use stays. The table is locked.
func (b *binder) makeRoom() error {
	left, room := len(b.all()), b.maximum()
	for _, old := range b.byUse() {
		if left >= room && time.Since(old.marked) >= secondChance && !old.marked.IsZero() && b.expired(old, madeRoom) {
			left--
		}
	}
	for _, old := range b.byUse() {
		if left >= room && b.unbind(old, 0, madeRoom) == nil {
			left--
		}
	}
	if left < room {
		return nil
	}
	return fmt.Errorf("max_binds (%d) versions are bound and in use", room)
}

const madeRoom = "it made room for another (max_binds)"

func (b *binder) maximum() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.max // a reload may have lowered it
}

// byUse returns what is bound, what was not used for longest first.
func (b *binder) byUse() []*bound {
	all := b.all()
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(all, func(x, y *bound) int { return x.used.Compare(y.used) })
	return all
}

// mark asks about the binds that have not been asked about, if there is no room for
// another. The table is locked.
func (b *binder) mark() {
	all := b.all()
	if len(all) < b.maximum() {
		return
	}
	for _, bd := range all {
		if bd.marked.IsZero() {
			b.expired(bd, "nobody used it")
		}
	}
}

// expired takes a bind away if nobody has used it since the last time. The table is
// locked.
func (b *binder) expired(bd *bound, why string) bool {
	used := !bd.marked.IsZero() // since then, as it is still there
	switch err := b.unbind(bd, unix.MNT_EXPIRE, why); {
	case err == nil:
		return true
	case errors.Is(err, unix.EAGAIN):
		bd.marked = time.Now()
	case errors.Is(err, unix.EBUSY):
		used = true
	default:
		return false
	}
	if used {
		b.mu.Lock()
		bd.used = time.Now()
		b.mu.Unlock()
	}
	return false
}

// expire takes away what nobody has used since the last time, if that is long enough
// ago.
func (b *binder) expire(after time.Duration) {
	b.table.Lock()
	defer b.table.Unlock()
	for _, bd := range b.all() {
		if bd.marked.IsZero() || time.Since(bd.marked) >= after {
			b.expired(bd, "nobody used it")
		}
	}
}
