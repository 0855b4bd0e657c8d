package resolver

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
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
	path  string        // below the version's root, "" is that
	under string        // the place where it is shown, if that is not the version itself
	lasts time.Duration // what was asked of files is good for; 0: for ever
}

var (
	_ Dir      = (*storedDir)(nil)
	_ Accesser = (*storedDir)(nil)
	_ Keeper   = (*storedDir)(nil)
)

// storedRoot returns the root of files of a version.
func (t *Tree) storedRoot(v *Version, files store.Files) *storedDir {
	d := &storedDir{t: t, v: v.kept(), files: files}
	if c, ok := files.(store.Changing); ok {
		d.lasts = c.Lasts()
	}
	return d
}

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
	if t.isRemote(v) {
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
	return t.storedRoot(v, files), nil
}

func (d *storedDir) Which() (string, int) { return d.v.Which() }

// key identifies a file. A name that may come to lead to other content is another file
// then: what has the one open goes on with that, or fails.
func (d *storedDir) key(path string, f *store.File) string {
	key := d.v.key() + "\x00stored\x00" + d.under + "\x00" + path
	if d.lasts > 0 && f.Object != nil {
		key += fmt.Sprintf("\x00%x", contentOfFile(f))
	}
	return key
}

// contentOfFile is what tells the content of a file from another's under its name. What
// is not certain enough for a Key is for this.
func contentOfFile(f *store.File) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, f.Size, f.ModTime.UnixNano(), f.Object.Key())
	if t, ok := f.Object.(interface{ Tag() string }); ok {
		fmt.Fprint(h, t.Tag())
	}
	return h.Sum64()
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
	e := Entry{Attr: a, Key: d.key(path, &f), Valid: d.valid()}
	if f.Dir {
		below := *d
		below.path = path
		e.Node = &below
	} else {
		e.Node = &storedFile{d, path, f.Object, a, contentOfFile(&f)}
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
	switch {
	case !d.v.public || d.t.opt.Umask&1 != 0:
		return 0
	case d.lasts > 0:
		return min(long, d.lasts)
	}
	return long
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
	data := &dataDir{t: d.t, v: d.v, in: in, real: p.Path, attr: p.Attr, key: d.key(full, &f)}
	if p.Attr.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return data.entry(ctx), nil
	}
	return data.file(p.Path, p.Attr, data.key, min(d.valid(), data.valid(ctx, path.Dir(p.Path)))), nil
}

func (d *storedDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	list, _, err := d.ReadListing(ctx)
	return list, err
}

// forever names the listing of a directory that never changes.
const forever = 1

func (d *storedDir) Listing(context.Context) uint64 {
	if c, ok := d.files.(store.Changing); ok {
		return c.Listing(d.path)
	}
	return forever
}

// readListing is the store's listing.
func (d *storedDir) readListing(ctx context.Context) ([]store.File, uint64, error) {
	in, cancel := context.WithTimeout(ctx, d.t.data.Deadline())
	defer cancel()
	if c, ok := d.files.(store.Changing); ok {
		return c.ReadListing(in, d.path)
	}
	all, err := d.files.ReadDir(in, d.path)
	return all, forever, err
}

func (d *storedDir) ReadListing(ctx context.Context) ([]DirEntry, uint64, error) {
	if err := d.Access(ctx, 4); err != nil {
		return nil, 0, err
	}
	all, name, err := d.readListing(ctx)
	if err != nil {
		return nil, 0, err
	}
	d.t.follow.listed(d.key(d.path, &store.File{}), all)
	list := make([]DirEntry, 0, len(all))
	for _, f := range all {
		if checkComponent(f.Name) != nil {
			continue
		}
		e := DirEntry{Name: f.Name, Mode: syscall.S_IFREG, Key: d.key(path.Join(d.path, f.Name), &f), Late: !f.Dir && f.Local == "" && f.Size < 0}
		switch {
		case f.Dir:
			e.Mode = syscall.S_IFDIR
		case f.Local != "":
			e.Mode = 0 // it may lead to a directory
		}
		list = append(list, e)
	}
	return list, name, nil
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
	in   *storedDir // where it was looked up
	path string
	obj  store.Object
	attr store.Attr
	is   uint64 // contentOfFile
}

var (
	_ Stored  = (*storedFile)(nil)
	_ Current = (*storedFile)(nil)
)

func (f *storedFile) Object() store.Object { return f.obj }
func (f *storedFile) Version() *Version    { return f.in.v }
func (f *storedFile) Which() (string, int) { return f.in.v.Which() }

func (f *storedFile) Access(ctx context.Context, mask uint32) error {
	if err := mayRead(ctx, f.in.v, "a file", f.attr, mask); err != nil || mask&4 == 0 {
		return err
	}
	if o, ok := f.obj.(refusable); ok {
		return o.Allowed()
	}
	return nil
}

// Current looks whether the name still leads to this content.
func (f *storedFile) Current(ctx context.Context) error {
	if f.in.lasts == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.in.t.data.Deadline())
	defer cancel()
	now, err := f.in.files.Stat(ctx, f.path)
	if err == nil && (now.Object == nil || contentOfFile(&now) != f.is) {
		err = fmt.Errorf("%s of %s was replaced: %w", f.path, f.in.v, syscall.ESTALE)
	}
	return err
}

// refusable is an object that may lie where data may not: it is listed, and not read,
// from a cache neither.
type refusable interface{ Allowed() error }
