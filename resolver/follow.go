package resolver

import (
	"context"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/cache"
)

// Of files that are opened in the order of their directory's listing, as programs do that
// read all of it: those that come next are fetched before they are opened.
const (
	followedDirs = 16
	followFiles  = 64       // ahead at most
	followBytes  = 32 << 20 // of them at most
	followLarge  = 8 << 20  // what is larger is read ahead of when it is read
	followShare  = 8        // the part of the cache that they may take: what lies there is wanted too
	followSkip   = 4        // names that may be left out: there are other files, and other readers
	followNames  = 50_000   // of a directory; a larger one is listed anew for each file of it
)

// follow remembers the listings of the directories that are read.
type follow struct {
	dirs *lru.Cache[string, *followed]
}

// followed is one listing, and how it is read.
type followed struct {
	mu    sync.Mutex // guards what follows, but list
	list  []following
	next  int // in list: what comes after the file that was opened last
	run   int // how many were opened in order
	until int // what was fetched ahead
}

// following is a file of a listing.
type following struct {
	name string
	size int64 // 0: it is not fetched ahead
}

func newFollow() follow {
	dirs, _ := lru.New[string, *followed](followedDirs)
	return follow{dirs}
}

// listed notes a directory's listing, sorted by name.
func (f *follow) listed(dir string, list []store.File) {
	if old, ok := f.dirs.Get(dir); ok && len(old.list) == len(list) || len(list) > followNames {
		return
	}
	w := &followed{list: make([]following, 0, len(list)), next: -1}
	for _, file := range list {
		size := int64(0)
		if !file.Dir && file.Local == "" && file.Size <= followLarge {
			size = max(file.Size, 0)
		}
		w.list = append(w.list, following{file.Name, size})
	}
	f.dirs.Add(dir, w)
}

// opened notes that a file was opened, and begins to fetch those that come after it if
// that is the order in which they are read.
func (f *follow) opened(c *cache.Cache, d *storedDir, name string) {
	key := d.key(d.path, &store.File{})
	w, ok := f.dirs.Get(key)
	if !ok { // as after a remount
		f.dirs.Add(key, &followed{})
		c.Soon(func(ctx context.Context) (store.Object, int64, error) {
			list, err := d.files.ReadDir(ctx, d.path)
			if err == nil {
				f.listed(key, list)
			}
			return nil, 0, err
		})
		return
	}
	for _, next := range w.after(name, min(followBytes, c.Holds()/followShare)) {
		begun := c.Soon(func(ctx context.Context) (store.Object, int64, error) {
			found, err := d.files.Stat(ctx, strings.TrimPrefix(d.path+"/"+next, "/"))
			if o, ok := found.Object.(refusable); ok && err == nil {
				err = o.Allowed()
			}
			return found.Object, found.Size, err
		})
		if !begun {
			w.back(next)
			return
		}
	}
}

// after returns what to fetch now that a file is opened: so many bytes ahead of it at most.
func (w *followed) after(name string, most int64) []string {
	i, ok := w.find(name)
	if !ok {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case i < w.next && i >= w.next-followSkip: // again, or by another reader
		return nil
	case w.next < 0 || i < w.next || i > w.next+followSkip:
		w.next, w.run, w.until = i+1, 0, i+1
		return nil
	}
	w.next, w.run = i+1, w.run+1
	w.until = max(w.until, w.next)
	end := min(len(w.list), w.next+min(2<<min(w.run, 10), followFiles))
	bytes := int64(0)
	for j := w.next; j < end; j++ {
		if bytes += w.list[j].size; bytes > most {
			end = j
		}
	}
	var soon []string
	for ; w.until < end; w.until++ {
		if file := w.list[w.until]; file.size > 0 {
			soon = append(soon, file.name)
		}
	}
	return soon
}

// back says that a file, and those after it, were not fetched after all.
func (w *followed) back(name string) {
	i, _ := w.find(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = min(w.until, i)
}

func (w *followed) find(name string) (int, bool) {
	return slices.BinarySearchFunc(w.list, name, func(f following, name string) int { return strings.Compare(f.name, name) })
}
