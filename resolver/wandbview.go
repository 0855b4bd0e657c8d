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

// wandbDir is .wandb and .wandb/NAME: what W&B has, under its own numbers. Names are
// those of the configured project, and ENTITY/PROJECT/NAME for any.
type wandbDir struct {
	t    *Tree
	name string // "" is .wandb itself
}

var _ Dir = (*wandbDir)(nil)

func (d *wandbDir) full(name string) string { return strings.TrimPrefix(d.name+"/"+name, "/") }

func (d *wandbDir) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, path.Clean(d.t.at(d.name)), long), nil
}

func (d *wandbDir) Lookup(ctx context.Context, name string) (Entry, error) {
	var l *manifest.Listing
	var err error
	if d.name != "" {
		if l, err = d.t.versions(ctx, d.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Entry{}, err
		}
	}
	if l != nil {
		if n, ok := canonical(name); ok {
			return d.version(ctx, l, n)
		}
		if _, ok, err := d.t.alias(ctx, l, d.name, name, false); err != nil {
			return Entry{}, err
		} else if ok {
			return d.t.aliasEntry(l, d.name, name), nil
		}
	}
	if err := d.t.exists(ctx, d.full(name)); err != nil {
		if l != nil && errors.Is(err, fs.ErrNotExist) {
			err = d.t.noVersion(d.name, name, l)
		}
		return Entry{}, err
	}
	return (&wandbDir{d.t, d.full(name)}).Stat(ctx)
}

func (d *wandbDir) version(ctx context.Context, l *manifest.Listing, n int) (Entry, error) {
	if !slices.Contains(l.Versions, n) {
		if _, err := d.t.version(ctx, d.name, n); err != nil {
			return Entry{}, err
		}
	}
	return (&wandbVersion{d.t, d.name, n}).Stat(ctx)
}

func (d *wandbDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	below, l, err := d.t.contents(ctx, d.name)
	if err != nil {
		return nil, err
	}
	var list []DirEntry
	add := func(name string, mode uint32) {
		list = append(list, DirEntry{Name: name, Mode: mode, Key: path.Join(d.t.at(d.name), name)})
	}
	for _, n := range below {
		add(n, syscall.S_IFDIR)
	}
	if l == nil {
		return list, nil
	}
	for _, n := range l.Versions {
		add(manifest.Version(n).String(), syscall.S_IFDIR)
	}
	for _, a := range aliases(l) {
		add(a, syscall.S_IFLNK)
	}
	return list, nil
}

// wandbVersion is .wandb/NAME/vN: artifact.json, what W&B says of it; files, what it
// stores and refers to, in its own layout; and data, where its data lies.
type wandbVersion struct {
	t    *Tree
	name string
	n    int
}

var _ Dir = (*wandbVersion)(nil)

const (
	artifactFile = "artifact.json"
	filesDir     = "files"
)

func (d *wandbVersion) path() string { return d.t.at(d.name) + "/" + manifest.Version(d.n).String() }

func (d *wandbVersion) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, d.path(), long), nil
}

func (d *wandbVersion) Lookup(ctx context.Context, name string) (Entry, error) {
	switch name {
	case artifactFile:
		x := &artifactText{d}
		b, err := x.Read(ctx)
		return d.t.textEntry(x, d.path()+"/"+name, len(b)), err
	case filesDir:
		return (&filesRoot{d}).Stat(ctx)
	case dataLink:
		return d.t.dataEntry(ctx, d.path(), d.name, d.n)
	}
	return Entry{}, fmt.Errorf("%s holds %s, %s and %s, not %s: %w", strings.TrimPrefix(d.path(), "/"), artifactFile, filesDir, dataLink, name, fs.ErrNotExist)
}

func (d *wandbVersion) ReadDir(ctx context.Context) ([]DirEntry, error) {
	data, err := d.t.dataEntry(ctx, d.path(), d.name, d.n)
	if err != nil {
		return nil, err
	}
	return []DirEntry{
		{Name: artifactFile, Mode: syscall.S_IFREG, Key: d.path() + "/" + artifactFile},
		{Name: dataLink, Mode: data.Attr.Mode & syscall.S_IFMT, Key: data.Key},
		{Name: filesDir, Mode: syscall.S_IFDIR, Key: d.path() + "/" + filesDir},
	}, nil
}

// artifactText is artifact.json.
type artifactText struct{ d *wandbVersion }

var _ Text = (*artifactText)(nil)

func (x *artifactText) Read(ctx context.Context) ([]byte, error) {
	s, ok := x.d.t.src.(Describer)
	if !ok {
		return nil, fmt.Errorf("%s: the store does not describe its versions: %w", artifactFile, syscall.EOPNOTSUPP)
	}
	o, err := s.Describe(ctx, x.d.name, x.d.n)
	if err != nil {
		return nil, err
	}
	return append(manifest.AppendJSON(nil, o, 2), '\n'), nil
}

// filesRoot is files. Its own attributes are made up, so that looking it up, and
// listing what lies beside it, asks for nothing.
type filesRoot struct{ d *wandbVersion }

var (
	_ Dir      = (*filesRoot)(nil)
	_ Accesser = (*filesRoot)(nil)
)

func (r *filesRoot) dir(ctx context.Context) (*storedDir, error) {
	v, err := r.d.t.version(ctx, r.d.name, r.d.n)
	if err != nil {
		return nil, err
	}
	f, ok := r.d.t.src.(Filer)
	if !ok {
		return nil, fmt.Errorf("files of %s: the store has none: %w", v, syscall.EOPNOTSUPP)
	}
	files, err := f.Files(ctx, v.Name, v.N)
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", v, err)
	}
	d := r.d.t.storedRoot(v, files)
	d.under = filesDir
	return d, nil
}

func (r *filesRoot) Stat(context.Context) (Entry, error) {
	e := r.d.t.dirEntry(r, r.d.path()+"/"+filesDir, long)
	if r.d.t.opt.Umask&1 != 0 {
		e.Valid = 0
	}
	return e, nil
}

func (r *filesRoot) Lookup(ctx context.Context, name string) (Entry, error) {
	d, err := r.dir(ctx)
	if err != nil {
		return Entry{}, err
	}
	return d.Lookup(ctx, name)
}

func (r *filesRoot) ReadDir(ctx context.Context) ([]DirEntry, error) {
	d, err := r.dir(ctx)
	if err != nil {
		return nil, err
	}
	return d.ReadDir(ctx)
}

func (r *filesRoot) Access(ctx context.Context, mask uint32) error {
	return mayRead(ctx, &Version{Name: r.d.name, N: r.d.n}, filesDir, r.d.t.attr(syscall.S_IFDIR|0o555, 0), mask)
}
