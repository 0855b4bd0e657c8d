package resolver

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// temp is a temporary file in .manifest: in memory, until it is renamed. Each
// process has its own of a name: writers in two containers may have the same pid.
type temp struct {
	t    *Tree
	path string // below .manifest
	by   owner
	nth  uint64 // of all: a file that is made anew is another one

	mu      sync.Mutex // guards data
	data    []byte
	touched time.Time // guarded by drafts.mu, as size is
	size    int64
}

var (
	_ Control = (*temp)(nil)
	_ Handle  = tempHandle{}
)

type tempKey struct {
	path string
	by   owner
}

const (
	maxTemp  = 16 << 20
	maxTemps = 64 << 20 // of all together
)

func (x *temp) key() string { return fmt.Sprintf("%s/%s\x00%d", manifestPath, x.path, x.nth) }

var temps atomic.Uint64 // that were ever made

// temp returns the caller's file at path, or else another one of its user.
func (d *drafts) temp(ctx context.Context, path string) *temp {
	by := ownerOf(ctx)
	d.mu.Lock()
	found := d.temps[tempKey{path, by}]
	var others []*temp
	for k, x := range d.temps {
		if k.path == path && k.by.uid == by.uid {
			others = append(others, x)
		}
	}
	d.mu.Unlock()
	if found == nil {
		if others = d.living(others); len(others) > 0 {
			found = others[0]
		}
	}
	return found
}

// tempsIn returns the files in a directory that the caller would find.
func (d *drafts) tempsIn(ctx context.Context, dir string) []*temp {
	by := ownerOf(ctx)
	d.mu.Lock()
	var list []*temp
	for k, x := range d.temps {
		if path.Dir("/"+x.path) == "/"+dir && k.by.uid == by.uid {
			list = append(list, x)
		}
	}
	d.mu.Unlock()
	list = d.living(list)
	slices.SortFunc(list, func(a, b *temp) int { return strings.Compare(a.path, b.path) })
	return slices.CompactFunc(list, func(a, b *temp) bool { return a.path == b.path })
}

// living takes out what a dead process has left for nobody, for good. mu is not
// held: it reads /proc.
func (d *drafts) living(list []*temp) []*temp {
	return slices.DeleteFunc(list, func(x *temp) bool {
		gone := x.dies() && !x.by.alive()
		if gone {
			d.remove(x)
		}
		return gone
	})
}

// dies reports whether the file is of no use to others than its process: upstream's
// writers rename what they wrote, and put their number into its name. An editor's,
// or a shell's, may be renamed by a program that comes after.
func (x *temp) dies() bool {
	name := path.Base(x.path)
	return recordTemp.MatchString(name) || latestTemp.MatchString(name)
}

// create makes an empty file, or empties the caller's old one.
func (d *drafts) create(ctx context.Context, t *Tree, path string) (Entry, Handle, error) {
	d.sweep(t.opt.Now())
	x := &temp{t: t, path: path, by: ownerOf(ctx), nth: temps.Add(1), touched: t.opt.Now()}
	if err := d.insert(x); err != nil {
		return Entry{}, nil, err
	}
	e, err := x.Stat(ctx)
	return e, tempHandle{x}, err
}

func (d *drafts) insert(x *temp) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.temps == nil {
		d.temps = make(map[tempKey]*temp)
	}
	k := tempKey{x.path, x.by}
	if old := d.temps[k]; old != nil {
		d.forget(k, old)
	}
	if n, _ := d.of(x.by.uid); len(d.temps) >= maxDrafts || n >= maxDrafts/2 {
		return fmt.Errorf("%d temporary files in .manifest: %w", len(d.temps), syscall.ENOSPC)
	}
	d.temps[k] = x
	return nil
}

func (d *drafts) remove(x *temp) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := tempKey{x.path, x.by}
	if d.temps[k] == x {
		d.forget(k, x)
	}
}

