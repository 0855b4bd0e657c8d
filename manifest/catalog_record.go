package manifest

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"
)

// Manifest returns the record of version v, complete or retired: fs.ErrNotExist if
// the store answers and has none.
func (c *Catalog) Manifest(ctx context.Context, name string, v int) (*Record, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if v < 0 {
		return nil, c.noVersion(name, v, nil)
	}
	key := recordKey{name, v}
	old, ok := c.records.Get(key)
	if ok && (old.until.IsZero() || time.Now().Before(old.until)) {
		return old.rec, nil
	}
	if ok && c.missing() != nil {
		return old.rec, nil
	}
	rec, err := c.load(ctx, name, v)
	var gone *unreachable
	if errors.As(err, &gone) && ok {
		return old.rec, nil // records do not change: no worse than before
	}
	return rec, err
}

// load reads a record, and keeps it.
func (c *Catalog) load(ctx context.Context, name string, v int) (*Record, error) {
	c.mu.Lock()
	moves := c.moves
	c.mu.Unlock()
	var raw, meta []byte
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		raw, _, err = c.b.Read(gctx, versionKey(name, v, "manifest.json"), maxRecord)
		return err
	})
	g.Go(func() (err error) {
		meta, err = c.metadata(gctx, name, v)
		return err
	})
	if err := c.judge(g.Wait()); err != nil {
		if !absent(err) {
			return nil, err
		}
		rec, err2 := c.loadLegacy(ctx, name, v)
		if errors.Is(err2, fs.ErrNotExist) {
			return nil, c.noVersion(name, v, err)
		}
		return rec, err2
	}
	if meta == nil { // the two were asked for at one moment, and may have been written between
		var err error
		if meta, err = c.metadata(ctx, name, v); err != nil {
			return nil, c.judge(err)
		}
	}
	rec, err := NewRecord(name, v, raw, meta, c.dir(name, v))
	if err != nil {
		return nil, c.noVersion(name, v, err)
	}
	if meta != nil {
		c.records.put(recordKey{name, v}, cachedRecord{rec: rec})
		return rec, nil
	}
	// Upstream writes metadata.json second: it may be about to come, or have come by a
	// write of ours meanwhile.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moves == moves {
		c.records.put(recordKey{name, v}, cachedRecord{rec: rec, until: time.Now().Add(max(c.life(), time.Second))})
	}
	return rec, nil
}

// metadata reads a version's metadata.json; nil if there is none, or it is no file.
func (c *Catalog) metadata(ctx context.Context, name string, v int) ([]byte, error) {
	b, _, err := c.b.Read(ctx, versionKey(name, v, "metadata.json"), maxRecord)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, nil
	}
	return b, err
}

// complete reports whether v has a record of its own.
func (c *Catalog) complete(ctx context.Context, name string, v int) (bool, error) {
	rec, err := c.Manifest(ctx, name, v)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && !rec.Legacy, err
}

// dir is where a version lies, for its record.
func (c *Catalog) dir(name string, v int) string {
	return c.b.String() + "/" + name + "/" + Version(v).String()
}
