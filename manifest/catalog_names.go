package manifest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// Names returns the components below prefix that lead to artifacts, sorted, with
// one request for each thousand; "" is the root. It fails with fs.ErrNotExist if the
// bucket answers and has no such prefix.
func (c *Catalog) Names(ctx context.Context, prefix string) ([]string, error) {
	if prefix != "" {
		if err := CheckName(prefix); err != nil {
			return nil, err
		}
	}
	if names, ok := c.youngNames(prefix); ok {
		return names.list(), nil
	}
	last, known := c.lastNames(prefix)
	err := c.missing()
	c.mu.Lock()
	gen := c.namesAt.UnixNano()
	c.mu.Unlock()
	ch := c.flights.DoChan("\x00names\x00"+strconv.FormatInt(gen, 10)+prefix, func() (any, error) {
		return c.listNames(context.WithoutCancel(ctx), prefix)
	})
	if err == nil {
		select {
		case r := <-ch:
			if r.Err == nil {
				return r.Val.([]string), nil
			}
			err = r.Err
		case <-c.enough(known):
			err = c.stillAway()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var gone *unreachable
	if errors.As(err, &gone) && known {
		return last.list(), nil
	}
	return nil, err
}

// lastNames returns the names below prefix that were seen last, however long ago, by
// themselves or with the versions of an artifact: the later of the two.
func (c *Catalog) lastNames(prefix string) (packed, bool) {
	l, ok := c.names.Get(prefix)
	if a, found := c.arts.Peek(prefix); found {
		c.mu.Lock()
		defer c.mu.Unlock()
		if a.last != nil && (!ok || a.last.at.After(l.at)) {
			return a.last.below, true
		}
	}
	if !ok {
		return "", false
	}
	return l.names, true
}

// youngNames returns the names below prefix of a listing that is young, or that were seen
// with the versions of an artifact at most a TTL ago.
func (c *Catalog) youngNames(prefix string) (packed, bool) {
	if l, ok := c.names.Get(prefix); ok && c.young(l) {
		return l.names, true
	}
	a, ok := c.arts.Peek(prefix)
	if !ok {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := a.last; s != nil && !a.old && s.at.After(c.namesAt) && time.Since(s.at) < c.life() {
		return s.below, true
	}
	return "", false
}

// young reports whether a listing is good for another. One that took longer than a TTL,
// 100,000 names at 150 ms a thousand, is kept for as long as it took: else none would
// ever be, and the store would be listed all the time.
func (c *Catalog) young(l *nameList) bool {
	life := c.life()
	return life > 0 && time.Since(l.at) < max(life, 2*l.took)
}

// namedFor is how long a name that was listed is taken to be there. What is below it is
// asked for anew; a name itself goes only with all its versions, by hand.
const namedFor = time.Minute

// Named reports whether a listing of late has name. Where it reports false the store has
// to be asked. So it costs none of 100,000 names a request that a caller looks at each of
// those it has just listed, however long that takes.
func (c *Catalog) Named(name string) bool {
	dir, base := path.Split(name)
	prefix := path.Clean("/" + dir)[1:]
	names, ok := c.youngNames(prefix)
	if l, listed := c.names.Get(prefix); !ok && listed && c.life() > 0 && time.Since(l.listed) < namedFor {
		names, ok = l.names, true
	}
	return ok && names.has(base)
}

func (c *Catalog) listNames(ctx context.Context, prefix string) ([]string, error) {
	begun := time.Now()
	at, b, commit := begun, c.b, ""
	if b.Commits() {
		h, err := c.view(ctx)
		if err != nil {
			return nil, err
		}
		at, b, commit = h.at, h.view.Bucket, h.view.ID()
	}
	names, any, tag := []string(nil), false, ""
	below := prefix
	if below != "" {
		below += "/"
	}
	err := b.List(ctx, below, "/", func(e bucket.Entry) error {
		any = true
		n := path.Base(e.Key)
		if e.Key == indexFile {
			tag = e.Tag
		}
		if _, _, version := number(n); e.Dir && !version && CheckName(n) == nil && path.Dir(below+"x") == path.Dir(e.Key) {
			names = append(names, n)
		}
		return nil
	})
	if err = c.judge(err); err != nil {
		if prefix != "" {
			err = fmt.Errorf("names below %s: %w", prefix, err)
		}
		return nil, err
	}
	if prefix == "" {
		c.seenIndex(at, commit, tag)
	}
	index, err := c.legacyIn(ctx, b, commit, at)
	if err != nil {
		return nil, err
	}
	names = append(names, index.below(prefix)...)
	if !any && len(names) == 0 && prefix != "" {
		return nil, c.noArtifact(prefix)
	}
	slices.Sort(names)
	names = slices.Clip(slices.Compact(names))
	now := time.Now()
	c.keepNames(prefix, &nameList{at: at, took: now.Sub(at), listed: now, names: pack(names)}, begun)
	return names, nil
}

// keepNames keeps a listing, unless a change of our own came after it had begun.
func (c *Catalog) keepNames(prefix string, l *nameList, begun time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if begun.After(c.namesAt) {
		c.names.Add(prefix, l)
	}
}

// expireNames has the next listing of names read the store. What is known stays as the
// last answer, for as long as the store gives none.
func (c *Catalog) expireNames() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.namesAt = time.Now()
	for _, prefix := range c.names.Keys() {
		if l, ok := c.names.Peek(prefix); ok {
			c.names.Add(prefix, &nameList{names: l.names, listed: l.listed})
		}
	}
}
