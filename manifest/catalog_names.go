package manifest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
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
	l, known := c.names.Get(prefix)
	if known && time.Since(l.at) < c.life() {
		return l.names.list(), nil
	}
	err := c.missing()
	ch := c.flights.DoChan("\x00names\x00"+prefix, func() (any, error) {
		return c.listNames(context.WithoutCancel(ctx), prefix)
	})
	if err == nil {
		select {
		case r := <-ch:
			if r.Err == nil {
				return r.Val.([]string), nil
			}
			err = r.Err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var gone *unreachable
	if errors.As(err, &gone) && known {
		return l.names.list(), nil
	}
	return nil, err
}

func (c *Catalog) listNames(ctx context.Context, prefix string) ([]string, error) {
	at, b := time.Now(), c.b
	if b.Commits() {
		h, err := c.view(ctx)
		if err != nil {
			return nil, err
		}
		at, b = h.at, h.view.Bucket
	}
	names, any := []string(nil), false
	below := prefix
	if below != "" {
		below += "/"
	}
	err := b.List(ctx, below, "/", func(e bucket.Entry) error {
		any = true
		n := path.Base(e.Key)
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
	if !any && prefix != "" {
		return nil, c.noArtifact(prefix)
	}
	slices.Sort(names)
	names = slices.Clip(slices.Compact(names))
	c.names.Add(prefix, &nameList{at: at, names: pack(names)})
	return names, nil
}

// expireNames has the next listing of names read the store. What is known stays as the
// last answer, for as long as the store gives none.
func (c *Catalog) expireNames() {
	for _, prefix := range c.names.Keys() {
		if l, ok := c.names.Peek(prefix); ok {
			c.names.Add(prefix, &nameList{names: l.names})
		}
	}
}
