package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// storedDir is a directory of the files that a store keeps of a version. They
// belong to who mounted, and their mode says who may read them: the store itself
// knows no users.
type storedDir struct {
	t     *Tree
	v     *Version
	files store.Files
	path  string // below the version's root, "" is that
	under string // the place where it is shown, if that is not the version itself
}

var (
	_ Dir      = (*storedDir)(nil)
	_ Accesser = (*storedDir)(nil)
)

// stored returns the files that the store keeps of a version whose record leads to
// no local path; nil if that is not how it is.
func (t *Tree) stored(ctx context.Context, name string, n int) (shownDir, error) {
	f, ok := t.src.(Filer)
	if !ok && t.opt.Remote == nil {
		return nil, nil
	}
	v, err := t.version(ctx, name, n)
	if err != nil {
		return nil, err
	}
	path := v.Record.Manifest.Path
	if path != "" && !manifest.IsURI(path) {
		return nil, nil
	}
	if path != "" && t.opt.Remote != nil && t.opt.Remote.Has(path) {
		return t.remote(ctx, v, path)
	}
	if !ok {
		return nil, nil
	}
	files, err := f.Files(ctx, v.Name, v.N)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("files of %s: %w", v, err)
	}
	return &storedDir{t: t, v: v.kept(), files: files}, nil
}

// remote returns the data of a version whose record leads to a URI.
func (t *Tree) remote(ctx context.Context, v *Version, uri string) (shownDir, error) {
	if n, ok := v.Record.Iteration(); ok {
		return nil, fmt.Errorf("data of %s, %s: iteration %d of a checkpoint behind a URI is not shown in this release: %w", v, uri, n, syscall.EOPNOTSUPP)
	}
	files, err := t.opt.Remote.Files(ctx, uri)
	if err == nil {
		_, err = files.Stat(ctx, "")
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.lost.add(Missing{Name: v.Name, Version: v.N, Path: uri, Producer: v.Record.Manifest.Producer, CreatedAt: v.Record.Manifest.CreatedAt})
	}
	if err != nil {
		return nil, fmt.Errorf("data of %s, %s: %w", v, uri, err)
	}
	return &storedDir{t: t, v: v.kept(), files: files}, nil
}

func (d *storedDir) Which() (string, int) { return d.v.Which() }

func (d *storedDir) key(path string) string {
	return d.v.key() + "\x00stored\x00" + d.under + "\x00" + path
}

func (d *storedDir) Stat(ctx context.Context) (Entry, error) {
	in, cancel := context.WithTimeout(ctx, d.t.data.Deadline())
	defer cancel()
	f, err := d.files.Stat(in, d.path)
	if err == nil && !f.Dir {
		err = fmt.Errorf("%s of %s is no longer a directory: %w", d.path, d.v, syscall.ESTALE)
	}
	if err != nil {
		return Entry{}, err
	}
	return d.entry(f, d.path), nil
}

// entry shows a directory or an object.
func (d *storedDir) entry(f store.File, path string) Entry {
	mode := uint32(syscall.S_IFREG | 0o444)
	if f.Dir {
		mode = syscall.S_IFDIR | 0o555
	}
	a := d.t.attr(mode, 0)
	if !f.Dir {
		a.Size, a.Blocks = f.Size, (f.Size+511)/512
	}
	if !f.ModTime.IsZero() {
		a.Atime, a.Mtime, a.Ctime = f.ModTime, f.ModTime, f.ModTime
	} else if at := created(d.v.Record); !at.IsZero() {
		a.Atime, a.Mtime, a.Ctime = at, at, at
	}
	e := Entry{Attr: a, Key: d.key(path), Valid: d.valid()}
	if f.Dir {
		e.Node = &storedDir{d.t, d.v, d.files, path, d.under}
	} else {
		e.Node = &storedFile{d.v, f.Object, a}
	}
	return e
}

// created is when a version was logged: the time of files that have none.
func created(r *manifest.Record) time.Time {
	at, err := time.Parse(time.RFC3339, r.Manifest.CreatedAt)
	if err != nil {
		return time.Time{}
	}
	return at
}

