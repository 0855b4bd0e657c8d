package hfblob

import (
	"context"
	"errors"
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

// treeList is the tree of a directory of a commit, as far as it was fetched.
type treeList struct {
	names []listed // sorted when it is whole
	next  string   // the URL of the next page; "" when it is whole
}

// trees remembers listings: those of a commit do not change. What it keeps has at most
// so many names in all, but for the newest.
type trees struct {
	mu    sync.Mutex // guards below
	lists *lru.Cache[string, treeList]
	names int
}

const keptNames = 200_000

func newTrees() *trees {
	t := &trees{}
	t.lists, _ = lru.NewWithEvict(64, func(_ string, l treeList) { t.names -= len(l.names) })
	return t
}

func (t *trees) get(key string) (treeList, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lists.Get(key)
}

// put keeps a list, unless as much is kept: of two who fetch it, one is ahead.
func (t *trees) put(key string, l treeList) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.lists.Peek(key); ok && (old.next == "" || l.next != "" && len(old.names) >= len(l.names)) {
		return
	}
	t.lists.Remove(key)
	t.names += len(l.names)
	t.lists.Add(key, l)
	for t.names > keptNames && t.lists.Len() > 1 {
		t.lists.RemoveOldest()
	}
}

// ErrMore says that a listing has been fetched in part, as ListOptions.Pages has it.
// Who lists again gets further.
var ErrMore = errors.New("the listing goes on")

// tree lists a directory of a commit by key, sorted: what lies directly in it, or all
// files below it. Of a directory that is not there it is nothing. What was fetched when
// an error came is kept.
func (r *Repo) tree(ctx context.Context, h Head, dir string, recursive bool, pages int) ([]listed, error) {
	key := fmt.Sprint(h.SHA, recursive, dir)
	l, ok := r.s.trees.get(key)
	if ok && l.next == "" {
		return l.names, nil
	}
	if !ok {
		if l.names, ok = r.s.local.tree(h.SHA, dir, recursive); !ok {
			l.next = r.firstPage(h, dir, recursive)
		}
	}
	// Another may go on from the same place: appending must not share.
	l.names = slices.Clip(l.names)
	for n := 0; l.next != ""; n++ {
		err := r.fetchPage(ctx, &l, recursive)
		if err == nil && l.next != "" && n+1 == pages {
			err = ErrMore
		}
		if err != nil {
			r.s.trees.put(key, l)
			return nil, err
		}
	}
	slices.SortFunc(l.names, func(a, b listed) int { return strings.Compare(a.key, b.key) })
	r.s.trees.put(key, l)
	return l.names, nil
}

func (r *Repo) firstPage(h Head, dir string, recursive bool) string {
	at := r.api("tree", h.SHA)
	if dir != "" {
		at += "/" + urlPath(dir)
	}
	q := url.Values{"recursive": {fmt.Sprint(recursive)}, "expand": {"false"}, "limit": {"1000"}}
	return at + "?" + q.Encode()
}

// nextLink finds the URL of the next page.
var nextLink = regexp.MustCompile(`<([^>]+)>;\s*rel="?next"?`)

// fetchPage adds the next page to l.
func (r *Repo) fetchPage(ctx context.Context, l *treeList, recursive bool) error {
	var page []wireEntry
	header, err := r.c.api(ctx, &request{method: http.MethodGet, url: l.next}, &page)
	if isMissingEntry(err) && len(l.names) == 0 {
		l.next = ""
		return nil
	}
	if err != nil {
		return err
	}
	next := ""
	if m := nextLink.FindStringSubmatch(header.Get("Link")); m != nil {
		u, err := r.c.base.Parse(m[1])
		if err != nil || !r.c.own(u) {
			return fmt.Errorf("the next page of %s is not on the Hub", r.uri)
		}
		next = u.String()
	}
	l.next = next
	for _, w := range page {
		e := w.entry()
		switch {
		case !e.Dir:
			l.names = append(l.names, listed{toKey(e.Path), e.Size, e.Tag})
		case !recursive:
			l.names = append(l.names, listed{key: toKey(e.Path) + "/"})
		}
	}
	return nil
}
