package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

type attr = store.Attr

// region is a real directory and all below it that one place of a version shows:
// the version's own data, or a directory that a link leading out of it leads to.
type region struct {
	root string
	id   string  // of the link that leads here, and of those before it; "" for the version's own
	up   *region // where that link lies; nil for the version's own
	from string  // the real directory that it lies in
}

// dataDir is a directory of a version's data.
type dataDir struct {
	t    *Tree
	v    *Version
	in   *region
	real string // without a link in it
	attr attr   // zero for the version's root, which is not looked at until needed
	key  string // "" unless a link leads here
}

var (
	_ Dir      = (*dataDir)(nil)
	_ Accesser = (*dataDir)(nil)
)

// Real returns the directory's path on the host.
func (d *dataDir) Real() string { return d.real }

func (d *dataDir) Stat(ctx context.Context) (Entry, error) {
	a, err := d.t.data.Lstat(ctx, d.real)
	if err != nil {
		return Entry{}, err
	}
	if a.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return Entry{}, fmt.Errorf("%s is no longer a directory: %w", d.real, syscall.ESTALE)
	}
	now := *d
	now.attr = a
	return now.entry(ctx), nil
}

func (d *dataDir) entry(ctx context.Context) Entry {
	key := d.key
	if key == "" {
		key = d.keyOf(d.attr.Dev, d.attr.Ino)
	}
	valid := d.valid(ctx, filepath.Dir(d.real))
	if d.in.up != nil && d.real == d.in.root {
		valid = min(valid, d.valid(ctx, d.in.from))
	}
	return Entry{Node: d, Attr: d.attr, Key: key, Valid: valid}
}

// self returns the directory's own attributes.
func (d *dataDir) self(ctx context.Context) (attr, error) {
	if d.attr.Ino != 0 {
		return d.attr, nil
	}
	return d.t.data.Lstat(ctx, d.real)
}

func (d *dataDir) Access(ctx context.Context, mask uint32) error {
	if mask&2 != 0 {
		return fmt.Errorf("%s: data is read-only: %w", d.v, syscall.EROFS)
	}
	return d.t.data.Access(ctx, d.real, mask)
}

func (d *dataDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if err := checkComponent(name); err != nil {
		return Entry{}, err
	}
	a, err := d.t.data.Lstat(ctx, filepath.Join(d.real, name))
	if err != nil {
		return Entry{}, err
	}
	return d.child(ctx, name, a)
}

// child returns the entry of a name whose own attributes are a.
func (d *dataDir) child(ctx context.Context, name string, a attr) (Entry, error) {
	real := filepath.Join(d.real, name)
	if a.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		return d.link(ctx, name, a)
	}
	if a.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return (&dataDir{t: d.t, v: d.v, in: d.in, real: real, attr: a}).entry(ctx), nil
	}
	return d.file(real, a, d.keyOf(a.Dev, a.Ino), d.valid(ctx, d.real)), nil
}

// file is the entry of what is neither a directory nor a link. Sockets, fifos and
// devices have attributes and nothing else.
func (d *dataDir) file(real string, a attr, key string, valid time.Duration) Entry {
	e := Entry{Node: special{}, Attr: a, Key: key, Valid: valid}
	if a.Mode&syscall.S_IFMT == syscall.S_IFREG {
		e.Node = &dataFile{d.t, d.v, real}
	}
	return e
}

func (d *dataDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	all, err := d.t.data.ReadDir(ctx, d.real)
	if err != nil {
		return nil, err
	}
	self, err := d.self(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]DirEntry, 0, len(all))
	late := false // something did not answer: do not wait for it once per link
	for _, e := range all {
		if checkComponent(e.Name) != nil {
			continue
		}
		out := DirEntry{Name: e.Name, Mode: e.Type & syscall.S_IFMT, Key: d.keyOf(self.Dev, e.Ino)}
		if (out.Mode == syscall.S_IFLNK || out.Mode == 0) && !late {
			c, err := d.Lookup(ctx, e.Name)
			switch {
			case err == nil:
				out.Mode, out.Key = c.Attr.Mode&syscall.S_IFMT, c.Key
			case errors.Is(err, fs.ErrNotExist):
				continue
			}
			late = errors.Is(err, os.ErrDeadlineExceeded)
		}
		list = append(list, out)
	}
	return list, nil
}

// keyOf identifies a file of this region.
func (d *dataDir) keyOf(dev, ino uint64) string {
	return fmt.Sprintf("%s\x00%s\x00%x:%x", d.v.key(), d.in.id, dev, ino)
}

// valid is how long the kernel may keep what lies in dir: it lets any user walk
// what one has looked up, so only where all may search, and read the record.
func (d *dataDir) valid(ctx context.Context, dir string) time.Duration {
	if d.v.public && d.t.data.Searchable(ctx, dir) {
		return long
	}
	return 0
}

// checkComponent refuses what is not one name.
func checkComponent(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q is not a file name: %w", name, fs.ErrNotExist)
	}
	return nil
}

// dataFile is a regular file of a version's data.
type dataFile struct {
	t    *Tree
	v    *Version
	real string
}

var _ Data = (*dataFile)(nil)

func (f *dataFile) Real() string      { return f.real }
func (f *dataFile) Version() *Version { return f.v }

func (f *dataFile) Which() (string, int) { return f.v.Which() }
func (d *dataDir) Which() (string, int)  { return d.v.Which() }

func (f *dataFile) Stat(ctx context.Context) (store.Attr, error) {
	return f.t.data.Lstat(ctx, f.real)
}

// special is a fifo, socket or device: shown, never opened.
type special struct{}
