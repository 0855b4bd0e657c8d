package cache

import (
	"context"
	"errors"
)

// claim returns the object of a key, whose files stay until disclaim; nil if the disk
// hangs.
func (c *Cache) claim(h head) *object {
	name := fileName(h.key, h.size)
	for looked := false; ; {
		c.mu.Lock()
		o := c.objects[name]
		if o == nil && c.scanning && !looked {
			c.mu.Unlock()
			looked = true
			if _, err := c.apart(context.Background(), func() error { return c.adopt(name, true) }, nil); errors.Is(err, errHung) {
				return nil
			}
			continue
		}
		if o == nil {
			o = &object{c: c, head: h, name: name, blocks: make(map[int64]*block)}
			c.objects[name] = o
		}
		if o.closing == nil {
			o.claims++
			c.mu.Unlock()
			return o
		}
		closing := o.closing
		c.mu.Unlock()
		if c.until(context.Background(), closing) != nil {
			return nil
		}
	}
}

// disclaim ends a claim. With the last one the files are closed, and removed if
// nothing is left in them.
func (c *Cache) disclaim(o *object) {
	c.mu.Lock()
	if o.claims--; o.claims > 0 {
		c.mu.Unlock()
		return
	}
	o.closing = make(chan struct{})
	c.mu.Unlock()
	begun, _ := c.apart(context.Background(), func() error {
		c.closeObject(o)
		return nil
	}, nil)
	if !begun { // the disk hangs: the files stay open for the next
		c.mayClaim(o, false)
	}
}

// closeObject closes an object's files, and removes them if nothing is left in them.
func (c *Cache) closeObject(o *object) {
	c.mu.Lock()
	empty, charged, ours := len(o.blocks) == 0, o.charged, !c.closed
	c.mu.Unlock()
	o.closeDisk()
	if empty && charged > 0 && ours {
		if err := removeDisk(c.dir, o.name); err != nil {
			c.log.Warn("cache: a file that is no longer needed stays", "cause", err)
		}
	}
	c.mayClaim(o, empty)
}

// mayClaim ends the time in which nobody can claim an object, which may be gone then.
func (c *Cache) mayClaim(o *object, gone bool) {
	c.mu.Lock()
	if gone {
		c.used -= o.charged
		delete(c.objects, o.name)
	}
	closing := o.closing
	o.closing = nil
	c.mu.Unlock()
	close(closing)
}

// files returns the object's files, which are made if there are none, or not those
// that there should be.
func (o *object) files() (*disk, error) {
	o.opening.Lock()
	defer o.opening.Unlock()
	if d := o.disk.Load(); d != nil {
		return d, nil
	}
	d, err := openDisk(o.c.dir, o.head)
	if err == nil && o.excess(d) {
		d.close()
		err = errDamaged
	}
	if err != nil {
		o.forget()
		d, err = createDisk(o.c.dir, o.head)
	}
	if err == nil {
		o.disk.Store(d)
	}
	return d, err
}

// excess reports whether a file takes more of the disk than what is accounted for: it is
// another one.
func (o *object) excess(d *disk) bool {
	takes, err := allocated(d.data)
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	due := o.charged
	for _, b := range o.blocks {
		due += b.charge
	}
	return err != nil || takes > due
}

// forget notes that nothing of the object can be read. What was reserved stays
// reserved: it is what is fetched again first.
func (o *object) forget() {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	o.lost()
}

// lost is forget. The mutex is held.
func (o *object) lost() {
	o.good = stamp{}
	for _, b := range o.blocks {
		b.have = mask{}
	}
}

// closeDisk closes the files, and leaves a mark on them that says when they were used.
func (o *object) closeDisk() {
	o.opening.Lock()
	defer o.opening.Unlock()
	if d := o.disk.Swap(nil); d != nil {
		d.touch()
		d.close()
	}
}
