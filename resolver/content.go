package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// content is what a version's data was when somebody looked: enough to tell
// later whether it is still that, without reading it.
type content struct {
	path    string // the directory that is shown, or that of the iteration
	ino     uint64
	files   int
	bytes   int64
	newest  time.Time // of all times of modification
	digest  string    // of every path, size and time of modification in it
	partial bool      // there was more than was looked at
}

// What a log looks at. Its own latency is promised in milliseconds, and a stat
// costs two microseconds here and half a millisecond on a busy file server.
const (
	logBudget  = time.Millisecond
	logEntries = 4096
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
	c.ino, c.newest = inoOf(fi), fi.ModTime()
	if !fi.IsDir() {
		return nil, fmt.Errorf("%s: is no directory any more", dir)
	}
	begin, entries, sum := time.Now(), 0, sha256.New()
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error { // in lexical order
		if err != nil {
			return err
		}
		if entries++; entries > limit || budget > 0 && time.Since(begin) > budget {
			c.partial = true
			return fs.SkipAll
		}
		if e.IsDir() {
			return nil
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		c.files++
		c.bytes += fi.Size()
		if fi.ModTime().After(c.newest) || c.files == 1 {
			c.newest = fi.ModTime()
		}
		fmt.Fprintf(sum, "%q %d %d\n", path[len(dir):], fi.Size(), fi.ModTime().UnixNano())
		return nil
	})
	c.digest = hex.EncodeToString(sum.Sum(nil)[:8])
	return c, err
}

// object is the content as a sidecar keeps it.
func (c *content) object() manifest.Object {
	o := manifest.Object{{Key: "path", Value: c.path}, {Key: "ino", Value: manifest.Number(fmt.Sprint(c.ino))}}
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
	v, _ := side.Get("data")
	o, ok := v.(manifest.Object)
	if !ok {
		return nil
	}
	c := &content{}
	var ino, bytes manifest.Number
	for key, dst := range map[string]any{"path": &c.path, "ino": &ino, "bytes": &bytes, "digest": &c.digest, "partial": &c.partial} {
		v, _ := o.Get(key)
		switch dst := dst.(type) {
		case *string:
			*dst, _ = v.(string)
		case *manifest.Number:
			*dst, _ = v.(manifest.Number)
		case *bool:
			*dst, _ = v.(bool)
		}
	}
	if n, _ := o.Get("files"); n != nil {
		num, _ := n.(manifest.Number)
		c.files, _ = num.Int()
	}
	_, err := fmt.Sscan(string(ino), &c.ino)
	if c.path == "" || err != nil {
		return nil
	}
	if c.partial {
		return c
	}
	if _, err := fmt.Sscan(string(bytes), &c.bytes); err != nil || c.digest == "" {
		return nil
	}
	return c
}

// loggedContent is what a log's sidecar says of the data, nil where it cannot be
// told at once. It is no reason for a log to fail.
func (t *Tree) loggedContent(ctx context.Context, name string, d *manifest.Draft) *content {
	v := &Version{Name: name, Record: &manifest.Record{Manifest: &d.Manifest}}
	path, err := localPath(v)
	if err != nil || t.resolveBase(ctx, v, path) != nil {
		return nil
	}
	c, err := t.content(ctx, v, logBudget, logEntries)
	if err != nil {
		return nil
	}
	return c
}

// changedTo says what differs between what was logged and what is there, in words;
// nothing if nothing does.
func (c *content) changedTo(now *content) []string {
	if c.ino != now.ino {
		return []string{now.path + " is another directory than the one that was logged"}
	}
	if c.partial || c.digest == now.digest {
		return nil
	}
	var what []string
	if n := now.files - c.files; n != 0 {
		what = append(what, fmt.Sprintf("%d files, %d when it was logged", now.files, c.files))
	}
	if now.bytes != c.bytes {
		what = append(what, fmt.Sprintf("%d bytes, %d when it was logged", now.bytes, c.bytes))
	}
	if what == nil {
		what = append(what, "files of the same number and size were renamed, replaced or touched")
	}
	return append(what, "the last change was at "+now.newest.UTC().Format(time.RFC3339))
}
