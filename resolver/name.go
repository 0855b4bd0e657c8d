package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// nameDir is NAME: its versions, its aliases, and the artifacts whose names go on
// from it. Nothing here touches data: a listing must not wait for a hung root.
type nameDir struct {
	t    *Tree
	name string
}

var (
	_ Dir      = (*nameDir)(nil)
	_ Lister   = (*nameDir)(nil)
	_ Accesser = (*nameDir)(nil)
)

// nameEntry returns the directory of an artifact, or of a prefix of artifacts.
func (t *Tree) nameEntry(ctx context.Context, name string) (Entry, error) {
	if err := t.exists(ctx, name); err != nil {
		return Entry{}, err
	}
	return (&nameDir{t, name}).Stat(ctx)
}

func (d *nameDir) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, "/"+d.name, d.t.kept(ctx, d.name)), nil
}

// Access asks the store as the caller: the kernel walks entries that others found.
func (d *nameDir) Access(ctx context.Context, mask uint32) error {
	if mask&2 != 0 {
		return fmt.Errorf("%s: only .log and .manifest can be written: %w", d.name, syscall.EROFS)
	}
	return d.t.exists(ctx, d.name)
}

func (d *nameDir) Lookup(ctx context.Context, name string) (Entry, error) {
	l, err := d.t.versions(ctx, d.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	}
	if n, ok := canonical(name); ok {
		return d.t.versionEntry(ctx, l, d.name, n)
	}
	if _, ok := aliasIn(l, name); ok {
		return d.t.aliasEntry(l, d.name, name), nil
	}
	// An alias that is gone goes on for the job that has it pinned.
	if n, ok, err := d.t.alias(ctx, l, d.name, name, false); err != nil {
		return Entry{}, err
	} else if ok {
		return d.t.linkOf(d.name, name, n), nil
	}
	if e, err := d.t.nameEntry(ctx, d.name+"/"+name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return e, err
	}
	return Entry{}, d.t.noVersion(d.name, name, l)
}

func (d *nameDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	names, l, err := d.t.contents(ctx, d.name)
	if err != nil {
		return nil, err
	}
	path := "/" + d.name + "/"
	var list []DirEntry
	for _, n := range names {
		list = append(list, DirEntry{Name: n, Mode: syscall.S_IFDIR, Key: path + n})
	}
	if l == nil {
		return list, nil
	}
	for _, n := range l.Versions {
		v := manifest.Version(n).String()
		list = append(list, DirEntry{Name: v, Mode: d.t.versionMode(ctx, d.name, n), Key: path + v})
	}
	for _, a := range aliases(l) {
		if !slices.Contains(names, a) {
			list = append(list, DirEntry{Name: a, Mode: syscall.S_IFLNK, Key: path + a})
		}
	}
	return list, nil
}

func (d *nameDir) Listed(ctx context.Context, e DirEntry) (Entry, error) {
	if e.Mode != syscall.S_IFDIR {
		return d.Lookup(ctx, e.Name)
	}
	if n, ok := canonical(e.Name); ok {
		return (&versionDir{d.t, d.name, n}).Stat(ctx)
	}
	return (&nameDir{d.t, d.name + "/" + e.Name}).Stat(ctx)
}

// canonical reads vN as it is spelled in the tree: no v05, no bare 3.
func canonical(s string) (int, bool) {
	v, ok := manifest.ParseVersion(s)
	return int(v), ok && v.String() == s
}

// aliasIn returns the version that latest or an alias names.
func aliasIn(l *manifest.Listing, alias string) (to manifest.Target, ok bool) {
	if l == nil {
		return to, false
	}
	if to.Version, ok = l.Alias(alias); !ok {
		to, ok = l.Foreign[alias]
	}
	return to, ok
}

// aliases returns the names of all aliases, latest among them, sorted.
func aliases(l *manifest.Listing) []string {
	var list []string
	if _, ok := aliasIn(l, manifest.Latest); ok {
		list = append(list, manifest.Latest)
	}
	for _, names := range []iter.Seq[string]{maps.Keys(l.Aliases), maps.Keys(l.Foreign)} {
		for a := range names {
			if manifest.CheckAlias(a) == nil {
				list = append(list, a)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// aliasLink is latest or another alias. The kernel asks it at every use.
type aliasLink struct {
	t           *Tree
	name, alias string
}

var _ Link = (*aliasLink)(nil)

func (t *Tree) aliasEntry(l *manifest.Listing, name, alias string) Entry {
	to, _ := aliasIn(l, alias)
	return t.linkOf(name, alias, to)
}

func (t *Tree) linkOf(name, alias string, to manifest.Target) Entry {
	return t.linkEntry(&aliasLink{t, name, alias}, t.at(name)+"/"+alias, len(targetText(name, to)))
}

// Stat is asked for as the caller: one job's link may have another length than the
// next one's. A lookup says only how long it is for those in no job.
func (a *aliasLink) Stat(ctx context.Context) (Entry, error) {
	to, err := a.version(ctx, false)
	return a.t.linkOf(a.name, a.alias, to), err
}

func (a *aliasLink) Readlink(ctx context.Context) (string, error) {
	to, err := a.version(ctx, true)
	if err != nil {
		return "", err
	}
	return targetText(a.name, to), nil
}

func (a *aliasLink) version(ctx context.Context, pin bool) (manifest.Target, error) {
	l, err := a.t.versions(ctx, a.name)
	if err != nil {
		return manifest.Target{}, err
	}
	to, ok, err := a.t.alias(ctx, l, a.name, a.alias, pin)
	if err == nil && !ok {
		err = a.t.noVersion(a.name, a.alias, l)
	}
	return to, err
}

// noVersion says what there is instead.
func (t *Tree) noVersion(name, version string, l *manifest.Listing) error {
	if l == nil {
		return fmt.Errorf("no artifact %s/%s: %w", name, version, fs.ErrNotExist)
	}
	if l.Silent != nil {
		return fmt.Errorf("whether %s has a version or alias %q cannot be said: %w", name, version, l.Silent)
	}
	if v, ok := manifest.ParseVersion(version); ok && v.String() != version {
		return fmt.Errorf("%s has no %q; the tree spells it %s: %w", name, version, v, fs.ErrNotExist)
	}
	return fmt.Errorf("%s has no version or alias %q; it has %s: %w", name, version, has(l), fs.ErrNotExist)
}

// has lists what an artifact has, in words.
func has(l *manifest.Listing) string {
	words := "no complete version"
	switch n := len(l.Versions); {
	case n == 0 && len(l.Retired) > 0:
		words = "retired versions only"
	case n == 1:
		words = manifest.Version(l.Versions[0]).String()
	case n > 1:
		words = fmt.Sprintf("%d versions from %v to %v", n, manifest.Version(l.Versions[0]), manifest.Version(l.Versions[n-1]))
	}
	for i, a := range aliases(l) {
		if i == 10 {
			return words + ", …"
		}
		words += ", " + a
	}
	return words
}
