package manifest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

const (
	usedFile  = ".used"  // of a snapshot, whose time is that of its last use
	sweptFile = ".swept" // beside the snapshots, whose time is when old ones were looked for
)

// sweepEvery is how often old snapshots are looked for, by one of all nodes.
const sweepEvery = time.Hour

// touch notes, once in pinTouch, that a snapshot is in use, and returns when it was
// last known to be. A store that does not take the note keeps the pin for as long as
// it would have without.
func (p *CatalogPins) touch(ctx context.Context, id string, made time.Time) time.Time {
	last, _ := p.used.Get(id)
	if made.After(last) {
		last = made
	}
	now := time.Now()
	if now.Sub(last) <= pinTouch || p.c.readOnly {
		return last
	}
	p.used.Add(id, now)
	if err := p.c.b.Write(context.WithoutCancel(ctx), p.key(id, usedFile), []byte("used\n")); err != nil {
		return last
	}
	return now
}

// expire has the snapshots removed that nobody has used for pinAge, but for the one
// that is being made: in the background, for who is being given a version does not
// wait for that. Of all nodes one does it, the one that renews the note of the last time.
func (p *CatalogPins) expire(ctx context.Context, id string) {
	now := time.Now()
	if last := p.last.Load(); now.Unix()-last < int64(sweepEvery/time.Second) || !p.last.CompareAndSwap(last, now.Unix()) {
		return
	}
	p.c.flights.DoChan("\x00expire", func() (any, error) {
		key := ownDir + "/snapshots/" + sweptFile
		_, tag, at, err := p.c.b.ReadDated(ctx, key, maxPin)
		if err != nil && !errors.Is(err, fs.ErrNotExist) || now.Sub(at) < sweepEvery {
			return nil, err
		}
		if err := p.c.b.Replace(ctx, key, []byte("swept\n"), tag); err != nil {
			return nil, err // another node's turn, if it is not the store's refusal
		}
		return nil, p.sweep(ctx, id, now)
	})
}

// sweep removes old snapshots, all but keep.
func (p *CatalogPins) sweep(ctx context.Context, keep string, now time.Time) error {
	var id string
	var keys []string
	var newest time.Time
	last := func() { // of a snapshot
		if len(keys) == 0 || id == keep || now.Sub(newest) < pinAge {
			return
		}
		p.c.log.Info("snapshot expired", "id", id)
		for _, key := range keys {
			_ = p.c.b.Remove(ctx, key) // what is left goes the next time
		}
	}
	top := ownDir + "/snapshots/"
	err := p.c.b.List(ctx, top, "", func(e bucket.Entry) error {
		of, _, inside := strings.Cut(strings.TrimPrefix(e.Key, top), "/")
		if _, err := pinUID(of); err != nil || !inside {
			return nil
		}
		if of != id {
			last()
			id, keys, newest = of, nil, time.Time{}
		}
		keys = append(keys, e.Key)
		if e.ModTime.After(newest) {
			newest = e.ModTime
		}
		return nil
	})
	if err == nil {
		last()
	}
	return err
}
