package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
)

// File is an open object. It is a store.Object itself. Its methods may be used
// concurrently.
type File struct {
	c     *Cache
	src   store.Object
	size  int64
	o     *object // nil: nothing of it is kept
	ahead ahead

	mu     sync.Mutex    // guards what follows
	direct *store.Reader // reads past the cache; nil: none did yet
	held   []*block      // by Open
	closed bool
}

var _ store.Object = (*File)(nil)

// Object opens an object of size bytes. One without a key is read without keeping it.
func (c *Cache) Object(src store.Object, size int64) *File {
	f := &File{c: c, src: src, size: size}
	key := src.Key()
	if key == "" || len(key) > maxKey || size <= 0 {
		return f
	}
	if f.o = c.claim(head{key: key, size: size}); f.o == nil {
		return f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.o.opens++
	c.open++
	return f
}

// Close ends the use of a file, after the reads under way. What was only fetched ahead
// is no longer wanted.
func (f *File) Close() error {
	f.mu.Lock()
	held, direct, closed := f.held, f.direct, f.closed
	f.held, f.direct, f.closed = nil, nil, true
	f.mu.Unlock()
	if direct != nil {
		direct.Close()
		f.c.memory.Release(directMemory)
	}
	if f.o == nil || closed {
		return nil
	}
	f.c.mu.Lock()
	f.c.open--
	if f.o.opens--; f.o.opens == 0 {
		f.o.bad = nil // who opens it next finds out anew
		for _, b := range f.o.blocks {
			b.cancelAhead()
		}
	}
	for _, b := range held {
		f.c.letGo(b)
	}
	f.c.mu.Unlock()
	f.c.disclaim(f.o)
	return nil
}

func (b *block) cancelAhead() {
	for _, g := range b.fetches {
		if g.ahead && g.waiters == 0 {
			g.cancel()
		}
	}
}

// Key is the object's.
func (f *File) Key() string { return f.src.Key() }

// ReadAt reads len(p) bytes at off, fewer only at the end, with io.EOF. Past the
// deadline it is os.ErrDeadlineExceeded. An error of the network's is EIO.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadContext(context.Background(), p, off)
}

// ReadContext is ReadAt that ends with ctx as well.
func (f *File) ReadContext(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	eof := error(nil)
	if rest := max(0, f.size-off); int64(len(p)) > rest {
		p, eof = p[:rest], io.EOF
	}
	if len(p) == 0 {
		return 0, eof
	}
	wait := f.c.deadline()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f.readAhead(ctx, off, int64(len(p)))
	done := 0
	for done < len(p) {
		n, err := f.part(ctx, p[done:], off+int64(done))
		done += n
		if err != nil {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				err = fmt.Errorf("bytes %d to %d of %d: not within %v: %w", off, off+int64(len(p)), f.size, wait, os.ErrDeadlineExceeded)
			}
			return done, store.NetworkError(err)
		}
	}
	return done, eof
}

// part reads what p takes of one block.
func (f *File) part(ctx context.Context, p []byte, off int64) (int, error) {
	if f.o == nil {
		return f.past(ctx, p, off)
	}
	per := int64(f.c.unitsPer) * unit
	p = p[:min(int64(len(p)), (off/per+1)*per-off)]
	b, err := f.c.hold(ctx, f.o, off/per)
	if errors.Is(err, errHung) {
		return f.past(ctx, p, off)
	} else if err != nil {
		return 0, err
	}
	defer f.c.release(b)
	r := reading{f: f, b: b}
	n, err := r.read(ctx, p, off)
	if n > 0 {
		at := off - b.first()*unit
		f.c.noteRead(f, b, int(at/unit), int((at+int64(n)+unit-1)/unit))
	}
	if errors.Is(err, errNotKept) {
		k, err := f.past(ctx, p[n:], off+int64(n))
		return n + k, err
	}
	return n, err
}

// reading is one read in one block.
type reading struct {
	f *File
	b *block

	damaged int // how often what was on the disk was not what was written
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
		if done += k; err != nil {
			return done, err
		} else if k == len(part) {
			continue
		}
		r.sweep(ctx, int((at+int64(k))/unit), last)
		if r.damaged++; r.damaged == tries {
			return done, errNotKept
		}
	}
	return done, nil
}

// sweep loses unit i and those up to last that are damaged as well, so that they are
// fetched with one request.
func (r *reading) sweep(ctx context.Context, i, last int) {
	c := r.f.c
	c.lose(r.b, i)
	one := unitBuffers.Get().(*[]byte)
	defer unitBuffers.Put(one)
	for i++; i <= last; i++ {
		c.mu.Lock()
		there := r.b.have.has(i)
		c.mu.Unlock()
		u := r.b.first() + int64(i)
		if !there {
			continue
		}
		n := r.f.o.length(u)
		if k, err := r.fromDisk(ctx, (*one)[:n], u*unit); err == nil && k < n {
			c.lose(r.b, i)
		}
	}
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

// lose notes that a unit is not what was written.
func (c *Cache) lose(b *block, i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.have.unset(i)
	b.o.good = stamp{}
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
		go f.run()
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
