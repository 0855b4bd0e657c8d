package manifest

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Public reports whether every user of this machine may look up what lies in
// name's directory ("" is the root), so that an answer about it may be kept for
// all of them.
func (d *Dir) Public(ctx context.Context, name string) bool {
	path := d.root
	if name != "" {
		path += "/" + name
	}
	return d.local.Searchable(ctx, path)
}

// publicFor is how long an answer of PublicVersion's is good for.
const publicFor = 5 * time.Second

// public is what PublicVersion last found.
type public struct {
	yes bool
	at  time.Time
}

// PublicVersion reports whether every user of this machine may read the record of
// a version: its writer's umask may have kept it to himself in an artifact that
// everybody may list. An answer is kept for a few seconds.
func (d *Dir) PublicVersion(ctx context.Context, name string, v int) bool {
	key := recordKey{name, v}
	if p, ok := d.publics.Get(key); ok && time.Since(p.at) < publicFor {
		return p.yes
	}
	yes := d.OpenToAll(ctx, name, v, nil) == nil
	d.publics.Add(key, public{yes, time.Now()})
	return yes
}

// OpenToAll is PublicVersion asked anew, and says why not.
func (d *Dir) OpenToAll(ctx context.Context, name string, v int, r *store.Round) error {
	dir := d.root + "/" + name + "/" + Version(v).String()
	err := d.local.ReadableByAll(ctx, dir+"/manifest.json", r)
	if errors.Is(err, fs.ErrNotExist) {
		return d.local.ReadableByAll(ctx, d.root+"/"+indexFile, r)
	}
	if err != nil {
		return err
	}
	if err := d.local.ReadableByAll(ctx, dir+"/metadata.json", r); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Refresh makes the next listing of name read the store; "" is of every name.
func (d *Dir) Refresh(name string) {
	if name != "" {
		d.changed(name)
		return
	}
	d.prefixes.Purge()
	for _, name := range d.artifacts.Keys() {
		d.changed(name)
	}
}
