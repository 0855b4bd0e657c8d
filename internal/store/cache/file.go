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
