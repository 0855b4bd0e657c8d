package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// manifestDir is .manifest and .manifest/NAME: the store in upstream's own layout,
// a drop-in root for its code. latest and aliases are files here, and versions
// that nobody has finished are listed: a writer counts on from the highest.
type manifestDir struct {
	t    *Tree
	name string // "" is .manifest itself
}

var (
	_ Dir     = (*manifestDir)(nil)
	_ Lister  = (*manifestDir)(nil)
	_ Mutable = (*manifestDir)(nil)
)

const manifestPath = "/.manifest"

func (d *manifestDir) path() string { return path.Join(manifestPath, d.name) }

func (d *manifestDir) full(name string) string { return strings.TrimPrefix(d.name+"/"+name, "/") }

// Stat: names that were made here and hold nothing yet are not kept.
func (d *manifestDir) Stat(ctx context.Context) (Entry, error) {
	e := d.t.dirEntry(d, d.path(), 0)
	if d.name == "" || !d.t.drafts.named(d.name) {
		e.Valid = d.t.kept(ctx, d.name)
	}
	return e, nil
}

func (d *manifestDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if d.name == "" && (name == indexFile || name == indexTemp) {
		return d.lookupTop(ctx, name)
	}
	if d.name != "" {
		e, err := d.lookupIn(ctx, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return e, err
		}
		if _, version := canonical(name); version {
			return Entry{}, err
		}
	}
	full := d.full(name)
	err := d.t.exists(ctx, full)
	if err != nil && !d.t.drafts.named(full) {
		return Entry{}, err
	}
	return (&manifestDir{d.t, full}).Stat(ctx)
}

// lookupIn finds what an artifact itself holds.
func (d *manifestDir) lookupIn(ctx context.Context, name string) (Entry, error) {
	if x := d.t.drafts.temp(ctx, d.full(name)); x != nil {
		return x.Stat(ctx)
	}
	if editorName(name) {
		return Entry{}, fmt.Errorf(".manifest/%s: %w", d.full(name), fs.ErrNotExist)
	}
	n, version := canonical(name)
	if version && d.t.drafts.claimed(d.name, n) {
		return (&recordDir{d.t, d.name, n}).Stat(ctx)
	}
	if version {
		// The record first: a listing costs more, and is only needed for numbers
		// that are taken and have none.
		if _, err := d.t.version(ctx, d.name, n); err == nil {
			return (&recordDir{d.t, d.name, n}).Stat(ctx)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Entry{}, err
		}
	}
	l, err := d.t.versions(ctx, d.name)
	if err != nil {
		return Entry{}, err
	}
	if version && slices.Contains(l.Claimed, n) {
		return (&recordDir{d.t, d.name, n}).Stat(ctx)
	}
	if _, ok := aliasIn(l, name); ok {
		return (&aliasFile{d.t, d.name, name}).Stat(ctx)
	}
	return Entry{}, d.t.noVersion(d.name, name, l)
}