// valid: the kernel lets any user walk what one has looked up.
func (d *storedDir) valid() time.Duration {
	if d.v.public && d.t.opt.Umask&1 == 0 {
		return long
	}
	return 0
}

func (d *storedDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if err := checkComponent(name); err != nil {
		return Entry{}, err
	}
	if err := d.Access(ctx, 1); err != nil {
		return Entry{}, err
	}
	full := path.Join(d.path, name)
	in, cancel := context.WithTimeout(ctx, d.t.data.Deadline())
	defer cancel()
	f, err := d.files.Stat(in, full)
	if err != nil {
		return Entry{}, err
	}
	if f.Local != "" {
		return d.local(ctx, f, full)
	}
	return d.entry(f, full), nil
}

// local is a file that the store only refers to, on this machine: it is read from
// there, as the caller.
func (d *storedDir) local(ctx context.Context, f store.File, full string) (Entry, error) {
	p, err := d.t.data.Resolve(ctx, f.Local)
	if err != nil {
		return Entry{}, fmt.Errorf("%s of %s is %s: %w", full, d.v, f.Local, err)
	}
	in := &region{root: p.Path, id: "stored/" + full}
	data := &dataDir{t: d.t, v: d.v, in: in, real: p.Path, attr: p.Attr, key: d.key(full)}
	if p.Attr.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return data.entry(ctx), nil
	}
	return data.file(p.Path, p.Attr, d.key(full), min(d.valid(), data.valid(ctx, path.Dir(p.Path)))), nil
}

func (d *storedDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	if err := d.Access(ctx, 4); err != nil {
		return nil, err
	}
	in, cancel := context.WithTimeout(ctx, d.t.data.Deadline())
	defer cancel()
	all, err := d.files.ReadDir(in, d.path)
	if err != nil {
		return nil, err
	}
	list := make([]DirEntry, 0, len(all))
	for _, f := range all {
		if checkComponent(f.Name) != nil {
			continue
		}
		e := DirEntry{Name: f.Name, Mode: syscall.S_IFREG, Key: d.key(path.Join(d.path, f.Name)), Late: !f.Dir && f.Local == "" && f.Size < 0}
		switch {
		case f.Dir:
			e.Mode = syscall.S_IFDIR
		case f.Local != "":
			e.Mode = 0 // it may lead to a directory
		}
		list = append(list, e)
	}
	return list, nil
}

func (d *storedDir) Access(ctx context.Context, mask uint32) error {
	return mayRead(ctx, d.v, d.path, d.t.attr(syscall.S_IFDIR|0o555, 0), mask)
}

// mayRead checks the mode of what a store keeps.
func mayRead(ctx context.Context, v *Version, path string, a store.Attr, mask uint32) error {
	if mask&2 != 0 {
		return fmt.Errorf("%s: data is read-only: %w", v, syscall.EROFS)
	}
	if c, ok := store.CallerOf(ctx); ok && !c.May(a, mask) {
		return fmt.Errorf("%s of %s has mode %04o, uid %d, gid %d: %w", path, v, a.Mode&0o777, a.UID, a.GID, fs.ErrPermission)
	}
	return nil
}

// storedFile is a regular file that the store keeps.
type storedFile struct {
	v    *Version
	obj  store.Object
	attr store.Attr
}

var _ Stored = (*storedFile)(nil)

func (f *storedFile) Object() store.Object { return f.obj }
func (f *storedFile) Version() *Version    { return f.v }
func (f *storedFile) Which() (string, int) { return f.v.Which() }

func (f *storedFile) Access(ctx context.Context, mask uint32) error {
	if err := mayRead(ctx, f.v, "a file", f.attr, mask); err != nil || mask&4 == 0 {
		return err
	}
	if o, ok := f.obj.(refusable); ok {
		return o.Allowed()
	}
	return nil
}

// refusable is an object that may lie where data may not: it is listed, and not read,
// from a cache neither.
type refusable interface{ Allowed() error }
