package cache

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// scan takes over what an earlier process left, and removes what is of no use. It may
// take minutes, and nothing new is kept until it is over, for nobody knows what room
// there is; what is asked for meanwhile is taken over first.
func (c *Cache) scan() {
	names, err := c.left()
	for _, name := range names {
		if c.ctx.Err() != nil {
			return
		}
		if err := c.on(func() error { return c.adopt(name, false) }); err != nil {
			c.failed(err)
		}
	}
	if err != nil {
		c.log.Error("cache: nothing is kept: it cannot be seen what there is", "dir", c.dir, "cause", err)
		return
	}
	c.mu.Lock()
	c.scanning = false
	c.mu.Unlock()
	close(c.scanned)
	c.shrink()
	c.slot.removeAbandoned()
}

// left returns the names of what is in the directory, the last used first.
func (c *Cache) left() ([]string, error) {
	end := c.watched()
	defer end()
	list, err := os.ReadDir(c.dir)
	used := make(map[string]time.Time, len(list)/2)
	for _, e := range list {
		if e.Name() == "lock" {
			continue
		}
		name, isSums := strings.CutSuffix(e.Name(), sumsSuffix)
		if fi, err := e.Info(); err == nil && isSums {
			used[name] = fi.ModTime()
		} else if _, ok := used[name]; !ok {
			used[name] = time.Time{}
		}
	}
	names := slices.Collect(maps.Keys(used))
	slices.SortFunc(names, func(a, b string) int { return used[b].Compare(used[a]) })
	return names, err
}

// adopt takes over an object, if that was not done; what is none is removed. One that is
// wanted is the last to be evicted, another the first.
func (c *Cache) adopt(name string, wanted bool) error {
	c.mu.Lock()
	if c.objects[name] != nil {
		c.mu.Unlock()
		return nil
	}
	o := &object{c: c, name: name, blocks: make(map[int64]*block), closing: make(chan struct{})}
	c.objects[name] = o
	c.mu.Unlock()
	err := o.look()
	if err != nil {
		err = errors.Join(removeDisk(c.dir, name), os.RemoveAll(filepath.Join(c.dir, name)))
		o.charged = 0
	} else {
		c.admit(o, wanted)
	}
	c.mayClaim(o, o.charged == 0)
	return err
}

// look reads which blocks there are of an object.
func (o *object) look() error {
	d, err := openNamed(o.c.dir, o.name)
	if err != nil {
		return err
	}
	defer d.close()
	is, err := d.present()
	if err != nil {
		return err
	}
	o.head, o.charged = d.head, objectCharge
	for u, there := range is {
		if there {
			o.adoptUnit(int64(u))
		}
	}
	if len(o.blocks) == 0 {
		return errDamaged
	}
	if err := o.trim(d, is); err != nil {
		return err
	}
	if s, ok := d.sealed(); ok && !slices.Contains(is, false) {
		o.good = s
	}
	return nil
}

func (o *object) adoptUnit(u int64) {
	per := int64(o.c.unitsPer)
	b := o.blocks[u/per]
	if b == nil {
		b = &block{o: o, index: u / per, charge: blockCharge}
		o.blocks[u/per] = b
	}
	i := int(u % per)
	b.have.set(i)
	b.kept.set(i)
	b.charge += b.room(i)
}

// trim gives back what a process left on the disk that ended between writing a unit
// and its sum, or between the two halves of an eviction.
func (o *object) trim(d *disk, is []bool) error {
	takes, err := allocated(d.data)
	if err != nil {
		return err
	}
	due := int64(0)
	for _, b := range o.blocks {
		due += b.charge
	}
	if takes <= due {
		return nil
	}
	for u := 0; u < len(is); {
		to := u
		for to < len(is) && !is[to] {
			to++
		}
		if to > u {
			if err := punch(d.data, int64(u)*unit, int64(to-u)*unit); err != nil {
				return err
			}
		}
		u = to + 1
	}
	return nil
}

// admit counts what was adopted.
func (c *Cache) admit(o *object, wanted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used += o.charged
	order := sortedKeys(o.blocks)
	if !wanted {
		slices.Reverse(order)
	}
	for _, i := range order {
		b := o.blocks[i]
		c.used += b.charge
		if wanted {
			b.idle = c.idle.PushBack(b)
		} else {
			b.idle = c.idle.PushFront(b)
		}
	}
}

func sortedKeys(m map[int64]*block) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
