//go:build linux

package fs

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/internal/store"
)

const (
	checkEvery = 2 * time.Second  // what no longer qualifies goes within 5 s
	idleAfter  = 10 * time.Minute // without use, a bind goes between once and twice this
)

// watch checks what is bound until the binder ends.
func (b *binder) watch() {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	idle := time.Now()
	for {
		select {
		case <-b.ctx.Done():
			return
		case now := <-tick.C:
			b.check()
			if now.Sub(idle) >= idleAfter {
				idle = now
				b.expire(idleAfter / 2)
			}
		}
	}
}

// check unbinds what must not be bound any more. Each bind is checked by itself:
// one whose file system hangs must not keep the others waiting.
func (b *binder) check() {
	all := b.all() // before it is looked what is mounted: one that comes later is not missed
	if len(all) == 0 {
		return
	}
	if err := b.own.Do(b.mine); err != nil {
		b.log.Info("binds are left alone from now on", "why", err)
		b.end()
		return
	}
	there, err := b.mounted()
	if err != nil {
		return
	}
	round := &store.Round{}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.records {
		b.records = true
		b.tasks.Go(func() { b.checkRecords(all) })
	}
	for _, bd := range all {
		if bd.checking {
			continue
		}
		bd.checking = true
		b.tasks.Go(func() {
			why := error(nil)
			if !there[b.dir+"/"+bd.Path()] {
				why = errors.New("somebody unmounted it")
			} else if why = b.tree.RecheckBinding(b.ctx, bd.Binding, round); why == nil {
				why = b.tree.RewalkBinding(b.ctx, bd.Binding)
			}
			b.judge(bd, why)
		})
	}
}

// checkRecords asks the store for what is bound, by itself and one after the other:
// when it hangs, the data is still to be checked.
func (b *binder) checkRecords(all []*bound) {
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.records = false
	}()
	round := &store.Round{}
	for _, bd := range all {
		b.act(bd, b.tree.RecheckRecord(b.ctx, bd.Binding, round))
		if b.ctx.Err() != nil {
			return
		}
	}
}

// all returns what is bound.
func (b *binder) all() []*bound {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.bound))
}

// mine returns nil while the mount is ours: another daemon may have taken over.
func (b *binder) mine() error {
	root, err := b.root()
	if err == nil {
		unix.Close(root)
	}
	return err
}

// judge acts on a check's outcome.
func (b *binder) judge(bd *bound, why error) {
	b.mu.Lock()
	bd.checking = false
	b.mu.Unlock()
	b.act(bd, why)
}

// act unbinds what must not be bound any more.
func (b *binder) act(bd *bound, why error) {
	if why == nil || transient(why) {
		return
	}
	b.table.Lock()
	defer b.table.Unlock()
	b.mu.Lock()
	gone := b.bound[version{bd.Name, bd.N}] != bd || b.ended
	b.mu.Unlock()
	if gone {
		return
	}
	if err := b.unbind(bd, unix.MNT_DETACH, why.Error()); err != nil {
		b.log.Error("cannot unbind", "artifact", bd.Name, "version", bd.N, "why", why, "err", err)
	}
}

// transient errors say nothing about what is bound.
func transient(err error) bool {
	for _, e := range []error{os.ErrDeadlineExceeded, context.Canceled, unix.EIO, unix.EINTR, unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.ETIMEDOUT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// mounted returns what is mounted below the mount.
func (b *binder) mounted() (map[string]bool, error) {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(b.dir))
	there := make(map[string]bool, len(infos))
	for _, i := range infos {
		there[i.Mountpoint] = true
	}
	return there, err
}
