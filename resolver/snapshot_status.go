package resolver

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// Snapshot is what the job that asks sees.
type Snapshot struct {
	ID      string
	Pins    []PinnedAlias
	Used    []string // versions that the job has used, as references
	Refused string   // why pins are not in the store, if they are not
}

// PinnedAlias is a pin, and what the alias is for those without.
type PinnedAlias struct {
	manifest.Pin
	Newest int // manifest.NoVersion: not known
}

// Snapshot returns the snapshot of the caller's job, nil if it is in none.
func (t *Tree) Snapshot(ctx context.Context) *Snapshot {
	id := t.snapshotOf(ctx)
	if id == "" {
		return nil
	}
	s := &Snapshot{ID: id}
	s.Used, _ = t.used(ctx)
	pins, _ := t.pinsOf(ctx, id)
	t.snap.mu.Lock()
	s.Refused, _ = t.snap.refused.Get(id)
	for _, k := range t.snap.known.Keys() {
		if p, ok := t.snap.known.Peek(k); ok && k.id == id && p.here && !p.pin.IsUse() {
			pins = append(pins, p.pin)
		}
	}
	t.snap.mu.Unlock()
	for _, p := range pins {
		a := PinnedAlias{Pin: *p, Newest: manifest.NoVersion}
		if l, err := t.versions(ctx, p.Name); err == nil {
			if to, ok := aliasIn(l, p.Alias); ok && to.In == p.In {
				a.Newest = to.Version
			}
		}
		s.Pins = append(s.Pins, a)
	}
	return s
}

// Blind reports whether callers were seen whose processes were not: their jobs
// cannot be told, and they read the newest.
func (t *Tree) Blind() bool { return t.snap.blind.Load() }

// pinsOf returns the aliases that a snapshot pins: fs.ErrNotExist if no place knows the
// snapshot.
func (t *Tree) pinsOf(ctx context.Context, id string) ([]*manifest.Pin, error) {
	all, err := t.noted(ctx, id)
	return slices.DeleteFunc(all, (*manifest.Pin).IsUse), err
}

// noted returns what the places have of a snapshot, pins and uses, of the first place
// that has an alias: fs.ErrNotExist if none knows the snapshot.
func (t *Tree) noted(ctx context.Context, id string) ([]*manifest.Pin, error) {
	var all []*manifest.Pin
	found := false
	for _, place := range t.opt.Pins {
		l, ok := place.(SnapshotLister)
		if !ok {
			continue
		}
		pins, err := l.Pins(ctx, id)
		if unreachable(err) {
			return nil, err
		}
		found = found || err == nil
		for _, p := range pins {
			if !slices.ContainsFunc(all, func(q *manifest.Pin) bool { return q.Name == p.Name && q.Alias == p.Alias }) {
				all = append(all, p)
			}
		}
	}
	if !found {
		return nil, fs.ErrNotExist
	}
	slices.SortFunc(all, func(a, b *manifest.Pin) int {
		return strings.Compare(a.Name+"\x00"+a.Alias, b.Name+"\x00"+b.Alias)
	})
	return all, nil
}

// Snapshots returns the ids of the snapshots that the caller may see, sorted.
func (t *Tree) Snapshots(ctx context.Context) ([]string, error) {
	var ids []string
	if id := t.snapshotOf(ctx); id != "" {
		ids = append(ids, id)
	}
	for _, place := range t.opt.Pins {
		if l, ok := place.(SnapshotLister); ok {
			more, err := l.Snapshots(ctx)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return nil, err
			}
			ids = append(ids, more...)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Frozen returns a listing as the caller sees it: with the aliases that its job has
// pinned.
func (t *Tree) Frozen(ctx context.Context, name string, l *manifest.Listing) *manifest.Listing {
	return t.Freezer(ctx)(name, l)
}

// Freezer returns Frozen for many listings, which reads the job's pins once.
func (t *Tree) Freezer(ctx context.Context) func(name string, l *manifest.Listing) *manifest.Listing {
	var pins []*manifest.Pin
	if id := t.snapshotOf(ctx); id != "" {
		pins, _ = t.pinsOf(ctx, id)
	}
	return func(name string, l *manifest.Listing) *manifest.Listing {
		if l == nil || len(pins) == 0 {
			return l
		}
		return t.freeze(pins, name, l)
	}
}

func (t *Tree) freeze(pins []*manifest.Pin, name string, l *manifest.Listing) *manifest.Listing {
	out := *l
	out.Aliases, out.Foreign = make(map[string]int), make(map[string]manifest.Target)
	maps.Copy(out.Aliases, l.Aliases)
	maps.Copy(out.Foreign, l.Foreign)
	for _, p := range pins {
		if p.Name != name {
			continue
		}
		delete(out.Foreign, p.Alias)
		switch {
		case p.In != t.in:
			delete(out.Aliases, p.Alias)
			if p.Alias == manifest.Latest {
				out.Latest = manifest.NoVersion
			}
			out.Foreign[p.Alias] = p.Target
		case p.Alias == manifest.Latest:
			out.Latest = p.Version
		default:
			out.Aliases[p.Alias] = p.Version
		}
	}
	return &out
}
