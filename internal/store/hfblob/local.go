package hfblob

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// localCache is one repository's part of the cache that huggingface_hub keeps on this
// machine: blobs by tag, snapshots by commit, refs by branch. Files in it are whole
// when they are seen. It is only read.
type localCache struct{ dir string }

// localDir is where a cache has a repository; "" where there is no cache.
func localDir(cache string, u URI) string {
	if cache == "" {
		return ""
	}
	return filepath.Join(cache, u.Kind+"--"+strings.ReplaceAll(u.ID, "/", "--"))
}

var tagPattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// blob opens content by its tag.
func (c localCache) blob(tag string) (*os.File, int64, bool) {
	if c.dir == "" || !tagPattern.MatchString(tag) {
		return nil, 0, false
	}
	return openRegular(filepath.Join(c.dir, "blobs", tag))
}

func openRegular(name string) (*os.File, int64, bool) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, false
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, 0, false
	}
	return f, fi.Size(), true
}

// file opens a path of a commit, and says its tag where the name of the content is one.
func (c localCache) file(sha, path string) (f *os.File, size int64, tag string, ok bool) {
	if c.dir == "" || !commitID.MatchString(sha) || !filepath.IsLocal(path) {
		return nil, 0, "", false
	}
	name := filepath.Join(c.dir, "snapshots", sha, filepath.FromSlash(path))
	if to, err := os.Readlink(name); err == nil && tagPattern.MatchString(filepath.Base(to)) {
		tag = filepath.Base(to)
	}
	f, size, ok = openRegular(name)
	return f, size, tag, ok
}

// absent reports whether a commit is known to have no such path.
func (c localCache) absent(sha, path string) bool {
	if c.dir == "" || !commitID.MatchString(sha) || !filepath.IsLocal(path) {
		return false
	}
	_, err := os.Stat(filepath.Join(c.dir, ".no_exist", sha, filepath.FromSlash(path)))
	return err == nil
}

// head returns what a branch or a tag was when the cache was filled; of a commit, that.
func (c localCache) head(rev string) (Head, error) {
	if c.dir == "" || !filepath.IsLocal(rev) {
		return Head{}, errOffline
	}
	if fi, err := os.Stat(filepath.Join(c.dir, "snapshots", rev)); err == nil && commitID.MatchString(rev) {
		return Head{SHA: rev, Modified: fi.ModTime()}, nil
	}
	name := filepath.Join(c.dir, "refs", filepath.FromSlash(rev))
	b, err := os.ReadFile(name)
	sha := strings.TrimSpace(string(b))
	if err != nil || !commitID.MatchString(sha) {
		return Head{}, fmt.Errorf("which commit %s is: %w", rev, errOffline)
	}
	h := Head{SHA: sha}
	if fi, err := os.Stat(name); err == nil {
		h.Modified = fi.ModTime()
	}
	return h, nil
}

// tree lists a directory of a commit, if the cache has its tree.
func (c localCache) tree(sha, dir string, recursive bool) ([]listed, bool) {
	if c.dir == "" || !commitID.MatchString(sha) {
		return nil, false
	}
	b, err := os.ReadFile(filepath.Join(c.dir, "trees", sha+".json"))
	var all struct {
		Version int `json:"format_version"`
		Files   map[string]struct {
			Size    int64  `json:"size"`
			Blob    string `json:"blob_id"`
			SHA256  string `json:"lfs_sha256"`
			LFSSize int64  `json:"lfs_size"`
		} `json:"files"`
	}
	if err != nil || json.Unmarshal(b, &all) != nil || all.Version != 1 || all.Files == nil {
		return nil, false
	}
	if dir != "" {
		dir += "/"
	}
	var l []listed
	dirs := map[string]bool{}
	for path, f := range all.Files {
		rest, ok := strings.CutPrefix(path, dir)
		if !ok {
			continue
		}
		if name, _, deeper := strings.Cut(rest, "/"); deeper && !recursive {
			dirs[dir+name] = true
			continue
		}
		e := listed{toKey(path), f.Size, f.Blob}
		if f.SHA256 != "" {
			e.size, e.tag = f.LFSSize, f.SHA256
		}
		l = append(l, e)
	}
	for d := range dirs {
		l = append(l, listed{key: toKey(d) + "/"})
	}
	return l, true
}

// statLocal looks at an object where the Hub may not be asked.
func (r *Repo) statLocal(ctx context.Context, path string) (Entry, error) {
	h, err := r.Head(ctx)
	if err != nil {
		return Entry{}, err
	}
	if f, size, tag, ok := r.s.local.file(h.SHA, path); ok {
		f.Close()
		return Entry{Path: path, Size: size, Tag: tag, Modified: h.Modified}, nil
	}
	dir, _ := cutLast(path)
	l, known := r.s.local.tree(h.SHA, dir, false)
	for _, e := range l {
		if e.key == toKey(path) {
			return Entry{Path: path, Size: e.size, Tag: e.tag, Modified: h.Modified}, nil
		}
	}
	if known || r.s.local.absent(h.SHA, path) {
		return Entry{}, r.none(toKey(path))
	}
	return Entry{}, fmt.Errorf("%s: %w", path, errOffline)
}

// openLocal opens an object where the Hub may not be asked.
func (r *Repo) openLocal(ctx context.Context, path, tag string) (*os.File, Entry, error) {
	e, err := r.statLocal(ctx, path)
	if err != nil {
		return nil, e, err
	}
	if tag != "" && e.Tag != tag {
		return nil, e, errCondition
	}
	if f, _, ok := r.s.local.blob(e.Tag); ok {
		return f, e, nil
	}
	h, err := r.Head(ctx)
	if err != nil {
		return nil, e, err
	}
	f, _, _, ok := r.s.local.file(h.SHA, path)
	if !ok {
		return nil, e, fmt.Errorf("%s: %w", path, errOffline)
	}
	return f, e, nil
}
