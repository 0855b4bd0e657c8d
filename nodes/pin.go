//go:build linux

package nodes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/resolver"
)

// forever is the longest that the kernel keeps an entry.
const forever = time.Duration(math.MaxInt64)

// Pins are directories of the tree that something is mounted below. While it is,
// the kernel must not lose one of them: on a LOOKUP that fails, or answers with
// another inode, it throws the mounts below away (fuse_dentry_revalidate and
// d_invalidate). So a pinned name is answered from here, without asking the store,
// and may be kept for ever: after kill -9 nobody is there to be asked.
//
// Pins is safe for concurrent use.
type Pins struct {
	tree *resolver.Tree

	mu   sync.Mutex // guards keys
	keys map[string]*pin
}

type pin struct {
	uses int
	ent  resolver.Entry
}

// Pin pins path ("NAME/v1") and all directories above it, which must be there.
func (p *Pins) Pin(ctx context.Context, path string) error {
	var found []resolver.Entry
	at := p.tree.Root()
	for name := range strings.SplitSeq(path, "/") {
		e, err := at.Node.(resolver.Dir).Lookup(ctx, name)
		if err != nil {
			return err
		}
		if _, ok := e.Node.(resolver.Dir); !ok || e.Attr.Dev != 0 {
			return fmt.Errorf("%s is no directory of the tree's own: %w", path, errors.ErrUnsupported)
		}
		e.Valid = forever
		found = append(found, e)
		at = e
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys == nil {
		p.keys = make(map[string]*pin)
	}
	for _, e := range found {
		if p.keys[e.Key] == nil {
			p.keys[e.Key] = &pin{ent: e}
		}
		p.keys[e.Key].uses++
	}
	return nil
}

// Unpin undoes Pin, and returns those of the directories that are no longer
// pinned: what the kernel has been told of them holds for too long now.
func (p *Pins) Unpin(path string) (free []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for dir := range resolver.Ancestry(path) {
		k := p.keys["/"+dir]
		if k == nil {
			continue
		}
		if k.uses--; k.uses == 0 {
			delete(p.keys, "/"+dir)
			free = append(free, dir)
		}
	}
	return free
}

// get returns the pinned entry of name in the directory whose entry dir is.
func (p *Pins) get(dir resolver.Entry, name string) (resolver.Entry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.keys) == 0 || dir.Attr.Dev != 0 {
		return resolver.Entry{}, false
	}
	k := p.keys[strings.TrimSuffix(dir.Key, "/")+"/"+name]
	if k == nil {
		return resolver.Entry{}, false
	}
	return k.ent, true
}
