package hfblob

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gocloud.dev/blob/driver"
)

// token is where a listing goes on: behind a key, in the commit that it began with.
type token struct {
	SHA  string `json:"sha"`
	Last string `json:"last"`
}

const pageSize = 1000

// ListOptions are what BeforeList can set, by As(**ListOptions).
type ListOptions struct {
	// Pages is how many pages of the Hub's are fetched before the listing fails with
	// ErrMore, for who bounds each of his calls. The Hub's are not sorted, so that all
	// of them are needed for the first of gocloud's. 0: as many as there are.
	Pages int
}

// ListPaged lists in one directory where the delimiter is a slash, and else all files
// below the prefix's directory. The time of each is that of the commit.
func (b *bucket) ListPaged(ctx context.Context, o *driver.ListOptions) (*driver.ListPage, error) {
	options := &ListOptions{}
	if o.BeforeList != nil {
		err := o.BeforeList(func(i any) bool {
			p, ok := i.(**ListOptions)
			if ok {
				*p = options
			}
			return ok
		})
		if err != nil {
			return nil, err
		}
	}
	var from token
	h, err := b.repo.startOf(ctx, o.PageToken, &from)
	if err != nil {
		return nil, err
	}
	dir, _ := cutLast(toPath(o.Prefix + "x")) // x: a prefix need not end where a name does
	l, err := b.repo.tree(ctx, h, dir, o.Delimiter != "/", options.Pages)
	if err != nil {
		return nil, err
	}
	size := o.PageSize
	if size == 0 {
		size = pageSize
	}
	page := &driver.ListPage{}
	last := from.Last
	start, _ := slices.BinarySearchFunc(l, max(o.Prefix, last), func(e listed, at string) int { return strings.Compare(e.key, at) })
	for _, e := range l[start:] {
		key, isDir, ok := collapse(e.key, o.Prefix, o.Delimiter)
		if !ok {
			break
		}
		if key <= last && last != "" {
			continue
		}
		if len(page.Objects) == size {
			page.NextPageToken, err = json.Marshal(token{h.SHA, last})
			return page, err
		}
		last = key
		page.Objects = append(page.Objects, b.listObject(e, key, isDir, h))
	}
	return page, nil
}

func (b *bucket) listObject(e listed, key string, isDir bool, h Head) *driver.ListObject {
	if isDir {
		return &driver.ListObject{Key: key, IsDir: true}
	}
	entry := &Entry{Path: toPath(e.key), Size: e.size, Tag: e.tag}
	return &driver.ListObject{Key: key, Size: e.size, ModTime: h.Modified, AsFunc: entry.as}
}

// startOf returns the commit that a listing is of.
func (r *Repo) startOf(ctx context.Context, page []byte, from *token) (Head, error) {
	if len(page) == 0 {
		return r.Head(ctx)
	}
	if err := json.Unmarshal(page, from); err != nil || !commitID.MatchString(from.SHA) {
		return Head{}, fmt.Errorf("a page's token is none that this driver gave: %w", fs.ErrInvalid)
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return Head{from.SHA, r.s.times[from.SHA]}, nil
}

// collapse returns what a key is in a listing: itself, a directory, or nothing.
func collapse(key, prefix, delimiter string) (as string, isDir, ok bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return "", false, false
	}
	if delimiter != "" {
		if i := strings.Index(rest, delimiter); i >= 0 {
			return prefix + rest[:i+len(delimiter)], true, true
		}
	}
	return key, false, true
}

// cutLast splits a path at its last slash.
func cutLast(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}
