package hfblob

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
)

// listed is one name of a listing, its key with a slash where it is a directory.
type listed struct {
	key  string
	size int64
	tag  string
}

// trees remembers listings: those of a commit do not change. What it keeps has at most
// so many names in all, but for the newest.
type trees struct {
	mu    sync.Mutex // guards below
	lists *lru.Cache[string, []listed]
	names int
}

const keptNames = 200_000

func newTrees() *trees {
	t := &trees{}
	t.lists, _ = lru.NewWithEvict(64, func(_ string, l []listed) { t.names -= len(l) })
	return t
}

func (t *trees) get(key string) ([]listed, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lists.Get(key)
}

func (t *trees) put(key string, l []listed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lists.Remove(key)
	t.names += len(l)
	t.lists.Add(key, l)
	for t.names > keptNames && t.lists.Len() > 1 {
		t.lists.RemoveOldest()
	}
}

// tree lists a directory of a commit by key, sorted: what lies directly in it, or all
// files below it. Of a directory that is not there it is nothing.
func (r *Repo) tree(ctx context.Context, h Head, dir string, recursive bool) ([]listed, error) {
	key := fmt.Sprint(h.SHA, recursive, dir)
	if l, ok := r.s.trees.get(key); ok {
		return l, nil
	}
	l, ok := r.s.local.tree(h.SHA, dir, recursive)
	if !ok {
		var err error
		if l, err = r.fetchTree(ctx, h, dir, recursive); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(l, func(a, b listed) int { return strings.Compare(a.key, b.key) })
	r.s.trees.put(key, l)
	return l, nil
}

// next finds the URL of the next page.
var next = regexp.MustCompile(`<([^>]+)>;\s*rel="?next"?`)

func (r *Repo) fetchTree(ctx context.Context, h Head, dir string, recursive bool) ([]listed, error) {
	at := r.api("tree", h.SHA)
	if dir != "" {
		at += "/" + urlPath(dir)
	}
	q := url.Values{"recursive": {fmt.Sprint(recursive)}, "expand": {"false"}, "limit": {"1000"}}
	var l []listed
	for at += "?" + q.Encode(); at != ""; {
		var page []wireEntry
		header, err := r.c.api(ctx, &request{method: http.MethodGet, url: at}, &page)
		if isMissingEntry(err) && len(l) == 0 {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, w := range page {
			e := w.entry()
			switch {
			case !e.Dir:
				l = append(l, listed{toKey(e.Path), e.Size, e.Tag})
			case !recursive:
				l = append(l, listed{key: toKey(e.Path) + "/"})
			}
		}
		at = ""
		if m := next.FindStringSubmatch(header.Get("Link")); m != nil {
			u, err := r.c.base.Parse(m[1])
			if err != nil || !r.c.own(u) {
				return nil, fmt.Errorf("the next page of %s is not on the Hub", r.uri)
			}
			at = u.String()
		}
	}
	return l, nil
}
