package cache

import (
	"context"
	"errors"
)

// reading is one read in one block.
type reading struct {
	f *File
	b *block

	written int // the block's, when what is read from the disk was there
	damaged int // how often what was on the disk was not what was written, since some of it was
	failed  int // how often a fetch failed that another began
}

// tries is how often a reading puts up with either.
const tries = 3

func (r *reading) read(ctx context.Context, p []byte, off int64) (int, error) {
	base, done := r.b.first()*unit, 0
	for done < len(p) {
		at := off + int64(done) - base
		i, last := int(at/unit), int((at+int64(len(p)-done)-1)/unit)
		there, err := r.await(ctx, i, last)
		if err != nil {
			return done, err
		}
		if there == 0 {
			continue
		}
		part := p[done:min(int64(len(p)), int64(done)+int64(i+there)*unit-at)]
		k, err := r.fromDisk(ctx, part, base+at)
		if k > 0 {
			r.damaged = 0 // more of what an earlier process left may be damaged than was swept
		}
		if done += k; err != nil {
			return done, err
		} else if k == len(part) {
			continue
		}
		if !r.sweep(ctx, int((at+int64(k))/unit), last) {
			continue // it has been written anew
		}
		if r.damaged++; r.damaged == tries {
			return done, errNotKept
		}
	}
	return done, nil
}

// sweep loses unit i and those up to last that are damaged as well, so that they are
// fetched with one request. It reports whether there was one to lose.
func (r *reading) sweep(ctx context.Context, i, last int) bool {
	c := r.f.c
	if !c.lose(r.b, i, r.written) {
		return false
	}
	one := unitBuffers.Get().(*[]byte)
	defer unitBuffers.Put(one)
	for i++; i <= last; i++ {
		c.mu.Lock()
		there, written := r.b.have.has(i), r.b.written
		c.mu.Unlock()
		u := r.b.first() + int64(i)
		if !there {
			continue
		}
		n := r.f.o.length(u)
		if k, err := r.fromDisk(ctx, (*one)[:n], u*unit); err == nil && k < n {
			c.lose(r.b, i, written)
		}
	}
	return true
}

// fromDisk reads units that should be there; fewer bytes if one is not what was written.
// What is in memory is read at once, for the rest the disk is waited for.
func (r *reading) fromDisk(ctx context.Context, p []byte, off int64) (n int, err error) {
	if d := r.f.o.disk.Load(); d != nil && !r.f.c.inMemory {
		n = d.read(readNow, p, off)
	}
	for n < len(p) {
		part := p[n:min(len(p), n+piece)]
		k, err := r.wait(ctx, part, off+int64(n))
		if n += k; err != nil || k < len(part) {
			return n, err
		}
	}
	return n, nil
}

// wait reads at most a piece. The buffer is not the reader's, who may leave.
func (r *reading) wait(ctx context.Context, p []byte, off int64) (int, error) {
	c, o, k := r.f.c, r.f.o, 0
	b := pieces.Get().(*[]byte)
	read := func() error {
		d, err := o.files()
		if err != nil {
			c.failed(err)
			return nil
		}
		k = d.read(readWait, (*b)[:len(p)], off)
		return nil
	}
	if c.inMemory {
		_ = read()
	} else {
		c.mu.Lock()
		o.claims++
		c.mu.Unlock()
		begun, err := c.apart(ctx, read, func() {
			pieces.Put(b)
			c.disclaim(o)
		})
		if !begun || err == nil {
			c.mu.Lock()
			o.claims-- // not the last: the reader's own is left
			c.mu.Unlock()
		}
		if errors.Is(err, errHung) {
			return 0, errNotKept
		} else if err != nil {
			return 0, err
		}
	}
	defer pieces.Put(b)
	return copy(p, (*b)[:k]), nil
}

// lose notes that a unit is not what was written, when the block had been written so
// often: what has come since may be the same unit, fetched for somebody who noticed before.
func (c *Cache) lose(b *block, i, written int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.written != written {
		return false
	}
	b.have.unset(i)
	b.o.good = stamp{}
	if d := b.o.disk.Load(); d != nil {
		d.ours.Store(false)
	}
	return true
}

// await waits until unit i can be read, which it fetches with those up to last if
// nobody does. It returns how many there are from i to last; 0: try again.
func (r *reading) await(ctx context.Context, i, last int) (int, error) {
	c, b := r.f.c, r.b
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.o.bad != nil {
		return 0, b.o.bad
	}
	defer func() { r.written = b.written }()
	if n := b.run(i, last); n > 0 {
		return n, nil
	}
	f, mine := b.fetching(i), false
	if f == nil {
		if !c.keeping() {
			return 0, errNotKept
		}
		mine = true
		from, want := i, last-i+1
		if b.o.size <= wholeBelow {
			want = b.units()
			for from > 0 && !b.have.has(from-1) && b.fetching(from-1) == nil {
				from--
			}
		}
		f = c.begin(ctx, b, r.f.src, from, want)
		(&batch{fetches: []*fetch{f}}).start()
	}
	if err := c.watch(ctx, f, i); err != nil {
		return 0, err
	}
	if n := b.run(i, last); n > 0 || f.err == nil {
		return n, nil
	}
	if r.failed++; mine || r.failed == tries || errors.Is(f.err, errNotKept) {
		return 0, f.err
	}
	return 0, nil // it was another's, and may have been of before the store came back
}

// watch waits until a fetch has brought unit i, or is over. The mutex is held, but not
// while it waits.
func (c *Cache) watch(ctx context.Context, f *fetch, i int) error {
	f.waiters++
	defer func() { f.waiters-- }()
	for f.next <= i && !f.over {
		if c.hung > 0 {
			return errNotKept
		}
		moved, stuck := f.moved, c.stuck
		c.mu.Unlock()
		select {
		case <-moved:
		case <-stuck:
		case <-ctx.Done():
		}
		c.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// run returns how many units from i to last can be read, up to the first that cannot.
func (b *block) run(i, last int) int {
	n := 0
	for i+n <= last && b.have.has(i+n) {
		n++
	}
	return n
}
