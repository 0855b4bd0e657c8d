package cache

import (
	"context"
	"io"

	"artifactfs.dev/artifactfs/internal/store"
)

// directMemory is what a store.Reader takes at most.
const directMemory = 4 << 20

// past reads from the store without keeping anything: as a stream if there is memory
// for that, else by a request for just what is read.
func (f *File) past(ctx context.Context, p []byte, off int64) (int, error) {
	if r := f.reader(); r != nil {
		n, err := r.ReadContext(ctx, p, off)
		if err == io.EOF {
			err = nil
		}
		return n, err
	}
	body, err := f.src.ReadRange(ctx, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p)
	return n, tooShort(err)
}

func (f *File) reader() *store.Reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.direct == nil && !f.closed && f.c.memory.TryAcquire(directMemory) {
		f.direct = store.NewReader(f.src, f.size, f.c.deadline)
	}
	return f.direct
}

// share is how much may be fetched of one file before it is asked for: that must not drive
// out what others have fetched. The mutex is held.
func (c *Cache) share() int64 { return c.limit / 4 / int64(max(c.open, 1)) }

// readAhead begins to fetch what is likely to be read next.
func (f *File) readAhead(ctx context.Context, off, n int64) {
	if f.o == nil || f.size <= wholeBelow {
		return
	}
	c := f.c
	c.mu.Lock()
	most := c.share()
	c.mu.Unlock()
	isFar := c.far(f.src)
	if isFar && n > farDemand { // what is asked for now comes sooner in parts
		f.ask(ctx, off, min(off+n, f.size), farDemand)
	}
	from, to := f.ahead.next(off, n, most, isFar)
	to = min(to, f.size)
	f.ask(ctx, from, to, requestLength(to-from, isFar))
}

// ask begins to fetch a range by requests of a length.
func (f *File) ask(ctx context.Context, from, to, long int64) {
	per := int64(f.c.unitsPer) * unit
	var g batch
	for from < to {
		end := min(from+long, to, (from/per+1)*per)
		if !f.prefetch(ctx, &g, from, end) {
			break
		}
		from = end
	}
	g.start()
}

// prefetch adds to a batch what is missing of a range within one block; false if
// there is nothing to spare for it.
func (f *File) prefetch(ctx context.Context, g *batch, from, to int64) bool {
	c := f.c
	per := int64(c.unitsPer) * unit
	b, err := c.hold(ctx, f.o, from/per)
	if err != nil {
		return false
	}
	defer c.release(b)
	i, last := int(from%per/unit), int((to-1)%per/unit)
	for ; i <= last; i++ {
		c.mu.Lock()
		missing := !b.have.has(i) && b.fetching(i) == nil
		c.mu.Unlock()
		if !missing {
			continue
		}
		if !c.memory.TryAcquire(piece) {
			return false
		}
		if !c.beginAhead(ctx, f, g, b, i, last) {
			c.memory.Release(piece)
			return false
		}
	}
	return true
}

func (c *Cache) beginAhead(ctx context.Context, f *File, g *batch, b *block, i, last int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.keeping() || b.o.bad != nil {
		return false
	}
	if b.have.has(i) || b.fetching(i) != nil {
		c.memory.Release(piece)
		return true
	}
	n := c.begin(ctx, b, f.src, i, last-i+1)
	n.ahead, n.paid = true, true
	g.fetches = append(g.fetches, n)
	return true
}
