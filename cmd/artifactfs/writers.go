package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// guarded is a store without users of its own: whoever may write it is root, the user
// who mounts, whose credentials it is written with, and artifactfs.writers.
type guarded struct {
	*manifest.Catalog
	who config.Writers
}

// mayLog refuses callers who may not write a store that has no users of its own.
func mayLog(ctx context.Context, where string, who config.Writers) error {
	c, ok := store.CallerOf(ctx)
	if !ok || c.UID == 0 || c.UID == uint32(os.Geteuid()) || slices.Contains(who.Users, c.UID) {
		return nil
	}
	for _, g := range who.Groups {
		if c.May(store.Attr{UID: c.UID + 1, GID: g, Mode: 0o020}, 2) {
			return nil
		}
	}
	return fmt.Errorf("uid %d may not write %s, which is written with the credentials of uid %d; artifactfs.writers says who else may: %w",
		c.UID, where, os.Geteuid(), syscall.EPERM)
}

func (g *guarded) may(ctx context.Context) error { return mayLog(ctx, g.String(), g.who) }

func (g *guarded) Publish(ctx context.Context, name string, d *manifest.Draft) (int, error) {
	if err := g.may(ctx); err != nil {
		return 0, err
	}
	return g.Catalog.Publish(ctx, name, d)
}

func (g *guarded) Claim(ctx context.Context, name string, version int) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.Claim(ctx, name, version)
}

func (g *guarded) Put(ctx context.Context, name string, version int, file string, data []byte) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.Put(ctx, name, version, file, data)
}

func (g *guarded) Advance(ctx context.Context, name string, version int) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.Advance(ctx, name, version)
}

func (g *guarded) SetAlias(ctx context.Context, name, alias string, version int) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.SetAlias(ctx, name, alias, version)
}

func (g *guarded) RemoveAlias(ctx context.Context, name, alias string) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.RemoveAlias(ctx, name, alias)
}

func (g *guarded) Retire(ctx context.Context, name string, version int, why string, undo bool) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.Retire(ctx, name, version, why, undo)
}

func (g *guarded) Note(ctx context.Context, name string, version int, key string, value any) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.Note(ctx, name, version, key, value)
}

func (g *guarded) KeepUsed(ctx context.Context, name string, version int, refs []string) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.KeepUsed(ctx, name, version, refs)
}

func (g *guarded) SetIndex(ctx context.Context, b []byte) error {
	if err := g.may(ctx); err != nil {
		return err
	}
	return g.Catalog.SetIndex(ctx, b)
}
