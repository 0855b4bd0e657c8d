package hfblob

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Repo is a repository at a revision, a branch or one commit. It is what Bucket.As
// gives for a **Repo, and is safe for concurrent use.
type Repo struct {
	uri    URI
	c      *client
	s      *shared
	pinned *Head // the commit that it is at, where that is one
}

// shared is what views of one repository have in common.
type shared struct {
	local localCache
	trees *trees
	links *lru.Cache[string, link]
	turn  chan struct{} // taken by who commits: who races with his own process only loses

	mu    sync.Mutex           // guards below
	heads map[string]Head      // what each branch was when it was last seen
	times map[string]time.Time // when a commit was made, of the latest that were seen
}

// Head is the commit that a revision is.
type Head struct {
	SHA      string
	Modified time.Time // when it was made, or a later time
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Open returns the repository of a URI. Nothing is asked of the Hub.
func Open(uri URI, o *Options) (*Repo, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	links, _ := lru.New[string, link](4096)
	r := &Repo{uri: uri.Repo(), c: c, s: &shared{trees: newTrees(), links: links, turn: make(chan struct{}, 1), heads: map[string]Head{}, times: map[string]time.Time{}}}
	r.s.local.dir = localDir(c.o.CacheDir, uri)
	if r.uri.Rev == "" {
		r.uri.Rev = "main"
	}
	return r, nil
}

// URI returns where the repository is.
func (r *Repo) URI() URI { return r.uri }

// Offline reports whether all answers come from the local cache.
func (r *Repo) Offline() bool { return r.c.o.Offline }

// At returns the repository as it was at a commit. It can only be read, and what is
// asked of it has always the same answer.
func (r *Repo) At(h Head) *Repo {
	uri := r.uri
	uri.Rev = h.SHA
	return &Repo{uri: uri, c: r.c, s: r.s, pinned: &h}
}

// api is the URL of something about the repository.
func (r *Repo) api(verb string, rest ...string) string {
	u := r.c.base.String() + "/api/" + r.uri.Kind + "/" + r.uri.ID + "/" + verb
	for _, p := range rest {
		u += "/" + url.PathEscape(p)
	}
	return u
}

// page is the URL of one of the repository's pages.
func (r *Repo) page() string {
	prefix := "/"
	if r.uri.Kind != "models" {
		prefix += r.uri.Kind + "/"
	}
	return r.c.base.String() + prefix + r.uri.ID
}

// Head asks which commit the revision is now.
func (r *Repo) Head(ctx context.Context) (Head, error) {
	if r.pinned != nil {
		return *r.pinned, nil
	}
	if r.c.o.Offline {
		return r.s.local.head(r.uri.Rev)
	}
	var out struct {
		SHA          string
		LastModified time.Time
	}
	q := url.Values{"expand": {"sha", "lastModified"}}
	if _, err := r.c.api(ctx, &request{method: http.MethodGet, url: r.api("revision", r.uri.Rev) + "?" + q.Encode()}, &out); err != nil {
		return Head{}, err
	}
	if !commitID.MatchString(out.SHA) {
		return Head{}, fmt.Errorf("the Hub does not say which commit %s is", r.uri)
	}
	h := Head{out.SHA, out.LastModified}
	r.s.saw(r.uri.Rev, h)
	return h, nil
}

func (s *shared) saw(rev string, h Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.times) >= 64 {
		clear(s.times)
	}
	s.heads[rev], s.times[h.SHA] = h, h.Modified
}

// last returns what a branch was when it was last seen.
func (s *shared) last(rev string) (Head, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.heads[rev]
	return h, ok
}

func (s *shared) forget(rev string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.heads, rev)
}

// Entry is what is known of an object.
type Entry struct {
	Path     string // in the repository
	Dir      bool
	Size     int64
	Tag      string    // git's name of the content; of what is in LFS, its SHA-256
	Modified time.Time // when it was last changed, where that was asked for
}

// wireEntry is an entry as the Hub writes it.
type wireEntry struct {
	Type, Path, OID string
	Size            int64
	LFS             *struct {
		OID  string
		Size int64
	}
	LastCommit *struct{ Date time.Time }
}

func (w *wireEntry) entry() Entry {
	e := Entry{Path: w.Path, Dir: w.Type == "directory", Size: w.Size, Tag: w.OID}
	if w.LFS != nil {
		e.Size, e.Tag = w.LFS.Size, w.LFS.OID
	}
	if w.LastCommit != nil {
		e.Modified = w.LastCommit.Date
	}
	return e
}

// pathsInfo looks at paths, 500 at a time, in a revision. What is not there is not in
// the answer.
func (r *Repo) pathsInfo(ctx context.Context, rev string, paths []string, times bool) (map[string]Entry, error) {
	found := map[string]Entry{}
	for len(paths) > 0 {
		n := min(len(paths), 500)
		var out []wireEntry
		q := &request{method: http.MethodPost, url: r.api("paths-info", rev)}
		if _, err := r.c.api(ctx, jsonBody(q, map[string]any{"paths": paths[:n], "expand": times}), &out); err != nil {
			return nil, err
		}
		for _, w := range out {
			found[w.Path] = w.entry()
		}
		paths = paths[n:]
	}
	return found, nil
}

// Look looks at objects and directories, by key, in one request for 500. What is not
// there is not in the answer. A directory's tag is git's name of its tree.
func (r *Repo) Look(ctx context.Context, keys ...string) (map[string]Entry, error) {
	paths := make([]string, len(keys))
	for i, k := range keys {
		paths[i] = toPath(k)
	}
	byPath, err := r.pathsInfo(ctx, r.uri.Rev, paths, false)
	if err != nil {
		return nil, err
	}
	found := make(map[string]Entry, len(byPath))
	for i, k := range keys {
		if e, ok := byPath[paths[i]]; ok {
			found[k] = e
		}
	}
	return found, nil
}

// stat looks at one object.
func (r *Repo) stat(ctx context.Context, key string) (Entry, error) {
	path := toPath(key)
	if r.c.o.Offline {
		return r.statLocal(ctx, path)
	}
	found, err := r.pathsInfo(ctx, r.uri.Rev, []string{path}, true)
	if err != nil {
		return Entry{}, err
	}
	e, ok := found[path]
	if !ok || e.Dir {
		return Entry{}, r.none(key)
	}
	return e, nil
}

func (r *Repo) none(key string) error {
	return fmt.Errorf("%s has no %s: %w", r.uri, strings.TrimSpace(key), errNotFound)
}
