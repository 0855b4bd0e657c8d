package bucket

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/internal/store"
)

const (
	// filesFor is how long a listing of data is good for: data of a version does not
	// change, and what does is noticed when it is read.
	filesFor = time.Minute
	// Directories that are remembered, and the largest that is.
	manyDirs = 256
	largeDir = 50_000
)

// Files is a bucket's prefix as a tree of files, for data: one request for each
// thousand names of a directory, and none for a file whose directory was listed. The
// empty objects by which some tools mark directories are left out, and so is an object
// that has the name of a directory.
type Files struct {
	b    *Bucket
	base string // "" or ends in a slash
	dirs *lru.Cache[string, *filesDir]
}

var _ store.Files = (*Files)(nil)

// filesDir is a directory as it was listed.
type filesDir struct {
	at   time.Time
	list []Entry // sorted by name
}

// Files returns what lies below base in the bucket, which must outlive it; base is ""
// or ends in a slash.
func (b *Bucket) Files(base string) *Files {
	f := &Files{b: b, base: base}
	f.dirs, _ = lru.New[string, *filesDir](manyDirs)
	return f
}

// Stat returns one file; fs.ErrNotExist if the store answers and has none.
func (f *Files) Stat(ctx context.Context, name string) (store.File, error) {
	if name == "" {
		d, err := f.dir(ctx, "")
		if err == nil && len(d.list) == 0 {
			err = fmt.Errorf("%s/%s holds nothing: %w", f.b, f.base, fs.ErrNotExist)
		}
		return store.File{Dir: true}, err
	}
	d, err := f.dir(ctx, strings.TrimSuffix(path.Dir(name), "."))
	if err != nil {
		return store.File{}, err
	}
	i, ok := slices.BinarySearchFunc(d.list, name, func(e Entry, name string) int { return strings.Compare(e.Key, name) })
	if !ok {
		return store.File{}, fmt.Errorf("%s/%s: %w", f.b, f.base+name, fs.ErrNotExist)
	}
	return f.file(ctx, d.list[i])
}

// file makes a file of what was listed.
func (f *Files) file(ctx context.Context, e Entry) (store.File, error) {
	out := store.File{Name: path.Base(e.Key), Dir: e.Dir, Size: e.Size, ModTime: e.ModTime}
	if e.Dir {
		return out, nil
	}
	o := &Object{b: f.b, key: f.base + e.Key, tag: e.Tag, Size: e.Size, ModTime: e.ModTime}
	if o.tag == "" {
		var err error
		if o, err = f.b.Stat(ctx, f.base+e.Key); err != nil {
			return store.File{}, err
		}
		out.Size, out.ModTime = o.Size, o.ModTime
	}
	out.Object = o
	return out, nil
}

// ReadDir returns what lies directly below a directory, sorted by name.
func (f *Files) ReadDir(ctx context.Context, name string) ([]store.File, error) {
	d, err := f.dir(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(d.list) == 0 {
		return nil, fmt.Errorf("%s/%s holds nothing: %w", f.b, f.base+name, fs.ErrNotExist)
	}
	out := make([]store.File, 0, len(d.list))
	for _, e := range d.list {
		out = append(out, store.File{Name: path.Base(e.Key), Dir: e.Dir, Size: e.Size, ModTime: e.ModTime})
	}
	return out, nil
}

// dir lists a directory, or remembers what it held.
func (f *Files) dir(ctx context.Context, name string) (*filesDir, error) {
	if d, ok := f.dirs.Get(name); ok && time.Since(d.at) < filesFor {
		return d, nil
	}
	d := &filesDir{at: time.Now()}
	prefix := name
	if prefix != "" {
		prefix += "/"
	}
	err := f.b.List(ctx, f.base+prefix, "/", func(e Entry) error {
		e.Key = strings.TrimPrefix(e.Key, f.base)
		if strings.HasPrefix(e.Key, prefix) && e.Key != strings.TrimSuffix(prefix, "/") && !strings.HasSuffix(e.Key, "/") {
			d.list = append(d.list, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// An object x and a directory x: the directory.
	slices.SortStableFunc(d.list, func(a, b Entry) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 || a.Dir == b.Dir {
			return c
		}
		if a.Dir {
			return -1
		}
		return 1
	})
	d.list = slices.CompactFunc(d.list, func(a, b Entry) bool { return a.Key == b.Key })
	if len(d.list) <= largeDir {
		f.dirs.Add(name, d)
	}
	return d, nil
}
