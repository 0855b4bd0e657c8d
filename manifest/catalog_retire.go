package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// Retire hides a version from listings and moves latest back if it named it. undo
// brings it back. fs.ErrNotExist: there is no such version, or, to undo, it is not
// retired.
func (c *Catalog) Retire(ctx context.Context, name string, v int, why string, undo bool) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if _, err := c.Manifest(ctx, name, v); err != nil {
		return err
	}
	key := ownKey("retired", name, v)
	if undo {
		if _, err := c.b.Stat(ctx, key); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("artifact %s: v%d is not retired: %w", name, v, fs.ErrNotExist)
		} else if err != nil {
			return c.failed(name, "undo the retirement of "+Version(v).String(), err)
		}
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if undo {
		err = c.b.Remove(ctx, key)
	} else {
		uid := os.Geteuid()
		if who, ok := store.CallerOf(ctx); ok {
			uid = int(who.UID)
		}
		note := Object{{"why", why}, {"who", uid}, {"when", isoTime(time.Now())}}
		err = c.b.Write(ctx, key, append(AppendJSON(nil, note, 2), '\n'))
	}
	c.changed(name)
	if err != nil {
		return c.failed(name, "retire "+Version(v).String(), err)
	}
	err = c.advance(ctx, name, v, !undo)
	c.changed(name)
	return c.failed(name, "move latest", err)
}

// Retirement returns why v is retired; fs.ErrNotExist if it is not.
func (c *Catalog) Retirement(ctx context.Context, name string, v int) (Retirement, error) {
	if err := CheckName(name); err != nil {
		return Retirement{}, err
	}
	b, _, err := c.b.Read(ctx, ownKey("retired", name, v), largeRecord)
	if err != nil {
		return Retirement{}, c.failed(name, "read why it is retired", err)
	}
	return parseRetirement(b), nil
}

// Recall returns the sidecar of a version, what its log knew beside the record;
// fs.ErrNotExist if it has none.
func (c *Catalog) Recall(ctx context.Context, name string, v int) (Object, error) {
	side, _, err := c.recall(ctx, name, v)
	return side, err
}

func (c *Catalog) recall(ctx context.Context, name string, v int) (Object, string, error) {
	if err := CheckName(name); err != nil {
		return nil, "", err
	}
	b, tag, err := c.b.Read(ctx, ownKey("log", name, v), largeRecord)
	if err != nil {
		return nil, "", c.failed(name, "read its sidecar", err)
	}
	o, err := ParseJSON(b)
	side, ok := o.(Object)
	if err != nil || !ok {
		return nil, tag, fmt.Errorf("the sidecar of %s:v%d is not an object: %w", name, v, fs.ErrInvalid)
	}
	return side, tag, nil
}

// Broken returns why the manifest.json that a taken number has cannot be read; nil if it
// has none, or a good one.
func (c *Catalog) Broken(ctx context.Context, name string, v int) error {
	if err := CheckName(name); err != nil {
		return err
	}
	b, _, err := c.b.Read(ctx, versionKey(name, v, "manifest.json"), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = ParseManifest(b)
		return err
	}
	return c.failed(name, "read its manifest.json", err)
}

// Note sets one key of a version's sidecar, which is made if it has none. The record
// itself, upstream's, is not touched.
func (c *Catalog) Note(ctx context.Context, name string, v int, key string, value any) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if there, err := c.complete(ctx, name, v); err != nil || !there {
		return errors.Join(err, c.noVersion(name, v, nil))
	}
	for {
		side, tag, err := c.recall(ctx, name, v)
		if errors.Is(err, fs.ErrNotExist) {
			side, tag, err = Object{{"name", name}, {"version", v}}, "", nil
		}
		if err != nil {
			return err
		}
		side.Set(key, value)
		err = c.b.Replace(ctx, ownKey("log", name, v), append(AppendJSON(nil, side, 2), '\n'), tag)
		if !errors.Is(err, bucket.ErrChanged) {
			return c.failed(name, "write its sidecar", err)
		}
	}
}
