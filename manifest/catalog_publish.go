package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"syscall"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// Publish gives the draft the next free number and returns it when the version is
// durable and latest names it or a higher one, as Dir.Publish does and with the same
// errors. Once begun it is not interrupted, but by the deadline of each request.
func (c *Catalog) Publish(ctx context.Context, name string, dr *Draft) (int, error) {
	named := *dr
	named.Manifest.Name = name
	dr = &named
	if err := c.changes(name); err != nil {
		return 0, err
	}
	if err := dr.publishable(name); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	log := c.once
	if c.b.Commits() {
		log = c.logCommit
	}
	v, again, err := log(ctx, name, dr)
	if err == nil && !again {
		c.keep(name, v, dr)
	}
	c.changed(name)
	c.expireNames()
	if err != nil {
		return 0, c.failed(name, "log", err)
	}
	if c.b.Commits() {
		return v, nil // and latest and the aliases with it
	}
	return v, c.follow(ctx, name, v, again, dr)
}

// keep remembers the record of what has just been written, which the next listing would
// read otherwise.
func (c *Catalog) keep(name string, v int, dr *Draft) {
	rec, err := NewRecord(name, v, dr.ManifestBytes(v), dr.MetadataBytes(), c.dir(name, v))
	if err == nil {
		c.records.put(recordKey{name, v}, cachedRecord{rec: rec})
	}
}

// follow moves latest and the draft's aliases to what has been logged.
func (c *Catalog) follow(ctx context.Context, name string, v int, again bool, dr *Draft) error {
	var undone []error
	if err := c.advance(ctx, name, v, false); err != nil {
		undone = append(undone, fmt.Errorf("artifact %s in %s is logged as v%d, but latest was not moved (the next log moves it): %w", name, c, v, c.judge(err)))
	}
	for _, alias := range dr.Aliases {
		if again && c.hasAlias(ctx, name, alias) {
			continue // it may have been moved on since
		}
		if err := c.SetAlias(ctx, name, alias, v); err != nil {
			undone = append(undone, fmt.Errorf("artifact %s in %s is logged as v%d, but alias %s was not set (artifactfs alias %s:v%d %s): %w",
				name, c, v, alias, name, v, alias, err))
		}
	}
	c.changed(name)
	return errors.Join(undone...)
}

// publishable refuses what would take a number and then not exist for readers.
func (dr *Draft) publishable(name string) error {
	for _, alias := range dr.Aliases {
		if err := checkNewAlias(alias); err != nil {
			return err
		}
	}
	record := dr.ManifestBytes(1)
	if n := max(len(record), len(dr.MetadataBytes())); n > maxRecord-64 {
		return fmt.Errorf("artifact %s: a record of %d bytes is longer than %d: %w", name, n, maxRecord, syscall.EFBIG)
	}
	if _, err := ParseManifest(record); err != nil {
		return fmt.Errorf("artifact %s: cannot be logged: %w", name, err)
	}
	return nil
}

// version claims numbers until one is logged under.
func (c *Catalog) version(ctx context.Context, name string, dr *Draft) (int, error) {
	at := 0
	for {
		v, err := c.claimNext(ctx, name, at, sidecarOf(name, dr))
		if err != nil {
			return 0, err
		}
		err = c.commit(ctx, name, v, dr)
		if err == nil {
			return v, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return 0, fmt.Errorf("v%d was claimed, and its number is lost: %w", v, err)
		}
		c.log.Warn("another writer entered a claimed version", "store", c.b.String(), "artifact", name, "version", v)
		at = v
	}
}

// claimNext claims the lowest number above all that are taken, and above at.
func (c *Catalog) claimNext(ctx context.Context, name string, at int, side func(v int) []byte) (int, error) {
	highest, err := highest(ctx, c.b, name)
	if err != nil {
		return 0, err
	}
	old, err := c.legacyTop(ctx, c.b, "", name)
	if err != nil {
		return 0, err
	}
	for highest = max(highest, at, old); ; {
		if highest == math.MaxInt {
			return 0, fmt.Errorf("v%d leaves no higher number: %w", highest, fs.ErrExist)
		}
		highest++
		err := c.b.Create(ctx, ownKey("log", name, highest), side(highest))
		if !errors.Is(err, fs.ErrExist) {
			return highest, err
		}
	}
}

// highest returns the highest number that is taken, by anything.
func highest(ctx context.Context, b *bucket.Bucket, name string) (int, error) {
	var top, claimed int
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return b.List(ctx, name+"/", "/", func(e bucket.Entry) error {
			v, _, _ := number(path.Base(e.Key))
			top = max(top, v)
			return nil
		})
	})
	g.Go(func() error {
		return eachOwn(ctx, b, "log", name, func(v int) { claimed = max(claimed, v) })
	})
	err := g.Wait()
	return max(top, claimed), err
}

// commit writes a claimed version; fs.ErrExist if somebody else has written there.
func (c *Catalog) commit(ctx context.Context, name string, v int, dr *Draft) error {
	if err := c.create(ctx, versionKey(name, v, "metadata.json"), dr.MetadataBytes()); err != nil {
		return err
	}
	return c.create(ctx, versionKey(name, v, "manifest.json"), dr.ManifestBytes(v))
}

// create is Create where what is there may be our own: a client that had no answer
// asks again by itself, and then finds what it wrote.
func (c *Catalog) create(ctx context.Context, key string, data []byte) error {
	err := c.b.Create(ctx, key, data)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	now, _, err2 := c.b.Read(ctx, key, int64(len(data)))
	if err2 == nil && string(now) == string(data) {
		return nil
	}
	return err
}

// sidecarOf returns the sidecar of a draft under a number.
func sidecarOf(name string, dr *Draft) func(v int) []byte {
	return func(v int) []byte {
		o := append(Object{}, dr.Sidecar...)
		o.Set("name", name)
		o.Set("version", v)
		if dr.RequestID != "" {
			o.Set("request_id", dr.RequestID)
		}
		return append(AppendJSON(nil, o, 2), '\n')
	}
}

func (c *Catalog) hasAlias(ctx context.Context, name, alias string) bool {
	p, _, err := pointerIn(ctx, c.b, name, alias)
	return err == nil && p.ok
}