// forget must be called with mu held.
func (d *drafts) forget(k tempKey, x *temp) {
	delete(d.temps, k)
	d.size -= x.size
	x.size = 0
}

// of counts what a user has. It must be called with mu held.
func (d *drafts) of(uid uint32) (n int, size int64) {
	for k, x := range d.temps {
		if k.by.uid == uid {
			n, size = n+1, size+x.size
		}
	}
	return n, size
}

// resize accounts for a file that is to have size bytes.
func (d *drafts) resize(x *temp, size int64, now time.Time) error {
	if size > maxTemp {
		return fmt.Errorf(".manifest/%s: a record has at most %d bytes: %w", x.path, maxTemp, syscall.EFBIG)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.temps[tempKey{x.path, x.by}] != x {
		return fmt.Errorf(".manifest/%s is gone: %w", x.path, syscall.ESTALE)
	}
	if _, own := d.of(x.by.uid); d.size-x.size+size > maxTemps || own-x.size+size > maxTemps/2 {
		return fmt.Errorf("temporary files in .manifest hold %d bytes: %w", d.size, syscall.ENOSPC)
	}
	d.size += size - x.size
	x.size, x.touched = size, now
	return nil
}

func (x *temp) bytes() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.data)
}

func (x *temp) Stat(context.Context) (Entry, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.t.controlEntry(x, x.key(), len(x.data)), nil
}

// Open for writing is its owner's; for reading, its user's.
func (x *temp) Open(ctx context.Context, flags int) (Handle, error) {
	by := ownerOf(ctx)
	if flags&(syscall.O_ACCMODE|syscall.O_TRUNC) != syscall.O_RDONLY && by != x.by && (recordTemp.MatchString(path.Base(x.path)) || by.uid != x.by.uid) {
		return nil, fmt.Errorf(".manifest/%s is another process's: %w", x.path, syscall.EROFS)
	}
	if flags&syscall.O_TRUNC != 0 {
		if err := x.Truncate(ctx, 0); err != nil {
			return nil, err
		}
	}
	return tempHandle{x}, nil
}

// Truncate sets the file's size.
func (x *temp) Truncate(ctx context.Context, size int64) error {
	if by := ownerOf(ctx); by.uid != x.by.uid {
		return fmt.Errorf(".manifest/%s is another user's: %w", x.path, syscall.EROFS)
	}
	if size < 0 {
		return syscall.EINVAL
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.t.drafts.resize(x, size, x.t.opt.Now()); err != nil {
		return err
	}
	x.grow(size)
	return nil
}

// grow must be called with mu held, after resize.
func (x *temp) grow(size int64) {
	if n := int(size); n <= len(x.data) {
		x.data = x.data[:n]
	} else {
		x.data = append(x.data, make([]byte, n-len(x.data))...)
	}
}

type tempHandle struct{ x *temp }

func (h tempHandle) Write(_ context.Context, p []byte, off int64) (int, error) {
	x := h.x
	x.mu.Lock()
	defer x.mu.Unlock()
	if end := off + int64(len(p)); end > int64(len(x.data)) {
		if off > maxTemp {
			return 0, fmt.Errorf(".manifest/%s: %w", x.path, syscall.EFBIG)
		}
		if err := x.t.drafts.resize(x, end, x.t.opt.Now()); err != nil {
			return 0, err
		}
		x.grow(end)
	}
	return copy(x.data[off:], p), nil
}

func (h tempHandle) Read(_ context.Context, p []byte, off int64) (int, error) {
	h.x.mu.Lock()
	defer h.x.mu.Unlock()
	if off < 0 || off >= int64(len(h.x.data)) {
		return 0, nil
	}
	return copy(p, h.x.data[off:]), nil
}

func (h tempHandle) Size() int64 {
	h.x.mu.Lock()
	defer h.x.mu.Unlock()
	return int64(len(h.x.data))
}

func (h tempHandle) Flush(context.Context) error { return nil }
func (h tempHandle) Close() error                { return nil }
