package cache

import (
	"errors"
	"slices"
)

// spare is the part of the disk's limit that is left free: whoever adds up the files
// does so one after another, and finds room that was given back here and used there.
const spare = 64

// reserve makes room for n bytes on the disk; false if there is none to be had.
func (c *Cache) reserve(n int64) bool {
	for refused := 0; refused < 100; {
		c.mu.Lock()
		if c.used+n <= c.limit-c.limit/spare {
			c.used += n
			c.mu.Unlock()
			return true
		}
		b := c.victim()
		c.mu.Unlock()
		if b == nil {
			return false
		}
		if !c.evict(b) {
			refused++
		}
	}
	return false
}

// shrink evicts until there is not too much.
func (c *Cache) shrink() {
	c.reserve(0)
}

// victim takes the block that was unused the longest; nil if all are in use. The
// mutex is held.
func (c *Cache) victim() *block {
	for e := c.idle.Front(); e != nil; e = e.Next() {
		b := e.Value.(*block)
		if b.o.closing != nil {
			continue
		}
		c.idle.Remove(e)
		b.idle, b.gone = nil, make(chan struct{})
		b.o.claims++
		return b
	}
	return nil
}

// evict gives back a victim's room; false if it must stay: the kernel may still read
// for somebody what an earlier process has opened whole.
func (c *Cache) evict(b *block) bool {
	o := b.o
	err := c.on(func() error {
		d, err := o.files()
		if err == nil {
			err = d.clear(b.first(), b.units())
		}
		return err
	})
	c.mu.Lock()
	if errors.Is(err, errOpen) {
		b.idle = c.idle.PushBack(b)
		close(b.gone)
		b.gone = nil
		c.mu.Unlock()
		c.disclaim(o)
		return false
	}
	o.drop(b)
	if o.rested = true; o.endRest != nil {
		o.endRest()
	}
	if err == nil {
		c.used -= b.charge
	} else {
		o.charged += b.charge // its room comes back when the files go
	}
	o.good = stamp{}
	close(b.gone)
	c.mu.Unlock()
	c.disclaim(o)
	return true
}

// price returns what is to be reserved before units of a block are fetched. The
// mutex is held.
func (b *block) price(from, to int) int64 {
	n := int64(blockCharge + objectCharge)
	for i := from; i < to; i++ {
		if !b.kept.has(i) {
			n += b.room(i)
		}
	}
	return n
}

// chargeObject takes an object's own part of what a fetch has reserved, once. It is
// called before the object's files are made.
func (c *Cache) chargeObject(f *fetch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := f.b.o; o.charged == 0 {
		o.charged = objectCharge
		f.reserved -= objectCharge
	}
}

// settle charges to the block what was written, and gives back the rest of what was
// reserved. The mutex is held.
func (c *Cache) settle(f *fetch) {
	b, before := f.b, f.b.charge
	if b.charge == 0 && f.written > f.from {
		b.charge = blockCharge
	}
	for i := f.from; i < f.written; i++ {
		if !b.kept.has(i) {
			b.kept.set(i)
			b.charge += b.room(i)
		}
	}
	c.used -= f.reserved - (b.charge - before)
	f.reserved = 0
	b.fetches = slices.DeleteFunc(b.fetches, func(o *fetch) bool { return o == f })
}
