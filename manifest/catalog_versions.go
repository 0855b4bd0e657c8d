package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cataloged is what is remembered of one name. Catalog.mu guards its fields.
type cataloged struct {
	last   *snapshot
	gen    uint64 // raised by our own changes: what was read before is old
	old    bool   // last was read before such a change
	latest int    // the highest that was shown as latest
	shown  time.Time
}

func (c *Catalog) artifact(name string) *cataloged {
	if a, ok := c.arts.Get(name); ok {
		return a
	}
	a := &cataloged{gen: c.gens.Add(1), latest: NoVersion}
	if was, ok, _ := c.arts.PeekOrAdd(name, a); ok {
		return was
	}
	return a
}

// changed makes the next listing of name read the store.
func (c *Catalog) changed(name string) {
	a := c.artifact(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	a.gen, a.old = c.gens.Add(1), true
	c.held, c.moves = held{}, c.moves+1
}

// Versions lists an artifact as it was at most a TTL ago, after this process's own
// changes: fs.ErrNotExist only if the store answers and has none of that name.
func (c *Catalog) Versions(ctx context.Context, name string) (*Listing, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	a := c.artifact(name)
	c.mu.Lock()
	s, gen := a.last, a.gen
	young := s != nil && !a.old && time.Since(s.at) < c.life()
	c.mu.Unlock()
	if young {
		return c.answer(a, s), nil
	}
	lost := c.missing()
	ch := c.flights.DoChan(name+"\x00"+strconv.FormatUint(gen, 10), func() (any, error) {
		return c.list(context.WithoutCancel(ctx), a, name, s)
	})
	if lost != nil { // it is being asked again, and whoever comes next is told
		return c.lastAnswer(a, name, s, lost)
	}
	select {
	case r := <-ch:
		if r.Err == nil {
			return c.answer(a, r.Val.(*snapshot)), nil
		}
		return c.lastAnswer(a, name, s, r.Err)
	case <-c.enough(s != nil):
		return c.lastAnswer(a, name, s, c.stillAway())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// list reads the artifact, and keeps what it found unless that is older than what
// is known by then.
func (c *Catalog) list(ctx context.Context, a *cataloged, name string, old *snapshot) (*snapshot, error) {
	c.mu.Lock()
	gen := a.gen
	c.mu.Unlock()
	s, err := c.scan(ctx, name, old)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.gen == gen && (a.last == nil || s.at.After(a.last.at)) {
		a.last, a.old = s, false
	}
	return s, nil
}

func (c *Catalog) answer(a *cataloged, s *snapshot) *Listing {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := s.listing(a.latest)
	if l.Latest >= a.latest || s.at.After(a.shown) {
		a.latest, a.shown = l.Latest, time.Now()
	}
	return l
}

// listing is what a snapshot says, of an artifact whose latest was before.
func (s *snapshot) listing(before int) *Listing {
	l := &Listing{Claimed: s.claimed, Aliases: s.aliases, Retired: s.retired, ModTime: s.mtime}
	l.Latest, l.Warning = s.latestOf(s.latest, before)
	l.Versions = slices.DeleteFunc(slices.Concat(s.complete, s.legacy), s.isRetired)
	slices.Sort(l.Versions)
	return l
}

// lastAnswer answers from memory while the store does not.
func (c *Catalog) lastAnswer(a *cataloged, name string, s *snapshot, err error) (*Listing, error) {
	var gone *unreachable
	if !errors.As(err, &gone) || s == nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("artifact %s: %w", name, err)
	}
	l := c.answer(a, s)
	l.Warning = strings.TrimPrefix(l.Warning+"; "+err.Error()+"; this is the last known answer", "; ")
	return l, nil
}
