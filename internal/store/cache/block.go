package cache

import (
	"container/list"
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
)

// maxUnits is how many units a block has at most: 8 MiB, the length of request at
// which a stream of 25 MiB/s loses a twentieth to a round trip of 20 ms.
const maxUnits = 128

// unitsPerBlock makes blocks small in a small cache: what is being read cannot be
// evicted, and a few readers must not hold all of it.
func unitsPerBlock(limit int64) int {
	n := maxUnits
	for n > 4 && int64(n)*unit*64 > limit {
		n /= 2
	}
	return n
}

// What is charged besides units; page is also what a unit's length is rounded to.
const (
	page         = 4096
	blockCharge  = page     // its sums
	objectCharge = 16 << 10 // header, directory entries, the file system's own lists
)

// object is the content of one key. Its fields after the first are guarded by the
// cache's mutex, but for disk.
type object struct {
	c *Cache
	head
	name string

	blocks  map[int64]*block
	claims  int           // by Files, fetches, evictions: its files stay
	closing chan struct{} // not nil: nobody has claimed it, and its files are being closed
	charged int64         // for itself, besides its blocks
	opens   int           // Files
	bad     error         // what was fetched of it has not the digest that it should have
	good    stamp         // of its file when all of it was read and found right
	checks  bool          // its digest is being computed
	read    int64         // units of its blocks that somebody has read
	endRest func()        // not nil: the rest of it is being fetched
	rested  bool          // that was done, or something of it was evicted

	opening sync.Mutex // held while files are opened and closed
	disk    atomic.Pointer[disk]
}

// block is consecutive units of an object. The cache's mutex guards it.
type block struct {
	o       *object
	index   int64
	have    mask // units that can be read
	written int  // how often there were more of them
	kept    mask // units that take room, readable or not
	read    mask // units that somebody has read
	charge  int64
	uses    int
	idle    *list.Element // in Cache.idle
	fetches []*fetch
	gone    chan struct{} // not nil: it is being evicted
}

// mask is a set of a block's units.
type mask [maxUnits / 64]uint64

func (m *mask) has(i int) bool { return m[i/64]>>(i%64)&1 == 1 }
func (m *mask) set(i int)      { m[i/64] |= 1 << (i % 64) }
func (m *mask) unset(i int)    { m[i/64] &^= 1 << (i % 64) }

func (m *mask) count() int {
	n := 0
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// units returns how many units the block has: fewer at the object's end.
func (b *block) units() int {
	all := (b.o.size + unit - 1) / unit
	return int(min(int64(b.o.c.unitsPer), all-b.first()))
}

// first returns the number of the block's first unit in the object.
func (b *block) first() int64 { return b.index * int64(b.o.c.unitsPer) }

// room returns what unit i takes on the disk.
func (b *block) room(i int) int64 {
	return (int64(b.o.length(b.first()+int64(i))) + page - 1) / page * page
}

// hold returns a block that is not evicted until it is let go; an error if it just is
// being evicted, and the disk hangs.
func (c *Cache) hold(ctx context.Context, o *object, index int64) (*block, error) {
	for {
		c.mu.Lock()
		b := o.blocks[index]
		if b == nil {
			b = &block{o: o, index: index}
			o.blocks[index] = b
		}
		if b.gone == nil {
			c.useBlock(b)
			c.mu.Unlock()
			return b, nil
		}
		gone := b.gone
		c.mu.Unlock()
		if err := c.until(ctx, gone); err != nil {
			return nil, err
		}
	}
}

// useBlock counts one more use. The mutex is held.
func (c *Cache) useBlock(b *block) {
	b.uses++
	if b.idle != nil {
		c.idle.Remove(b.idle)
		b.idle = nil
	}
}

// letGo ends a use. The mutex is held.
func (c *Cache) letGo(b *block) {
	if b.uses--; b.uses > 0 {
		return
	}
	if b.charge == 0 {
		b.o.drop(b)
		return
	}
	b.idle = c.idle.PushBack(b)
}

// drop forgets a block. The mutex is held.
func (o *object) drop(b *block) {
	delete(o.blocks, b.index)
	o.read -= int64(b.read.count())
}

func (c *Cache) release(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.letGo(b)
}

var unitBuffers = sync.Pool{New: func() any { b := make([]byte, unit); return &b }}
