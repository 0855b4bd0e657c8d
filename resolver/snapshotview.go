package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// snapshotsDir is .snapshot: the snapshots that the caller may see.
type snapshotsDir struct{ t *Tree }

var _ Dir = snapshotsDir{}

const snapshotPath = "/.snapshot"

func (d snapshotsDir) Stat(context.Context) (Entry, error) {
	return d.t.dirEntry(d, snapshotPath, long), nil
}

func (d snapshotsDir) Lookup(ctx context.Context, id string) (Entry, error) {
	if id != d.t.snapshotOf(ctx) || id == "" {
		if _, err := d.t.pinsOf(ctx, id); err != nil {
			return Entry{}, fmt.Errorf("no snapshot %s that you may see: %w", clip(id), err)
		}
	}
	return (&snapshotDir{d.t, id, ""}).Stat(ctx)
}

func (d snapshotsDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	ids, err := d.t.Snapshots(ctx)
	var list []DirEntry
	for _, id := range ids {
		list = append(list, DirEntry{Name: id, Mode: syscall.S_IFDIR, Key: snapshotPath + "/" + id})
	}
	return list, err
}

// snapshotDir is .snapshot/ID and .snapshot/ID/NAME: the tree as that job sees it.
// Versions are links to where they are, for a directory has one place only. What
// the job has not resolved yet it resolves here as anywhere; nobody else does it
// for the job, and finds nothing.
type snapshotDir struct {
	t        *Tree
	id, name string // name "" is .snapshot/ID itself
}

var _ Dir = (*snapshotDir)(nil)

func (d *snapshotDir) path() string {
	return strings.TrimSuffix(snapshotPath+"/"+d.id+"/"+d.name, "/")
}

func (d *snapshotDir) Stat(context.Context) (Entry, error) {
	return d.t.dirEntry(d, d.path(), 0), nil
}

func (d *snapshotDir) full(name string) string { return strings.TrimPrefix(d.name+"/"+name, "/") }

func (d *snapshotDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if d.name == "" {
		return d.artifact(ctx, name)
	}
	l, err := d.t.versions(ctx, d.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	}
	if n, ok := canonical(name); ok {
		if _, err := d.t.versionEntry(ctx, l, d.name, n); err != nil {
			return Entry{}, err
		}
		target := strings.Repeat("../", strings.Count(d.path(), "/")) + d.name + "/" + name
		return d.t.linkEntry(constLink(target), d.path()+"/"+name, len(target)), nil
	}
	f := &frozenLink{d, name}
	if _, err := f.version(ctx, false); err == nil {
		return f.Stat(ctx)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	} else if _, alias := aliasIn(l, name); alias {
		return Entry{}, err
	}
	return d.artifact(ctx, d.full(name))
}

func (d *snapshotDir) artifact(ctx context.Context, name string) (Entry, error) {
	if err := d.t.exists(ctx, name); err != nil {
		return Entry{}, err
	}
	return (&snapshotDir{d.t, d.id, name}).Stat(ctx)
}

func (d *snapshotDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	var list []DirEntry
	add := func(name string, mode uint32) {
		list = append(list, DirEntry{Name: name, Mode: mode, Key: d.path() + "/" + name})
	}
	names, l, err := d.t.contents(ctx, d.name)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		add(n, syscall.S_IFDIR)
	}
	if l == nil {
		return list, nil
	}
	for _, n := range l.Versions {
		add(manifest.Version(n).String(), syscall.S_IFLNK)
	}
	for _, a := range d.aliases(ctx, l) {
		if _, err := (&frozenLink{d, a}).version(ctx, false); err == nil {
			add(a, syscall.S_IFLNK)
		}
	}
	return list, nil
}

// aliases are those that the artifact has, and those that it had when they were pinned.
func (d *snapshotDir) aliases(ctx context.Context, l *manifest.Listing) []string {
	all := aliases(l)
	pins, _ := d.t.pinsOf(ctx, d.id)
	for _, p := range pins {
		if p.Name == d.t.pinned(d.name) && !slices.Contains(all, p.Alias) {
			all = append(all, p.Alias)
		}
	}
	return all
}

// frozenLink is an alias in a snapshot.
type frozenLink struct {
	d     *snapshotDir
	alias string
}

var _ Link = (*frozenLink)(nil)

// version returns what the alias is in the snapshot.
func (f *frozenLink) version(ctx context.Context, pin bool) (to manifest.Target, err error) {
	t, d := f.d.t, f.d
	own, ok := d.id == t.snapshotOf(ctx), false
	if own {
		l, err := t.versions(ctx, d.name)
		if err != nil {
			return to, err
		}
		if to, ok, err = t.alias(ctx, l, d.name, f.alias, pin); err != nil {
			return to, err
		}
	} else {
		p, err := t.readPin(ctx, pinKey{d.id, d.name, f.alias})
		if err == nil {
			return p.Target, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return to, err
		}
	}
	if !ok {
		return to, fmt.Errorf("job %s has not resolved %s of %s: %w", d.id, f.alias, d.name, fs.ErrNotExist)
	}
	return to, nil
}

func (f *frozenLink) Readlink(ctx context.Context) (string, error) {
	to, err := f.version(ctx, true)
	return f.text(to), err
}

// Stat is asked for as the caller: others are given other versions.
func (f *frozenLink) Stat(ctx context.Context) (Entry, error) {
	to, err := f.version(ctx, false)
	return f.d.t.linkEntry(f, f.d.path()+"/"+f.alias, len(f.text(to))), err
}

// text is what the link holds: versions of the tree are links beside it.
func (f *frozenLink) text(to manifest.Target) string {
	if to.In == "" {
		return manifest.Version(to.Version).String()
	}
	return strings.Repeat("../", strings.Count(f.d.path(), "/")) + placeOf(to.In, f.d.name, to.Version)
}
