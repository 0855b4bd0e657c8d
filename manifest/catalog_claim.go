package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// Claim takes exactly this number, as upstream's writer does: fs.ErrExist if
// anything has it.
func (c *Catalog) Claim(ctx context.Context, name string, v int) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if v < 0 {
		return fmt.Errorf("artifact %s: there is no v%d: %w", name, v, fs.ErrInvalid)
	}
	err := c.claim(context.WithoutCancel(ctx), name, v)
	c.changed(name)
	c.expireNames()
	return c.failed(name, "claim "+Version(v).String(), err)
}

func (c *Catalog) claim(ctx context.Context, name string, v int) error {
	taken, top := false, 0
	err := c.b.List(ctx, name+"/v", "/", func(e bucket.Entry) error {
		n, _, ok := number(path.Base(e.Key))
		taken, top = taken || ok && n == v, max(top, n)
		return nil
	})
	if err != nil {
		return err
	}
	if v-top > maxGap { // claims have no object there
		if top, err = highest(ctx, c.b, name); err != nil {
			return err
		}
	}
	x, err := c.legacy(ctx)
	if err != nil {
		return err
	}
	if _, old := x.version(name, v); old {
		taken = true
	}
	if err := farAbove(v, max(top, x.highest(name))); err != nil {
		return err
	}
	if taken {
		return fmt.Errorf("v%d is taken: %w", v, fs.ErrExist)
	}
	side := Object{{"name", name}, {"version", v}, {"claimed_at", isoTime(time.Now())}, {"claim", unique("-")}}
	return c.create(ctx, ownKey("log", name, v), append(AppendJSON(nil, side, 2), '\n'))
}

// Put writes manifest.json or metadata.json of a claimed version, whole or not at
// all: fs.ErrNotExist if it was not claimed, fs.ErrExist if it has that file,
// fs.ErrInvalid for a manifest.json that is none.
func (c *Catalog) Put(ctx context.Context, name string, v int, file string, data []byte) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if err := checkPut(name, v, file, data); err != nil {
		return err
	}
	err := c.put(context.WithoutCancel(ctx), name, v, file, data)
	c.changed(name) // first: what is being read now is not to be kept
	c.records.Remove(recordKey{name, v})
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return c.failed(name, "write "+file+" of "+Version(v).String(), err)
}

// checkPut refuses what no version holds.
func checkPut(name string, v int, file string, data []byte) error {
	switch {
	case file != "manifest.json" && file != "metadata.json":
		return fmt.Errorf("artifact %s: a version holds manifest.json and metadata.json, not %s: %w", name, quote(file), fs.ErrInvalid)
	case len(data) > maxRecord:
		return fmt.Errorf("artifact %s: %s is longer than %d bytes: %w", name, file, maxRecord, syscall.EFBIG)
	case file == "manifest.json":
		if _, err := ParseManifest(data); err != nil {
			return fmt.Errorf("artifact %s: v%d: %w", name, v, err)
		}
	}
	return nil
}

func (c *Catalog) put(ctx context.Context, name string, v int, file string, data []byte) error {
	_, err := c.b.Stat(ctx, ownKey("log", name, v))
	if errors.Is(err, fs.ErrNotExist) {
		if there, err := c.anything(ctx, name, v); err != nil {
			return err
		} else if !there {
			return c.noVersion(name, v, nil)
		}
		err = nil
	}
	if err != nil {
		return err
	}
	err = c.b.Create(ctx, versionKey(name, v, file), data)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("v%d has its %s: %w", v, file, fs.ErrExist)
	}
	return err
}

// anything reports whether a version has an object of its own.
func (c *Catalog) anything(ctx context.Context, name string, v int) (there bool, err error) {
	stop := errors.New("enough")
	err = c.b.List(ctx, name+"/"+Version(v).String()+"/", "/", func(bucket.Entry) error { there = true; return stop })
	if errors.Is(err, stop) {
		err = nil
	}
	return there, err
}
