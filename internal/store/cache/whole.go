package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/internal/store"
)

// Digester is an object whose content's digest is known: of "md5", "sha256" or
// "xxh128" (big endian). Others are not verified.
type Digester interface {
	Digest() (algorithm string, sum []byte)
}

// ErrIncomplete is that not all of a file is on the disk, or not all of it is right.
var ErrIncomplete = errors.New("not all of it is in the cache")

// stamp tells whether a file is as it was.
type stamp struct {
	ino        uint64
	size       int64
	mtim, ctim unix.Timespec
}

func stampOf(f *os.File) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return stamp{}, err
	}
	return stamp{st.Ino, st.Size, st.Mtim, st.Ctim}, nil
}

// touch marks the files as used now.
func (d *disk) touch() {
	now := time.Now()
	_ = os.Chtimes(d.sums.Name(), now, now) // it only orders what is evicted
}

// Open returns the file on the disk that has all of the content, for reading, after
// all of it has been read and found right: once, and again after a change. It stays
// as it is while f or the very file is open, also where only the kernel still has it
// (FUSE passthrough, a mapping) and this process was killed. The error is ErrIncomplete
// as long as something is missing. The caller closes what it gets.
func (f *File) Open(ctx context.Context) (*os.File, error) {
	if f.o == nil {
		return nil, ErrIncomplete
	}
	blocks := f.c.holdAll(f.o)
	if blocks == nil {
		return nil, ErrIncomplete
	}
	file, err := f.c.openWhole(ctx, f.o, f.src)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || f.closed || f.held != nil {
		f.c.mu.Lock()
		defer f.c.mu.Unlock()
		for _, b := range blocks {
			f.c.letGo(b)
		}
	} else {
		f.held = blocks
	}
	return file, err
}

// Ready is Open where that takes no reading. If all of the content is there, and nobody
// has looked whether it is right, that is done in the background, for the next time.
func (f *File) Ready() (*os.File, error) {
	if f.o == nil {
		return nil, ErrIncomplete
	}
	f.c.mu.Lock()
	looked := f.o.good != stamp{}
	f.c.mu.Unlock()
	if !looked {
		f.c.checkLater(f.o, f.src)
		return nil, ErrIncomplete
	}
	return f.c.openGood(f.o)
}

// isGood locks a file, which is then not changed, and reports whether it is the one
// that was found right.
func (c *Cache) isGood(o *object, f *os.File) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return ErrIncomplete
	}
	now, err := stampOf(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || now != o.good {
		return ErrIncomplete
	}
	return nil
}

// whole reports whether all units are there. The mutex is held.
func (o *object) whole() bool {
	per := int64(o.c.unitsPer) * unit
	if int64(len(o.blocks)) != (o.size+per-1)/per {
		return false
	}
	for _, b := range o.blocks {
		if b.gone != nil || b.have.count() < b.units() {
			return false
		}
	}
	return true
}

// holdAll holds all blocks of an object; nil if not all units are there.
func (c *Cache) holdAll(o *object) []*block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !o.whole() {
		return nil
	}
	held := make([]*block, 0, len(o.blocks))
	for _, b := range o.blocks {
		c.useBlock(b)
		held = append(held, b)
	}
	return held
}

func (c *Cache) openWhole(ctx context.Context, o *object, src store.Object) (*os.File, error) {
	if err := c.check(ctx, o, src); err != nil {
		return nil, err
	}
	return c.openGood(o)
}

// openGood opens the file of an object for reading, if it is the one that was found right.
func (c *Cache) openGood(o *object) (*os.File, error) {
	var f *os.File
	_, err := c.apart(c.ctx, func() (err error) {
		if f, err = os.Open(filepath.Join(c.dir, o.name)); err != nil {
			return err
		}
		if err = c.isGood(o, f); err != nil {
			f.Close()
			f = nil
		}
		return err
	}, func() {
		if f != nil {
			f.Close()
		}
	})
	if err != nil {
		return nil, ErrIncomplete
	}
	return f, nil
}

// check reads all of an object, whose blocks are held, unless that was done since it
// last changed. It is an error with EIO if the digest is another.
func (c *Cache) check(ctx context.Context, o *object, src store.Object) error {
	end := c.watched()
	d, err := o.files()
	var now stamp
	if err == nil {
		now, err = stampOf(d.data)
	}
	end()
	if err != nil || now.size != o.size {
		return ErrIncomplete
	}
	c.mu.Lock()
	good := now == o.good
	c.mu.Unlock()
	if good {
		return nil
	}
	algorithm, want := digestOf(src)
	h := store.NewHash(algorithm)
	if err := c.readAll(ctx, o, d, h); err != nil {
		return err
	}
	if h != nil && string(h.Sum(nil)) != string(want) {
		return c.spoilt(o, d, fmt.Errorf("its %s is %x, and should be %s: %w", algorithm, h.Sum(nil), hex.EncodeToString(want), syscall.EIO))
	}
	_ = c.on(func() error { return d.seal(now) }) // without, the next process reads it all again
	c.mu.Lock()
	defer c.mu.Unlock()
	o.good = now
	return nil
}

// blockAt returns the block of a byte, which is held, and how often it was written. A
// piece lies in one.
func (c *Cache) blockAt(o *object, off int64) (*block, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := o.blocks[off/unit/int64(c.unitsPer)]
	return b, b.written
}

// readAll reads and verifies all units.
func (c *Cache) readAll(ctx context.Context, o *object, d *disk, h hash.Hash) error {
	b := pieces.Get().(*[]byte)
	defer pieces.Put(b)
	for off := int64(0); off < o.size; off += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := (*b)[:min(piece, o.size-off)]
		in, written := c.blockAt(o, off)
		end := c.watched()
		k := d.read(readWait, p, off)
		if end(); k < len(p) {
			u := (off + int64(k)) / unit
			c.lose(in, int(u%int64(c.unitsPer)), written)
			return ErrIncomplete
		}
		if h != nil {
			h.Write(p)
		}
	}
	return nil
}

// spoilt forgets an object's content, which is not what it should be, and has whoever
// has it open read no more of it.
func (c *Cache) spoilt(o *object, d *disk, err error) error {
	c.log.Warn("cache: content with a wrong digest", "key", o.key, "cause", err)
	c.mu.Lock()
	o.bad = err // before there is anything to fetch again: it would come from the same answers, and unchecked
	o.lost()
	c.mu.Unlock()
	if err := c.on(func() error { return d.clear(0, int((o.size+unit-1)/unit)) }); err != nil {
		c.failed(err)
	}
	return err
}

func digestOf(src store.Object) (string, []byte) {
	if d, ok := src.(Digester); ok {
		return d.Digest()
	}
	return "", nil
}

// checkLater checks an object in the background if all of it is there. The caller has
// claimed the object.
func (c *Cache) checkLater(o *object, src store.Object) {
	blocks := c.holdAll(o)
	if blocks == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.checks || c.closed {
		for _, b := range blocks {
			c.letGo(b)
		}
		return
	}
	o.checks = true
	o.claims++
	c.running.Go(func() {
		_ = c.check(c.ctx, o, src) // what is wrong is noted, and said
		c.mu.Lock()
		o.checks = false
		for _, b := range blocks {
			c.letGo(b)
		}
		c.mu.Unlock()
		c.disclaim(o)
	})
}
