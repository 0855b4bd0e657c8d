package resolver

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// drafts is what upstream's writers have begun through .manifest and not finished.
// It is in memory: a writer that a restart of the daemon cuts off leaves a number
// without a record, which is never reused.
type drafts struct {
	mu     sync.Mutex          // guards below; not held across I/O
	claims map[string]*claim   // by NAME/vN
	temps  map[tempKey]*temp   // what was not renamed yet
	size   int64               // of all temps
	names  map[string]madeName // made with mkdir, not an artifact yet
	turns  map[string]*turn
	swept  time.Time
}

type madeName struct {
	at  time.Time
	uid uint32
}

// claim is a number that is being written.
type claim struct {
	by  owner
	has map[string]bool // the files that are in place, or being put there
	put int             // how many are in place
}

const (
	nameLife  = 10 * time.Minute // of a name that nothing was logged under
	tempLife  = time.Minute      // of a dead process's file: mv takes one from printf
	sweepLag  = time.Second
	maxDrafts = 4096
)

func (d *drafts) claim(name string, n int, by owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.claims == nil {
		d.claims = make(map[string]*claim)
	}
	v := Version{Name: name, N: n}
	d.claims[v.key()] = &claim{by: by, has: make(map[string]bool)}
	for made := range d.names {
		if within(name, made) {
			delete(d.names, made)
		}
	}
}

func (d *drafts) claimed(name string, n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := Version{Name: name, N: n}
	return d.claims[v.key()] != nil
}

// claimsOf returns the unfinished numbers of an artifact.
func (d *drafts) claimsOf(name string) []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []int
	for key := range d.claims {
		if path.Dir(key) == name {
			n, _ := manifest.ParseVersion(path.Base(key))
			list = append(list, int(n))
		}
	}
	return list
}

// owns reports whether the caller may write the content of NAME/vN: it made it,
// and has not finished it.
func (d *drafts) owns(ctx context.Context, key string) bool {
	by := ownerOf(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.claims[key]
	return c != nil && c.by == by
}

// begin reserves a file of a claim; false if it is there already.
func (d *drafts) begin(key, file string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.claims[key]
	if c == nil || c.has[file] {
		return false
	}
	c.has[file] = true
	return true
}

// finish says whether it was put in place. With both files the version is sealed:
// nobody owns it any more.
func (d *drafts) finish(key, file string, done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.claims[key]
	if c == nil {
		return
	}
	if !done {
		delete(c.has, file)
	} else if c.put++; c.put == 2 {
		delete(d.claims, key)
	}
}

// makeName: of names, as of temporary files, no user takes more than half of what
// there may be.
func (d *drafts) makeName(name string, uid uint32, now time.Time) error {
	d.sweep(now)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil {
		d.names = make(map[string]madeName)
	}
	own := 0
	for _, m := range d.names {
		if m.uid == uid {
			own++
		}
	}
	if len(d.names) >= maxDrafts || own >= maxDrafts/2 {
		return fmt.Errorf("%d names were made in .manifest that nothing was logged under: %w", len(d.names), syscall.ENOSPC)
	}
	d.names[name] = madeName{now, uid}
	return nil
}

func (d *drafts) removeName(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.names[name]
	delete(d.names, name)
	return ok
}

// named reports whether name was made here and is not an artifact yet.
func (d *drafts) named(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.names[name]
	return ok
}

// namesIn returns the made names directly below one.
func (d *drafts) namesIn(prefix string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for name := range d.names {
		if strings.TrimPrefix(path.Dir("/"+name), "/") == prefix {
			list = append(list, path.Base(name))
		}
	}
	slices.Sort(list)
	return list
}

// sweep collects what dead processes left, and names that came to nothing.
func (d *drafts) sweep(now time.Time) {
	d.mu.Lock()
	if now.Sub(d.swept) < sweepLag {
		d.mu.Unlock()
		return
	}
	d.swept = now
	owners := make(map[owner]bool)
	for _, x := range d.temps {
		owners[x.by] = true
	}
	for _, c := range d.claims {
		owners[c.by] = true
	}
	d.mu.Unlock()
	for o := range owners {
		owners[o] = o.alive()
	}
	dead := func(o owner) bool { alive, asked := owners[o]; return asked && !alive }
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.claims, func(_ string, c *claim) bool { return dead(c.by) })
	maps.DeleteFunc(d.names, func(_ string, m madeName) bool { return now.Sub(m.at) > nameLife })
	for key, x := range d.temps {
		if dead(x.by) && (x.dies() || now.Sub(x.touched) > tempLife) {
			d.forget(key, x)
		}
	}
}
