package cache

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// found is an object of an earlier process.
type found struct {
	o    *object
	used time.Time
}

// scan takes over what an earlier process left, and removes what is of no use.
func (c *Cache) scan() error {
	names, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var all []found
	for _, n := range names {
		name, isSums := strings.CutSuffix(n.Name(), sumsSuffix)
		switch {
		case n.Name() == "lock":
		case !isSums:
			if _, err := os.Lstat(filepath.Join(c.dir, name+sumsSuffix)); os.IsNotExist(err) {
				_ = os.RemoveAll(filepath.Join(c.dir, name))
			}
		default:
			o, err := c.adopt(name)
			if err != nil {
				if err := removeDisk(c.dir, name); err != nil {
					return err
				}
				continue
			}
			f := found{o: o}
			if fi, err := n.Info(); err == nil {
				f.used = fi.ModTime()
			}
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	for _, f := range all {
		c.admit(f.o)
	}
	c.shrink()
	return nil
}

// adopt reads which blocks there are of an object.
func (c *Cache) adopt(name string) (*object, error) {
	d, err := openNamed(c.dir, name)
	if err != nil {
		return nil, err
	}
	defer d.close()
	is, err := d.present()
	if err != nil {
		return nil, err
	}
	o := &object{c: c, head: d.head, name: name, blocks: make(map[int64]*block), charged: objectCharge}
	for u, there := range is {
		if there {
			o.adoptUnit(int64(u))
		}
	}
	if len(o.blocks) == 0 {
		return nil, errDamaged
	}
	return o, o.trim(d, is)
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

// admit counts what was adopted as the newest.
func (c *Cache) admit(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects[o.name] = o
	c.used += o.charged
	for _, i := range sortedKeys(o.blocks) {
		b := o.blocks[i]
		c.used += b.charge
		b.idle = c.idle.PushBack(b)
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
