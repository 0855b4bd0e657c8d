package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// fieldsDir is .fields and .fields/NAME: artifacts, then their versions and
// aliases, each a directory of fields.
type fieldsDir struct {
	t    *Tree
	name string // "" is .fields itself
}

var _ Dir = (*fieldsDir)(nil)

const fieldsPath = "/.fields"

func (d *fieldsDir) path() string { return strings.TrimSuffix(fieldsPath+"/"+d.name, "/") }

func (d *fieldsDir) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, d.path(), d.t.kept(ctx, d.name)), nil
}

func (d *fieldsDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if d.name == "" {
		return d.artifact(ctx, name)
	}
	l, err := d.t.versions(ctx, d.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	}
	n, ok := canonical(name)
	to := manifest.Target{Version: n}
	key := d.path() + "/" + name
	if !ok {
		if to, ok, err = d.t.alias(ctx, l, d.name, name, true); err != nil {
			return Entry{}, err
		}
		key = aliasKey(key, to)
	}
	if !ok {
		return d.artifact(ctx, d.name+"/"+name)
	}
	t, err := d.t.side(to.In)
	if err != nil {
		return Entry{}, err
	}
	f := &fieldDir{t, d.name, to.Version, d.path() + "/" + name, key}
	if _, err := t.version(ctx, d.name, to.Version); err != nil {
		return Entry{}, err
	}
	return f.Stat(ctx)
}

func (d *fieldsDir) artifact(ctx context.Context, name string) (Entry, error) {
	if err := d.t.exists(ctx, name); err != nil {
		return Entry{}, err
	}
	return (&fieldsDir{d.t, name}).Stat(ctx)
}

func (d *fieldsDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	var list []DirEntry
	add := func(name string) {
		list = append(list, DirEntry{Name: name, Mode: syscall.S_IFDIR, Key: d.path() + "/" + name})
	}
	names, l, err := d.t.contents(ctx, d.name)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		add(n)
	}
	if l == nil {
		return list, nil
	}
	for _, n := range l.Versions {
		add(manifest.Version(n).String())
	}
	for _, a := range aliases(l) {
		if n, ok, err := d.t.alias(ctx, l, d.name, a, false); err == nil && ok {
			list = append(list, DirEntry{Name: a, Mode: syscall.S_IFDIR, Key: aliasKey(d.path()+"/"+a, n)})
		}
	}
	return list, nil
}

// fieldDir is .fields/NAME/VER: a file per field of one version.
type fieldDir struct {
	t    *Tree
	name string
	n    int
	path string
	key  string
}

var _ Dir = (*fieldDir)(nil)

// aliasKey is the identity of an alias's directory: another version's is another
// directory, for two jobs may be in it at one time.
func aliasKey(path string, to manifest.Target) string { return path + "\x00" + to.String() }

const (
	flattened  = "manifest.json"
	linkSuffix = ".link"
)

func (d *fieldDir) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, d.key, d.valid(ctx)), nil
}

// valid: an alias may move, and metadata.json may still be on its way.
func (d *fieldDir) valid(ctx context.Context) time.Duration {
	if _, ok := canonical(filepath.Base(d.path)); !ok {
		return 0
	}
	if v, err := d.t.version(ctx, d.name, d.n); err != nil || v.Record.Meta == nil {
		return 0
	}
	return d.t.keptVersion(ctx, d.name, d.n)
}

func (d *fieldDir) Lookup(ctx context.Context, name string) (Entry, error) {
	v, err := d.t.version(ctx, d.name, d.n)
	if err != nil {
		return Entry{}, err
	}
	text, err := d.field(v, name)
	if err == nil {
		e := d.t.textEntry(&fieldText{d, name}, d.key+"/"+name, len(text))
		e.Valid = d.valid(ctx)
		return e, nil
	}
	field, ok := strings.CutSuffix(name, linkSuffix)
	if !ok {
		return Entry{}, err
	}
	value, err := v.Record.Field(field, manifest.Version(d.n).String())
	if err != nil {
		return Entry{}, err
	}
	target, ok := d.target(ctx, value)
	if !ok {
		return Entry{}, fmt.Errorf("%s of %s is not a path in it: %w", field, v, fs.ErrNotExist)
	}
	return d.t.linkEntry(constLink(target), d.key+"/"+name, len(target)), nil
}

// field returns the content of a field's file.
func (d *fieldDir) field(v *Version, name string) ([]byte, error) {
	version := manifest.Version(d.n).String()
	if name == flattened {
		return v.Record.FlattenedManifest(version), nil
	}
	value, err := v.Record.Field(name, version)
	return manifest.FieldText(value), err
}

// fieldText is one field's file. It does not keep the text: the kernel remembers
// files for as long as it likes, and a hostile record's field has megabytes.
type fieldText struct {
	d    *fieldDir
	name string
}

var (
	_ Text  = (*fieldText)(nil)
	_ Using = (*fieldText)(nil)
)

func (f *fieldText) Read(ctx context.Context) ([]byte, error) {
	v, err := f.d.t.version(ctx, f.d.name, f.d.n)
	if err != nil {
		return nil, err
	}
	return f.d.field(v, f.name)
}

func (f *fieldText) Opened(ctx context.Context) {
	f.d.t.opened(ctx, f.d.name, f.d.n)
}

func (d *fieldDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	v, err := d.t.version(ctx, d.name, d.n)
	if err != nil {
		return nil, err
	}
	list := []DirEntry{{Name: flattened, Mode: syscall.S_IFREG, Key: d.key + "/" + flattened}}
	fields := v.Record.Fields(manifest.Version(d.n).String())
	for _, m := range fields {
		if checkComponent(m.Key) != nil || len(m.Key) > 255 || m.Key == flattened {
			continue // no file can have this name; manifest.json has the field
		}
		list = append(list, DirEntry{Name: m.Key, Mode: syscall.S_IFREG, Key: d.key + "/" + m.Key})
		link := m.Key + linkSuffix
		if _, taken := fields.Get(link); taken || len(link) > 255 {
			continue
		}
		if _, ok := d.target(ctx, m.Value); ok {
			list = append(list, DirEntry{Name: link, Mode: syscall.S_IFLNK, Key: d.key + "/" + link})
		}
	}
	return list, nil
}

// target turns the path of a file in the version into one in the mount, relative
// to this directory.
func (d *fieldDir) target(ctx context.Context, value any) (string, bool) {
	path, ok := value.(string)
	if !ok || !filepath.IsAbs(path) || strings.Contains(path, "\x00") {
		return "", false
	}
	v, err := d.t.withBase(ctx, d.name, d.n)
	if err != nil {
		return "", false
	}
	rest, ok := v.inside(filepath.Clean(path))
	if !ok || v.hides(filepath.Join(v.Base, rest)) {
		return "", false
	}
	up := strings.Repeat("../", strings.Count(d.path, "/"))
	return up + filepath.Join(v.key(), rest), true
}

// constLink is a link whose target is known.
type constLink string

var _ Link = constLink("")

func (c constLink) Readlink(context.Context) (string, error) { return string(c), nil }
