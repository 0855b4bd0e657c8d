package cache

import "context"

// restFiles is how many files there are at a time of which the rest is fetched. A file of
// which half was read, by whomever, is likely to be read on, and is passed through once
// all of it is there. Who reads goes first: the rest is fetched by one request at a time,
// and not of a file that would drive out what others read.
const restFiles = 4

// noteRead marks what was read of a block, and begins to fetch the rest of its object
// when that makes half of it.
func (c *Cache) noteRead(f *File, b *block, from, to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := b.o
	for i := from; i < to; i++ {
		if !b.read.has(i) {
			b.read.set(i)
			o.read++
		}
	}
	units := (o.size + unit - 1) / unit
	if 2*o.read < units || o.endRest != nil || o.rested || o.size <= wholeBelow || o.size > c.share() || c.rests >= restFiles || !c.keeping() {
		return
	}
	ctx, cancel := context.WithCancel(c.ctx)
	o.endRest = cancel
	c.rests++
	o.claims++
	c.running.Go(func() {
		defer cancel()
		c.fetchRest(ctx, &File{c: c, src: f.src, size: f.size, o: o})
	})
}

// fetchRest goes on when nobody has the file open any more, and ends with the cache, or
// when something of the file is evicted: the cache is too small then. Where the store
// fails, it begins again with the next read.
func (c *Cache) fetchRest(ctx context.Context, f *File) {
	err := NewFiller(1).fetch(ctx, f)
	c.mu.Lock()
	c.rests--
	f.o.endRest = nil
	f.o.rested = f.o.rested || err == nil
	c.mu.Unlock()
	if err == nil {
		c.checkLater(f.o, f.src)
	}
	c.disclaim(f.o)
}
