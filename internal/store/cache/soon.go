package cache

import (
	"context"

	"artifactfs.dev/artifactfs/internal/store"
)

// soonFiles is how many files at a time are fetched before they are opened: a round trip
// of 20 ms leaves 44 small files a second to who waits for each, and 678 to sixteen at
// once (measured).
const soonFiles = 32

// Soon fetches in the background all of a file that is likely to be opened soon; find
// returns it, and its size, or no object after all. It is false if enough are being fetched, or nothing is kept:
// the file is not fetched then. What fails is found out by who opens the file.
func (c *Cache) Soon(find func(context.Context) (store.Object, int64, error)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.keeping() || c.soon >= soonFiles {
		return false
	}
	c.soon++
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.deadline())
		defer cancel()
		if src, size, err := find(ctx); err == nil && src != nil {
			f := c.Object(src, size)
			_ = f.all(ctx)
			f.Close()
		}
		c.mu.Lock()
		c.soon--
		c.mu.Unlock()
	})
	return true
}

// all fetches what is missing of a file.
func (f *File) all(ctx context.Context) error {
	if f.o == nil {
		return nil
	}
	fl := NewFiller(1)
	per := int64(f.c.unitsPer) * unit
	for index := range (f.size + per - 1) / per {
		if err := fl.block(ctx, f, index); err != nil {
			return err
		}
	}
	return nil
}
