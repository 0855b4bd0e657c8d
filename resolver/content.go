package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// content is what a version's data was when somebody looked: enough to tell
// later whether it is still that, without reading it.
type content struct {
	path    string // the directory that is shown, or that of the iteration
	ino     uint64
	mtime   string // of the directory itself: when names in it came or went
	files   int
	bytes   int64
	newest  time.Time // of all times of modification
	digest  string    // of every path, size and time of modification in it
	partial bool      // there was more than was looked at
}

// What a log looks at. Its own latency is promised in milliseconds, and a file
// costs five microseconds here (measured) and half a millisecond on a busy server.
const (
	logBudget  = time.Millisecond
	logEntries = 200 // what that is enough for: more are given up at once
)

// content looks at the data of a version whose base is known, for at most budget
// (0: as long as it takes) and at most limit entries.
func (t *Tree) content(ctx context.Context, v *Version, budget time.Duration, limit int) (*content, error) {
	dir := filepath.Join(v.Base, v.iter)
	var found atomic.Pointer[content]
	err := t.data.Do(ctx, dir, func() error {
		c, err := look(dir, budget, limit)
		found.Store(c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found.Load(), nil
}

// look walks a directory without following links.
func look(dir string, budget time.Duration, limit int) (*content, error) {
	c := &content{path: dir}
	fi, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	c.ino, c.newest, c.mtime = inoOf(fi), fi.ModTime(), fi.ModTime().UTC().Format(time.RFC3339Nano)
	if !fi.IsDir() {
		return nil, fmt.Errorf("%s: is no directory any more", dir)
	}
	w := looking{content: c, sum: sha256.New(), left: limit}
	if budget > 0 {
		w.until = time.Now().Add(budget)
	}
	err = w.dir(dir, "")
	c.digest = hex.EncodeToString(w.sum.Sum(nil)[:8])
	return c, err
}

// looking is a walk that ends when its time or its entries are used up, within
// one directory of a million names too.
type looking struct {
	*content
	sum   hash.Hash
	left  int
	until time.Time // zero: any time
}

func (w *looking) over() bool {
	if w.left < 0 || !w.until.IsZero() && time.Now().After(w.until) {
		w.partial = true
	}
	return w.partial
}

func (w *looking) dir(dir, rel string) error {
	list, err := w.list(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if w.over() {
			return nil
		}
		if e.IsDir() {
			err = w.dir(filepath.Join(dir, e.Name()), rel+"/"+e.Name())
		} else {
			err = w.file(e, rel)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list reads a directory in pieces, and sorts it.
func (w *looking) list(dir string) ([]fs.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []fs.DirEntry
	for !w.over() {
		part, err := f.ReadDir(128)
		list = append(list, part...)
		w.left -= len(part)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

func (w *looking) file(e fs.DirEntry, rel string) error {
	fi, err := e.Info()
	if err != nil {
		return err
	}
	w.files++
	w.bytes += fi.Size()
	if fi.ModTime().After(w.newest) || w.files == 1 {
		w.newest = fi.ModTime()
	}
	fmt.Fprintf(w.sum, "%q %d %d\n", rel+"/"+e.Name(), fi.Size(), fi.ModTime().UnixNano())
	return nil
}

// object is the content as a sidecar keeps it.
func (c *content) object() manifest.Object {
	o := manifest.Object{{Key: "path", Value: c.path}, {Key: "ino", Value: manifest.Number(fmt.Sprint(c.ino))}}
	o.Set("mtime", c.mtime)
	if c.partial {
		o.Set("partial", true)
		return o
	}
	o.Set("files", c.files)
	o.Set("bytes", manifest.Number(fmt.Sprint(c.bytes)))
	o.Set("newest", c.newest.UTC().Format(time.RFC3339Nano))
	o.Set("digest", c.digest)
	return o
}

// contentOf reads what object wrote; nil if that is not there, or not of ours.
func contentOf(side manifest.Object) *content {
	o, ok := field[manifest.Object](side, "data")
	if !ok {
		return nil
	}
	c := &content{}
	c.path, _ = field[string](o, "path")
	c.mtime, _ = field[string](o, "mtime")
	c.digest, _ = field[string](o, "digest")
	c.partial, _ = field[bool](o, "partial")
	if c.ino, ok = number[uint64](o, "ino"); !ok || c.path == "" {
		return nil
	}
	if c.partial {
		return c
	}
	c.files, _ = number[int](o, "files")
	if c.bytes, ok = number[int64](o, "bytes"); !ok || c.digest == "" {
		return nil
	}
	return c
}

// number returns a whole number of an object, false if there is none of that name.
func number[T int | int64 | uint64](o manifest.Object, key string) (n T, ok bool) {
	text, ok := field[manifest.Number](o, key)
	if !ok {
		return 0, false
	}
	_, err := fmt.Sscan(string(text), &n)
	return n, err == nil
}

// loggedContent is what a log's sidecar says of the data, nil where it cannot be
// told at once. It is no reason for a log to fail.
func (t *Tree) loggedContent(ctx context.Context, name string, d *manifest.Draft, o LogOptions) manifest.Object {
	m, err := manifest.ParseManifest(d.ManifestBytes(1)) // as readers will have it
	if err != nil {
		return nil
	}
	v := &Version{Name: name, Record: &manifest.Record{Manifest: m}}
	if t.isRemote(v) {
		return t.loggedRemote(ctx, v, o)
	}
	path, err := localPath(v)
	if err != nil || t.resolveBase(ctx, v, path) != nil {
		return nil
	}
	c, err := t.content(ctx, v, logBudget, logEntries)
	if err != nil {
		return nil
	}
	return c.object()
}

// changedTo says what differs between what was logged and what is there, in words;
// nothing if nothing does.
func (c *content) changedTo(now *content) []string {
	if c.ino != now.ino {
		return []string{now.path + " is another directory than the one that was logged"}
	}
	if c.partial && c.mtime != now.mtime {
		return []string{"names in it were added, removed or renamed at " + now.mtime}
	}
	if c.partial || c.digest == now.digest {
		return nil
	}
	what := sizesChanged(c.files, now.files, c.bytes, now.bytes)
	if what == nil {
		what = append(what, "files of the same number and size were renamed, replaced or touched")
	}
	return append(what, "the last change was at "+now.newest.UTC().Format(time.RFC3339))
}
