package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// artifact is what is remembered of one name. Dir.mu guards its fields.
type artifact struct {
	name   string
	last   *snapshot
	gen    uint64 // raised by our own changes: what was read before is old
	old    bool   // last was read before such a change
	latest int    // what was shown as latest, and when
	shown  time.Time
	seenBy audience
}

// artifact returns what is remembered of name.
func (d *Dir) artifact(name string) *artifact {
	if a, ok := d.artifacts.Get(name); ok {
		return a
	}
	a := &artifact{name: name, gen: d.gens.Add(1), latest: NoVersion}
	if was, ok, _ := d.artifacts.PeekOrAdd(name, a); ok {
		return was
	}
	return a
}

// forgetUnlisted drops the names of which nothing was ever listed. They are small, but
// of many thousands that came and went the last lie scattered over memory that is
// otherwise free, and keep it.
func (d *Dir) forgetUnlisted() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range d.artifacts.Keys() {
		if a, ok := d.artifacts.Peek(name); ok && a.last == nil {
			d.artifacts.Remove(name)
		}
	}
}

// changed makes the next listing of name read the store.
func (d *Dir) changed(name string) {
	a := d.artifact(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	a.gen, a.old = d.gens.Add(1), true
}

// Versions lists an artifact: fs.ErrNotExist only if the root is readable and
// has none of that name. latest is read at every call, the rest at most a TTL
// ago, and only for callers who may list the artifact's directory.
func (d *Dir) Versions(ctx context.Context, name string) (*Listing, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	a := d.artifact(name)
	mine, err := false, error(nil)
	s, young := d.remembered(a)
	if !young {
		s, mine, err = d.relist(ctx, a, s)
	}
	if err == nil && !mine {
		latest, old, err := d.fresh(ctx, a, s)
		if err != nil {
			return d.lastAnswer(ctx, a, err)
		}
		if !old {
			return d.answer(ctx, a, s, latest), nil
		}
	}
	if err == nil && !mine {
		// What others read may always be a little too old: this one is our own.
		d.forget(a, s)
		s, err = d.list(ctx, a, s)
	}
	if err != nil {
		return d.lastAnswer(ctx, a, err)
	}
	return d.answer(ctx, a, s, s.latest), nil
}

// remembered returns the last snapshot and whether it may still be answered from.
func (d *Dir) remembered(a *artifact) (*snapshot, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return a.last, a.last != nil && !a.old && time.Since(a.last.at) < d.life()
}

// forget makes s old, if it is still the last.
func (d *Dir) forget(a *artifact, s *snapshot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.last == s {
		a.old = true
	}
}

// relist reads the artifact, once for all who ask at the same time. mine is set
// if it was read as this caller.
func (d *Dir) relist(ctx context.Context, a *artifact, old *snapshot) (s *snapshot, mine bool, err error) {
	d.mu.Lock()
	gen := a.gen
	d.mu.Unlock()
	led := false
	ch := d.flights.DoChan(a.name+"\x00"+strconv.FormatUint(gen, 10), func() (any, error) {
		led = true
		return d.list(context.WithoutCancel(ctx), a, old)
	})
	select {
	case r := <-ch:
		if r.Err == nil {
			return r.Val.(*snapshot), led, nil
		}
		if led {
			return nil, true, r.Err
		}
		// It was read as somebody else, who may have been refused.
		s, err := d.list(ctx, a, old)
		return s, true, err
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// list reads the artifact as this caller, and keeps what it found unless that is
// older than what is known by then.
func (d *Dir) list(ctx context.Context, a *artifact, old *snapshot) (*snapshot, error) {
	d.mu.Lock()
	gen := a.gen
	d.mu.Unlock()
	s, err := d.scanAll(ctx, a.name, old)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.gen == gen && (a.last == nil || s.at.After(a.last.at)) {
		a.last, a.old = s, false
	}
	return s, nil
}

// scanAll scans in parts, each within the deadline of one access.
func (d *Dir) scanAll(ctx context.Context, name string, old *snapshot) (*snapshot, error) {
	for start := time.Now(); ; {
		s, err := do(ctx, d, func() (*snapshot, error) { return d.scan(name, old) })
		if err != nil || !s.partial {
			return s, err
		}
		if time.Since(start) > time.Minute {
			return nil, fmt.Errorf("artifact %s: reading its %d versions: %w", name, len(s.claimed), os.ErrDeadlineExceeded)
		}
		old = s
	}
}

// fresh reads what must be fresh, and proves that the caller may list name. It
// reports whether something is there by now that s does not have.
func (d *Dir) fresh(ctx context.Context, a *artifact, s *snapshot) (latest pointer, old bool, err error) {
	type glance struct {
		latest pointer
		old    bool
	}
	g, err := do(ctx, d, func() (g glance, err error) {
		g.latest, err = d.look(a.name, s)
		g.old = g.latest.ok && g.latest != s.latest && !s.exists(g.latest.v) || d.opened(a.name, s.forbidden)
		return g, err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return g.latest, true, nil // gone, or the root is
	}
	return g.latest, g.old, err
}

func (d *Dir) look(name string, s *snapshot) (pointer, error) {
	if len(s.legacy) > 0 {
		if _, err := openStat(d.root + "/" + indexFile); err != nil {
			return pointer{}, err
		}
	}
	if s.dir == (stamp{}) {
		return pointer{absent: true}, nil
	}
	dir, _, err := d.within(name)
	if err != nil {
		return pointer{}, err
	}
	if err := readable(dir); err != nil {
		return pointer{}, err
	}
	return readPointer(dir, Latest)
}

// opened reports whether this caller can read a version that whoever listed the
// artifact could not.
func (d *Dir) opened(name string, versions []int) bool {
	for _, v := range versions {
		dir, _, err := d.within(name + "/" + Version(v).String())
		if err != nil {
			continue
		}
		if _, err := openStat(dir + "/manifest.json"); err == nil {
			return true
		}
	}
	return false
}

// answer makes of a snapshot what one caller is told.
func (d *Dir) answer(ctx context.Context, a *artifact, s *snapshot, latest pointer) *Listing {
	who, _ := identityOf(ctx)
	who.process = 0
	d.mu.Lock()
	defer d.mu.Unlock()
	l := &Listing{Claimed: s.claimed, Aliases: s.aliases, Retired: s.retired, ModTime: s.mtime}
	warnings := slices.Clone(s.warnings)
	v, warning := s.latestOf(latest, a.latest)
	if warning != "" {
		warnings = append(warnings, warning)
	}
	l.Latest = v
	if v >= a.latest || s.at.After(a.shown) {
		a.latest, a.shown = v, time.Now()
	}
	for _, list := range [][]int{s.complete, s.legacy} {
		for _, v := range list {
			if !s.isRetired(v) {
				l.Versions = append(l.Versions, v)
			}
		}
	}
	if contains(s.forbidden, v) {
		// It exists, and opening it says that this caller may not.
		l.Versions = append(l.Versions, v)
	}
	slices.Sort(l.Versions)
	l.Warning = strings.Join(warnings, "; ")
	a.seenBy.add(who)
	return l
}

// lastAnswer answers from memory while the store does not, to whom it has
// answered before.
func (d *Dir) lastAnswer(ctx context.Context, a *artifact, err error) (*Listing, error) {
	var gone *unreachable
	if !errors.As(err, &gone) {
		if !errors.Is(err, fs.ErrNotExist) {
			err = d.refused(ctx, a.name, "list versions", err)
		}
		return nil, err
	}
	who, _ := identityOf(ctx)
	who.process = 0
	d.mu.Lock()
	s, known := a.last, a.seenBy.has(who)
	d.mu.Unlock()
	if s == nil || !known {
		return nil, fmt.Errorf("artifact %s: %w", a.name, err)
	}
	l := d.answer(ctx, a, s, s.latest)
	l.Warning = strings.TrimPrefix(l.Warning+"; "+err.Error()+"; this is the last known answer", "; ")
	return l, nil
}
