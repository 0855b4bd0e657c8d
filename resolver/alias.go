package resolver

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// Alias gives the version that ref names a further name. To no version it is
// fs.ErrNotExist.
func (t *Tree) Alias(ctx context.Context, ref manifest.Ref, alias string) error {
	if err := manifest.CheckAlias(alias); err != nil {
		return err
	}
	v, err := t.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	s, err := t.side(v.in)
	if err != nil {
		return err
	}
	return s.setAlias(ctx, v.Name, alias, v.N)
}

func (t *Tree) setAlias(ctx context.Context, name, alias string, n int) error {
	a, ok := t.src.(Aliaser)
	if !ok {
		return fmt.Errorf("alias %s of %s: the store keeps no aliases: %w", alias, name, syscall.EROFS)
	}
	if err := a.SetAlias(ctx, name, alias, n); err != nil {
		return err
	}
	t.wrote(ctx, name, alias, t.own(ctx, name, n))
	return nil
}

// RemoveAlias takes a further name away again; the version stays.
func (t *Tree) RemoveAlias(ctx context.Context, name, alias string) error {
	t, name = t.named(name)
	l, err := t.versions(ctx, name)
	if err != nil {
		return err
	}
	if alias == manifest.Latest {
		return fmt.Errorf("latest of %s is moved by logging, and back by artifactfs retire: %w", name, syscall.EPERM)
	}
	if to, ok := aliasIn(l, alias); !ok {
		return t.noVersion(name, alias, l)
	} else if to.In != t.in {
		if t, err = t.side(to.In); err != nil {
			return err
		}
	}
	a, ok := t.src.(Aliaser)
	if !ok {
		return fmt.Errorf("alias %s of %s: the store keeps no aliases: %w", alias, name, syscall.EROFS)
	}
	return a.RemoveAlias(ctx, name, alias)
}

// Retire hides the version that ref names from listings, or, with undo, shows it
// again. It goes on resolving for whoever names it.
func (t *Tree) Retire(ctx context.Context, ref manifest.Ref, why string, undo bool) (*Version, error) {
	if _, number := ref.Number(); !number {
		return nil, fmt.Errorf("retire %s: name the version by number, an alias may move: %w", ref, fs.ErrInvalid)
	}
	v, err := t.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	if t, err = t.side(v.in); err != nil {
		return nil, err
	}
	r, ok := t.src.(Retirer)
	if !ok {
		return nil, fmt.Errorf("retire %s: the store cannot: %w", v, syscall.EROFS)
	}
	return v, r.Retire(ctx, v.Name, v.N, why, undo)
}
