package cache

// claim returns the object of a key, whose files stay until disclaim.
func (c *Cache) claim(h head) *object {
	name := fileName(h.key, h.size)
	for {
		c.mu.Lock()
		o := c.objects[name]
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
		<-closing
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
	closing := make(chan struct{})
	o.closing = closing
	empty, charged, ours := len(o.blocks) == 0, o.charged, !c.closed
	c.mu.Unlock()

	o.closeDisk()
	if empty && charged > 0 && ours {
		if err := removeDisk(c.dir, o.name); err != nil {
			c.log.Warn("cache: a file that is no longer needed stays", "cause", err)
		}
	}
	c.mu.Lock()
	if empty {
		c.used -= charged
		delete(c.objects, o.name)
	}
	o.closing = nil
	c.mu.Unlock()
	close(closing)
}

// files returns the object's files, which are made if there are none, or not those
// that there should be.
func (o *object) files() (*disk, error) {
	o.opening.Lock()
	defer o.opening.Unlock()
	if o.disk != nil {
		return o.disk, nil
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
	o.disk = d
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
	o.good = stamp{}
	for _, b := range o.blocks {
		b.have = mask{}
	}
}

// closeDisk closes the files, and leaves a mark on them that says when they were used.
func (o *object) closeDisk() {
	o.opening.Lock()
	defer o.opening.Unlock()
	if o.disk != nil {
		o.disk.touch()
		o.disk.close()
		o.disk = nil
	}
}
