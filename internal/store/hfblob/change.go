package hfblob

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WriteOptions are what BeforeWrite and BeforeDelete can set, by As(**WriteOptions).
type WriteOptions struct {
	Tag     string // the write holds only where this is the content, by Entry.Tag
	Message string // of the commit; "" says what is uploaded, or deleted
}

// ReadOptions are what BeforeRead can set, by As(**ReadOptions).
type ReadOptions struct {
	Tag string // the read fails with FailedPrecondition where the content is another
}

// condition is what must hold of an object in the parent of the commit that changes it.
type condition struct {
	absent bool
	there  bool
	tag    string // "": any
}

func (c condition) none() bool { return c == condition{} }

// holds says why an object may not be changed, if so.
func (c condition) holds(e Entry, there bool) error {
	switch {
	case c.absent && there:
		return errExists
	case c.there && !there:
		return errNotFound
	case c.tag != "" && (!there || e.Tag != c.tag):
		return errCondition
	}
	return nil
}

// change commits one file on a condition. The condition is looked at in the commit
// that is to be the parent, and the Hub refuses a parent that is not the last: so the
// parent may be what was last seen of the branch. Only a refusal is looked at again.
func (r *Repo) change(ctx context.Context, f File, message string, c condition) error {
	if err := r.Writable(); err != nil {
		return err
	}
	p, err := r.prepare(ctx, message, []File{f})
	if err != nil {
		return r.refused(ctx, err)
	}
	if err := r.s.take(ctx); err != nil {
		return err
	}
	defer r.s.give()
	begun := time.Now()
	for try := 0; ; try++ {
		parent, fresh, err := r.parent(ctx)
		if err != nil {
			return err
		}
		switch err := r.check(ctx, parent.SHA, f.Key, c); {
		case err != nil && fresh:
			return fmt.Errorf("%s in %s: %w", f.Key, r.uri, err)
		case err != nil:
			r.s.forget(r.uri.Rev)
			continue
		}
		_, err = r.commit(ctx, parent.SHA, p)
		if !errors.Is(err, ErrStale) {
			return r.refused(ctx, err)
		}
		r.s.forget(r.uri.Rev)
		if try == 0 {
			continue // it was only seen a while ago
		}
		if err := r.c.sleep(ctx, begun, min(backoff(try-1), time.Second), err); err != nil {
			return err
		}
	}
}

// parent returns what the branch is, or was when it was last seen.
func (r *Repo) parent(ctx context.Context) (h Head, fresh bool, err error) {
	if h, ok := r.s.last(r.uri.Rev); ok {
		return h, false, nil
	}
	h, err = r.Head(ctx)
	return h, true, err
}

func (r *Repo) check(ctx context.Context, sha, key string, c condition) error {
	if c.none() {
		return nil
	}
	path := toPath(key)
	found, err := r.pathsInfo(ctx, sha, []string{path}, false)
	if err != nil {
		return err
	}
	e, ok := found[path]
	return c.holds(e, ok && !e.Dir)
}