func (d *manifestDir) ReadDir(ctx context.Context) (list []DirEntry, err error) {
	add := func(name string, mode uint32) {
		list = append(list, DirEntry{Name: name, Mode: mode, Key: path.Join(d.path(), name)})
	}
	if d.name != "" {
		d.turn(ctx)
		defer func() { d.t.drafts.listed(ctx, d.name, len(list)) }()
	}
	var l *manifest.Listing
	var none error
	if d.name != "" {
		if l, none = d.t.versions(ctx, d.name); none != nil && !errors.Is(none, fs.ErrNotExist) {
			return nil, none
		}
	}
	names, err := d.t.names(ctx, d.name)
	if err != nil {
		return nil, err
	}
	for _, n := range d.t.drafts.namesIn(d.name) {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, n := range names {
		add(n, syscall.S_IFDIR)
	}
	for _, x := range d.t.drafts.tempsIn(ctx, d.name) {
		list = append(list, DirEntry{Name: path.Base(x.path), Mode: syscall.S_IFREG, Key: x.key()})
	}
	if d.name == "" {
		if _, err := d.t.indexEntry(ctx); err == nil {
			add(indexFile, syscall.S_IFREG)
		}
		return list, nil
	}
	if none != nil && (len(names) > 0 || d.t.drafts.named(d.name)) {
		return list, nil
	} else if none != nil {
		return nil, none
	}
	taken := slices.Concat(l.Claimed, l.Versions, l.Retired, d.t.drafts.claimsOf(d.name))
	slices.Sort(taken)
	for _, n := range slices.Compact(taken) {
		add(manifest.Version(n).String(), syscall.S_IFDIR)
	}
	for _, a := range aliases(l) {
		add(a, syscall.S_IFREG)
	}
	return list, nil
}

func (d *manifestDir) Listed(ctx context.Context, e DirEntry) (Entry, error) {
	if e.Mode != syscall.S_IFDIR {
		return d.Lookup(ctx, e.Name)
	}
	if n, ok := canonical(e.Name); ok && d.name != "" {
		return (&recordDir{d.t, d.name, n}).Stat(ctx)
	}
	return (&manifestDir{d.t, d.full(e.Name)}).Stat(ctx)
}

// turn lets one writer at a time go from its listing to its mkdir. It lists what
// is there now: a cached listing would give a number that is taken.
func (d *manifestDir) turn(ctx context.Context) {
	if _, ok := d.t.src.(Claimer); ok {
		d.t.drafts.wait(ctx, d.name)
	}
	if r, ok := d.t.src.(Refresher); ok {
		r.Refresh(d.name)
	}
}

// recordDir is .manifest/NAME/vN: the record as the store has it, and data, a link
// to what it records.
type recordDir struct {
	t    *Tree
	name string
	n    int
}

var (
	_ Dir     = (*recordDir)(nil)
	_ Mutable = (*recordDir)(nil)
)

const (
	manifestFile = "manifest.json"
	metadataFile = "metadata.json"
	dataLink     = "data"
)

func (d *recordDir) key() string { return d.name + "/" + manifest.Version(d.n).String() }

func (d *recordDir) path() string { return manifestPath + "/" + d.key() }

func (d *recordDir) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, d.path(), d.t.keptVersion(ctx, d.name, d.n)), nil
}

// files returns what the version holds; nothing while it has no manifest.json.
func (d *recordDir) files(ctx context.Context) ([]Entry, []string, error) {
	v, err := d.t.version(ctx, d.name, d.n)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	var names []string
	var entries []Entry
	add := func(name string, b []byte) {
		e := d.t.textEntry(&recordText{d, name}, d.path()+"/"+name, len(b))
		if v.Record.Meta != nil {
			e.Valid = d.t.keptVersion(ctx, d.name, d.n)
		}
		names, entries = append(names, name), append(entries, e)
	}
	add(manifestFile, v.Record.Raw)
	if v.Record.RawMeta != nil {
		add(metadataFile, v.Record.RawMeta)
	}
	data, err := d.t.dataEntry(ctx, d.path(), d.name, d.n)
	return append(entries, data), append(names, dataLink), err
}

func (d *recordDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if x := d.t.drafts.temp(ctx, d.key()+"/"+name); x != nil {
		return x.Stat(ctx)
	}
	entries, names, err := d.files(ctx)
	if err != nil {
		return Entry{}, err
	}
	if i := slices.Index(names, name); i >= 0 {
		return entries[i], nil
	}
	if name == lineageFile {
		return d.lineage(ctx)
	}
	return Entry{}, fmt.Errorf(".manifest/%s has no %s: %w", d.key(), name, fs.ErrNotExist)
}

func (d *recordDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	entries, names, err := d.files(ctx)
	if err != nil {
		return nil, err
	}
	var list []DirEntry
	for i, e := range entries {
		list = append(list, DirEntry{Name: names[i], Mode: e.Attr.Mode & syscall.S_IFMT, Key: e.Key})
	}
	for _, x := range d.t.drafts.tempsIn(ctx, d.key()) {
		list = append(list, DirEntry{Name: path.Base(x.path), Mode: syscall.S_IFREG, Key: x.key()})
	}
	return list, nil
}

// recordText is manifest.json or metadata.json of a version. It does not keep the
// text: the kernel remembers files for as long as it likes.
type recordText struct {
	d    *recordDir
	name string
}

var (
	_ Text  = (*recordText)(nil)
	_ Using = (*recordText)(nil)
)

func (f *recordText) Read(ctx context.Context) ([]byte, error) {
	v, err := f.d.t.version(ctx, f.d.name, f.d.n)
	if err != nil {
		return nil, err
	}
	if f.name == manifestFile {
		return v.Record.Raw, nil
	}
	return v.Record.RawMeta, nil
}

// Opened: upstream's own reader goes by the record, and to the data past the mount. Who
// reads back what it has just written uses nothing.
func (f *recordText) Opened(ctx context.Context) {
	if !f.d.t.drafts.owns(ctx, f.d.key()) {
		f.d.t.opened(ctx, f.d.name, f.d.n)
	}
}
