package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// CatalogPins are the snapshots of jobs in a bucket: objects .artifactfs/snapshots/
// ID/NAME@ALIAS that hold vN, as Pins keeps files. A pin is created only if there is
// none, so that one of any number of makers wins. A bucket has no users: a snapshot is
// given to callers of its user, and to root, and all others are refused here. A store
// of commits, of which there are few an hour, is no place for pins.
//
// When a snapshot was used last is the time of an object .used beside its pins: theirs
// is when they were made.
type CatalogPins struct {
	c    *Catalog
	used *lru.Cache[string, time.Time] // by id, when a snapshot was last known to be in use
	last atomic.Int64                  // when old ones were looked for, Unix seconds
}

// Pins returns the snapshots kept in the store.
func (c *Catalog) Pins() *CatalogPins {
	p := &CatalogPins{c: c}
	p.used, _ = lru.New[string, time.Time](4096)
	return p
}

func (p *CatalogPins) String() string { return p.c.String() + "/" + ownDir + "/snapshots" }

// mine refuses another user's snapshot, and all where each pin would be a commit.
func (p *CatalogPins) mine(ctx context.Context, id string) error {
	if p.c.b.Commits() {
		return fmt.Errorf("snapshot %s: every pin in %s would be a commit: %w", id, p.c, errors.ErrUnsupported)
	}
	uid, err := pinUID(id)
	if err != nil {
		return err
	}
	if who, foreign := identityOf(ctx); foreign && who.uid != 0 && who.uid != uid {
		return fmt.Errorf("snapshot %s is of uid %d, not %d: %w", id, uid, who.uid, fs.ErrPermission)
	}
	return nil
}

func (p *CatalogPins) key(id, file string) string { return ownDir + "/snapshots/" + id + "/" + file }

// read returns a pin and the tag of its object.
func (p *CatalogPins) read(ctx context.Context, id, file string) (*Pin, string, error) {
	key := p.key(id, file)
	text, tag, made, err := p.c.b.ReadDated(ctx, key, maxPin)
	if err != nil {
		return nil, "", p.c.judge(err)
	}
	name, alias, to, ok := parsePin(file, text)
	if !ok {
		return nil, "", &badPin{p.c.String() + "/" + key, "it does not name a version, as v2"}
	}
	return &Pin{ID: id, Name: name, Alias: alias, Target: to, Since: made, Used: made, Where: p.c.String() + "/" + key}, tag, nil
}

// Pinned returns what a snapshot has for an alias: fs.ErrNotExist if nothing.
func (p *CatalogPins) Pinned(ctx context.Context, id, name, alias string) (*Pin, error) {
	if err := p.mine(ctx, id); err != nil {
		return nil, err
	}
	file, _ := pinFile(name, alias)
	pin, _, err := p.read(ctx, id, file)
	if err == nil {
		pin.Used = p.touch(ctx, id, pin.Used)
	}
	return pin, err
}

// Pin makes to what a snapshot has for an alias, unless it has something: it returns
// what it has in the end.
func (p *CatalogPins) Pin(ctx context.Context, id, name, alias string, to Target) (*Pin, error) {
	if err := p.mine(ctx, id); err != nil {
		return nil, err
	}
	if err := p.c.changes(name); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	p.expire(ctx, id)
	file, text := pinFile(name, alias)
	err := p.c.b.Create(ctx, p.key(id, file), []byte(to.String()+text))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, p.c.judgeWrite(err) // where it is refused, the next place has the pin
	}
	pin, _, err := p.read(ctx, id, file)
	return pin, err
}

// Move makes to what a snapshot has for an alias, in place of what it had; only
// forward, if forward is set.
func (p *CatalogPins) Move(ctx context.Context, id, name, alias string, to Target, forward bool) error {
	if err := p.mine(ctx, id); err != nil {
		return err
	}
	if err := p.c.changes(name); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	file, text := pinFile(name, alias)
	for range latestTries {
		now, tag, err := p.read(ctx, id, file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && (now.Target == to || forward && now.In == to.In && now.Version > to.Version) {
			return nil
		}
		err = p.c.b.Replace(ctx, p.key(id, file), []byte(to.String()+text), tag)
		if !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, fs.ErrNotExist) {
			return p.c.judgeWrite(err)
		}
	}
	return fmt.Errorf("%s of %s in snapshot %s was changed by others %d times meanwhile", alias, name, id, latestTries)
}

// Unpin takes pins away: one alias, all of a name (alias ""), or the whole snapshot
// (name ""). fs.ErrNotExist if there is nothing.
func (p *CatalogPins) Unpin(ctx context.Context, id, name, alias string) error {
	if err := p.mine(ctx, id); err != nil {
		return err
	}
	if alias != "" {
		file, _ := pinFile(name, alias)
		if _, _, err := p.read(ctx, id, file); errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return p.c.judge(p.c.b.Remove(ctx, p.key(id, file)))
	}
	files, used, err := p.files(ctx, id)
	gone := false
	for _, file := range files {
		if n, _ := splitPin(file); err == nil && (name == "" || n == name) {
			err, gone = p.c.judge(p.c.b.Remove(ctx, p.key(id, file))), true
		}
	}
	if err == nil && name == "" && !used.IsZero() {
		err = p.c.judge(p.c.b.Remove(ctx, p.key(id, usedFile)))
	}
	if err == nil && !gone {
		err = fmt.Errorf("snapshot %s has no such pin in %s: %w", id, p, fs.ErrNotExist)
	}
	return err
}

// files lists a snapshot's pins, and when it is written that it was in use.
func (p *CatalogPins) files(ctx context.Context, id string) (files []string, used time.Time, err error) {
	err = p.c.b.List(ctx, p.key(id, ""), "/", func(e bucket.Entry) error {
		switch file := path.Base(e.Key); {
		case e.Dir:
		case file == usedFile:
			used = e.ModTime
		default:
			files = append(files, file)
		}
		return nil
	})
	return files, used, p.c.judge(err)
}

// Pins returns what a snapshot holds, sorted: fs.ErrNotExist if there is none.
func (p *CatalogPins) Pins(ctx context.Context, id string) ([]*Pin, error) {
	if err := p.mine(ctx, id); err != nil {
		return nil, err
	}
	files, used, err := p.files(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no snapshot %s in %s: %w", id, p, fs.ErrNotExist)
	}
	found := make([]*Pin, len(files))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(scanParallel) // a job may have used a hundred versions
	for i, file := range files {
		g.Go(func() error {
			pin, _, err := p.read(gctx, id, file)
			var bad *badPin
			switch {
			case err == nil:
				if used.After(pin.Used) {
					pin.Used = used
				}
				found[i] = pin
			case errors.As(err, &bad):
				p.c.log.Warn("not a pin", "err", err)
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	pins := slices.DeleteFunc(found, func(pin *Pin) bool { return pin == nil })
	slices.SortFunc(pins, func(a, b *Pin) int { return strings.Compare(a.Name+"\x00"+a.Alias, b.Name+"\x00"+b.Alias) })
	return pins, nil
}

// Snapshots returns the ids of the snapshots that the caller may read, sorted.
func (p *CatalogPins) Snapshots(ctx context.Context) (ids []string, err error) {
	if p.c.b.Commits() {
		return nil, nil
	}
	err = p.c.b.List(ctx, ownDir+"/snapshots/", "/", func(e bucket.Entry) error {
		if id := path.Base(e.Key); e.Dir && p.mine(ctx, id) == nil {
			ids = append(ids, id)
		}
		return nil
	})
	return ids, p.c.judge(err)
}
