package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// Advance makes version v latest, unless a higher one is. v must be complete, else
// fs.ErrNotExist.
func (c *Catalog) Advance(ctx context.Context, name string, v int) error {
	if err := c.changes(name); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	there, err := c.complete(ctx, name, v)
	if err != nil {
		return c.failed(name, "move latest", err)
	}
	if !there {
		return c.noVersion(name, v, nil)
	}
	err = c.advance(ctx, name, v, false)
	c.changed(name)
	return c.failed(name, "move latest", err)
}

// advance moves latest to v or to what is higher; back too, if back is set, for a v
// that has been retired. Each try is conditional on what was read: of several
// writers, those who lose look again.
func (c *Catalog) advance(ctx context.Context, name string, v int, back bool) error {
	give, err := c.turns.take(ctx, name)
	if err != nil {
		return err
	}
	defer give()
	for range latestTries {
		now, tag, retired, err := c.latestNow(ctx, name)
		if err != nil {
			return err
		}
		to, err := c.nextLatest(ctx, name, v, back, now, retired)
		if err != nil || to == stay {
			return err
		}
		if to == NoVersion {
			err = c.b.Remove(ctx, name+"/"+Latest)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return err
		}
		err = c.b.Replace(ctx, name+"/"+Latest, []byte(Version(to).String()), tag)
		if !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("latest was changed by others %d times meanwhile: %w", latestTries, syscall.EAGAIN)
}

// latestTries is far more than can happen: whoever loses finds a higher latest.
const latestTries = 100

// stay is that latest is right as it is.
const stay = NoVersion - 1

// latestNow returns what latest names, the tag of that, and what is retired.
func (c *Catalog) latestNow(ctx context.Context, name string) (now pointer, tag string, retired map[int]bool, err error) {
	retired = make(map[int]bool)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		now, tag, err = pointerIn(ctx, c.b, name, Latest)
		return err
	})
	g.Go(func() error {
		return eachOwn(ctx, c.b, "retired", name, func(v int) { retired[v] = true })
	})
	err = g.Wait()
	return now, tag, retired, err
}

// nextLatest returns what latest should name.
func (c *Catalog) nextLatest(ctx context.Context, name string, v int, back bool, now pointer, retired map[int]bool) (int, error) {
	good := false
	if now.ok && !retired[now.v] {
		if !back && now.v >= v {
			return stay, nil // it was complete when somebody moved it there
		}
		var err error
		if good, err = c.complete(ctx, name, now.v); err != nil {
			return 0, err
		}
	}
	switch {
	case back && good, !back && retired[v]:
		return stay, nil
	case !back:
		return v, nil
	}
	s, err := c.scan(ctx, name, nil)
	if err != nil {
		return 0, err
	}
	for i := len(s.complete) - 1; i >= 0; i-- {
		if !retired[s.complete[i]] {
			return s.complete[i], nil
		}
	}
	return NoVersion, nil
}

// SetAlias makes alias a name of version v, in place of what it named before: an
// object that holds vN, as latest does. fs.ErrNotExist: there is no such version.
func (c *Catalog) SetAlias(ctx context.Context, name, alias string, v int) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if err := checkNewAlias(alias); err != nil {
		return err
	}
	if _, err := c.Manifest(ctx, name, v); err != nil {
		return err
	}
	err := c.b.Write(context.WithoutCancel(ctx), name+"/"+alias, []byte(Version(v).String()))
	c.changed(name)
	return c.failed(name, "set alias "+alias, err)
}

// RemoveAlias removes an alias: fs.ErrNotExist if there is none of that name.
func (c *Catalog) RemoveAlias(ctx context.Context, name, alias string) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if err := CheckAlias(alias); err != nil {
		return err
	}
	p, _, err := pointerIn(ctx, c.b, name, alias)
	if err == nil && !p.ok {
		return fmt.Errorf("artifact %s: store %s has no alias %s: %w", name, c, alias, fs.ErrNotExist)
	}
	if err == nil {
		err = c.b.Remove(context.WithoutCancel(ctx), name+"/"+alias)
	}
	c.changed(name)
	return c.failed(name, "remove alias "+alias, err)
}
