package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"artifactfs.dev/artifactfs/internal/store"
)

const (
	// filesFor is how long a listing of data is good for if nobody says: data of a
	// version does not change as a rule, and what does is noticed when it is read.
	filesFor = time.Minute
	// askAgain is how long a store is left alone that did not answer.
	askAgain = 5 * time.Second
	// silence is how long a store that did not answer is not waited for where it is known
	// what there was: a path has many directories, and each would take a deadline.
	silence = 2 * time.Second
	// Directories that are remembered, and the largest that is.
	manyDirs = 256
	largeDir = 50_000
)

// Files is a bucket's prefix as a tree of files, for data: one request for each
// thousand names of a directory, and none for a file whose directory was listed. The
// empty objects by which some tools mark directories are left out, and so is an object
// that has the name of a directory. While the store does not answer, what it answered
// last is what there is.
type Files struct {
	b     *Bucket
	base  string // "" or ends in a slash
	lasts time.Duration
	dirs  *lru.Cache[string, *filesDir]
	asked singleflight.Group // by directory
}

var (
	_ store.Files    = (*Files)(nil)
	_ store.Changing = (*Files)(nil)
	_ store.Walker   = (*Files)(nil)
)

// filesDir is a directory as it was listed.
type filesDir struct {
	until time.Time // when to list it again
	list  []Entry   // sorted by name
	err   error     // why this is not what the store has now; nil: it is
}

// Files returns what lies below base in the bucket, which must outlive it; base is ""
// or ends in a slash. Listings are good for lasts, or if that is 0 for a minute.
func (b *Bucket) Files(base string, lasts time.Duration) *Files {
	if lasts <= 0 {
		lasts = filesFor
	}
	f := &Files{b: b, base: base, lasts: lasts}
	f.dirs, _ = lru.New[string, *filesDir](manyDirs)
	return f
}

// Lasts is how long a listing is good for.
func (f *Files) Lasts() time.Duration { return f.lasts }

// Stat returns one file; fs.ErrNotExist if the store answers and has none.
func (f *Files) Stat(ctx context.Context, name string) (store.File, error) {
	if name == "" {
		d, err := f.dir(ctx, "")
		if err == nil && len(d.list) == 0 {
			err = f.none(d, "")
		}
		return store.File{Dir: true}, err
	}
	d, err := f.dir(ctx, strings.TrimSuffix(path.Dir(name), "."))
	if err != nil {
		return store.File{}, err
	}
	i, ok := slices.BinarySearchFunc(d.list, name, func(e Entry, name string) int { return strings.Compare(e.Key, name) })
	if !ok {
		return store.File{}, f.none(d, name)
	}
	return f.file(ctx, d.list[i])
}

// none says that a listing does not have a name: of an old one that means nothing.
func (f *Files) none(d *filesDir, name string) error {
	if d.err != nil {
		return fmt.Errorf("whether there is a %s/%s is not known: %w", f.b, f.base+name, d.err)
	}
	return fmt.Errorf("%s/%s: %w", f.b, f.base+name, fs.ErrNotExist)
}

// file is listed, and asks for what the listing does not say.
func (f *Files) file(ctx context.Context, e Entry) (store.File, error) {
	out := f.listed(e)
	if e.Dir || out.Object != nil {
		return out, nil
	}
	o, err := f.b.Stat(ctx, f.base+e.Key)
	if err != nil {
		return store.File{}, err
	}
	out.Size, out.ModTime, out.Object = o.Size, o.ModTime, o
	return out, nil
}

// ReadDir returns what lies directly below a directory, sorted by name.
func (f *Files) ReadDir(ctx context.Context, name string) ([]store.File, error) {
	list, _, err := f.ReadListing(ctx, name)
	return list, err
}

// ReadListing is ReadDir that names the listing. One of a directory too large to be
// remembered has no name.
func (f *Files) ReadListing(ctx context.Context, name string) ([]store.File, uint64, error) {
	d, err := f.dir(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	if len(d.list) == 0 {
		return nil, 0, f.none(d, name)
	}
	out := make([]store.File, 0, len(d.list))
	for _, e := range d.list {
		out = append(out, f.listed(e))
	}
	return out, d.named(), nil
}

// Listing names the listing of a directory that is remembered and still good; 0 if there is
// none.
func (f *Files) Listing(name string) uint64 {
	if d, ok := f.dirs.Peek(name); ok {
		return d.named()
	}
	return 0
}

// named is when a listing ends, which no later one of its directory shares; 0 once it
// has, and of what only stands in for one.
func (d *filesDir) named() uint64 {
	if d.err != nil || len(d.list) > largeDir || !time.Now().Before(d.until) {
		return 0
	}
	return uint64(d.until.UnixNano())
}

// Walk lists all that lies below a directory, with one request for each thousand.
func (f *Files) Walk(ctx context.Context, name string, fn func(store.File) error) error {
	prefix := f.base + name
	if name != "" {
		prefix += "/"
	}
	return f.b.List(ctx, prefix, "", func(e Entry) error {
		if e.Marker || !strings.HasPrefix(e.Key, prefix) {
			return nil
		}
		e.Key = strings.TrimPrefix(e.Key, f.base)
		file := f.listed(e)
		file.Name = strings.TrimPrefix(f.base+e.Key, prefix)
		return fn(file)
	})
}

// listed makes a file of what was listed.
func (f *Files) listed(e Entry) store.File {
	out := store.File{Name: path.Base(e.Key), Dir: e.Dir, Size: e.Size, ModTime: e.ModTime}
	if !e.Dir && e.Tag != "" {
		out.Object = &Object{b: f.b, key: f.base + e.Key, tag: e.Tag, Size: e.Size, ModTime: e.ModTime}
	}
	return out
}

// dir lists a directory, or remembers what it held. However many ask, it is listed once,
// and also if they leave.
func (f *Files) dir(ctx context.Context, name string) (*filesDir, error) {
	if d, ok := f.dirs.Get(name); ok && time.Now().Before(d.until) {
		return d, nil
	}
	old, known := f.dirs.Peek(name)
	silent := time.Since(time.Unix(0, f.b.silent.Load())) < silence
	flight := f.asked.DoChan(name, func() (any, error) { return f.renew(context.WithoutCancel(ctx), name) })
	if known && silent { // it is being asked, and whoever comes next is told
		return &filesDir{list: old.list, err: fmt.Errorf("list %s/%s: %w", f.b, f.base+name, errSilent)}, nil
	}
	select {
	case got := <-flight:
		d, _ := got.Val.(*filesDir)
		return d, got.Err
	case <-ctx.Done():
		err := f.b.failed(ctx, "list", f.base+name, ctx.Err(), true)
		f.unanswered(err)
		if known {
			return &filesDir{list: old.list, err: err}, nil
		}
		return nil, err
	}
}

// unanswered notes that the store gave no answer, if that is what an error means.
func (f *Files) unanswered(err error) {
	if errors.Is(err, syscall.EIO) || errors.Is(err, os.ErrDeadlineExceeded) {
		f.b.silent.Store(time.Now().UnixNano())
	}
}

// errSilent is that a store did not answer a moment ago.
var errSilent = fmt.Errorf("the store did not answer a moment ago: %w", syscall.EIO)

// renew lists a directory. If the store does not answer it is what it was before, for a
// while; a right that was taken away is lost at once.
func (f *Files) renew(ctx context.Context, name string) (*filesDir, error) {
	d := &filesDir{until: time.Now().Add(f.lasts)}
	var err error
	if d.list, err = f.list(ctx, name); err == nil {
		f.b.silent.Store(0)
	} else {
		f.unanswered(err)
		old, ok := f.dirs.Peek(name)
		if !ok || errors.Is(err, fs.ErrPermission) {
			f.dirs.Remove(name)
			return nil, err
		}
		d = &filesDir{until: time.Now().Add(min(askAgain, f.lasts)), list: old.list, err: err}
	}
	if len(d.list) <= largeDir {
		f.dirs.Add(name, d)
	}
	return d, nil
}

// list lists a directory, sorted by name.
func (f *Files) list(ctx context.Context, name string) ([]Entry, error) {
	var list []Entry
	prefix := name
	if prefix != "" {
		prefix += "/"
	}
	err := f.b.List(ctx, f.base+prefix, "/", func(e Entry) error {
		e.Key = strings.TrimPrefix(e.Key, f.base)
		if strings.HasPrefix(e.Key, prefix) && e.Key != strings.TrimSuffix(prefix, "/") && !strings.HasSuffix(e.Key, "/") {
			list = append(list, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// An object x and a directory x: the directory.
	slices.SortStableFunc(list, func(a, b Entry) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 || a.Dir == b.Dir {
			return c
		}
		if a.Dir {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(list, func(a, b Entry) bool { return a.Key == b.Key }), nil
}
