package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// Resolve returns the version that a reference names: by number, by alias, or
// the latest. A name with slashes that is not there is looked for with dashes, as
// upstream logs it. Errors say what is near.
func (t *Tree) Resolve(ctx context.Context, ref manifest.Ref) (*Version, error) {
	return t.resolve(ctx, ref, true)
}

// resolve is Resolve. Without pin the caller's job goes on as if nobody had asked.
func (t *Tree) resolve(ctx context.Context, ref manifest.Ref, pin bool) (*Version, error) {
	if ref.In != "" {
		return t.resolveInView(ctx, ref, pin)
	}
	l, err := t.versions(ctx, ref.Name)
	if (errors.Is(err, fs.ErrNotExist) || err == nil && empty(l)) && t.opt.Disabled == "" {
		dashed, other := ref.Dashed()
		if other {
			if l, e := t.versions(ctx, dashed.Name); e == nil && !empty(l) {
				return t.resolveIn(ctx, l, dashed, pin)
			}
		}
		if v, err := t.elsewhere(ctx, ref, pin); v != nil || err != nil {
			return v, err
		}
		return nil, t.noName(ctx, ref.Name)
	}
	if err != nil {
		return nil, err
	}
	return t.resolveIn(ctx, l, ref, pin)
}

// resolveInView resolves a reference that names its view. One that has the tree's numbers
// is the tree's.
func (t *Tree) resolveInView(ctx context.Context, ref manifest.Ref, pin bool) (*Version, error) {
	s, err := t.inView(ref.In)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	bare := ref
	bare.In = ""
	v, err := s.resolve(ctx, bare, pin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.In.View(), err)
	}
	if v.in == "" || s.own(ctx, v.Name, v.N).In != "" {
		return v, nil
	}
	own, err := t.whole().version(ctx, v.Name, v.N)
	if err != nil {
		return nil, err
	}
	out := *own
	out.Warnings = v.Warnings
	return &out, nil
}

// Listing is what there is of a reference's artifact, in the view that it names.
func (t *Tree) Listing(ctx context.Context, ref manifest.Ref) (*manifest.Listing, error) {
	if ref.In != "" {
		var err error
		if t, err = t.inView(ref.In); err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
	}
	return t.versions(ctx, ref.Name)
}

// elsewhere resolves ENTITY/PROJECT/NAME in W&B, where the store has no such name; nil
// if W&B has none either.
func (t *Tree) elsewhere(ctx context.Context, ref manifest.Ref, pin bool) (*Version, error) {
	if t.wandb == nil || strings.Count(ref.Name, "/") != 2 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.data.Deadline())
	defer cancel()
	l, err := t.wandb.versions(ctx, ref.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return t.wandb.resolveIn(ctx, l, ref, pin)
}

// empty reports whether nothing was ever logged: a directory that only leads to
// artifacts, or was made and left.
func empty(l *manifest.Listing) bool {
	return len(l.Claimed) == 0 && len(l.Versions) == 0 && len(l.Foreign) == 0
}

func (t *Tree) resolveIn(ctx context.Context, l *manifest.Listing, ref manifest.Ref, pin bool) (*Version, error) {
	var to manifest.Target
	ok := true
	if v, number := ref.Number(); number {
		to.Version = int(v)
	} else {
		var err error
		if to, ok, err = t.alias(ctx, l, ref.Name, ref.Version, pin); err != nil {
			return nil, err
		}
	}
	if !ok {
		return nil, t.noVersion(ref.Name, ref.Version, l)
	}
	s, err := t.side(to.In)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	found, err := s.version(ctx, ref.Name, to.Version)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, t.noVersion(ref.Name, ref.Version, l)
	} else if err != nil {
		return nil, err
	}
	v := *found
	if l.Warning != "" {
		v.Warnings = append(v.Warnings, l.Warning)
	}
	if to.In == "" && slices.Contains(l.Retired, to.Version) {
		v.Warnings = append(v.Warnings, t.retired(ctx, &v))
	}
	return &v, nil
}

// retired tells whoever still uses a retired version why it is one.
func (t *Tree) retired(ctx context.Context, v *Version) string {
	if s, ok := t.src.(Retirer); ok {
		if r, err := s.Retirement(ctx, v.Name, v.N); err == nil {
			return fmt.Sprintf("%s is retired: %s", v, r)
		}
	}
	return fmt.Sprintf("%s is retired", v)
}

// Data returns v with its Base, the real directory that NAME/vN shows.
func (t *Tree) Data(ctx context.Context, v *Version) (*Version, error) {
	s, err := t.side(v.in)
	if err != nil {
		return nil, err
	}
	return s.withBase(ctx, v.Name, v.N)
}

// Inside returns the entry at a path below a version, as the tree shows it.
func (t *Tree) Inside(ctx context.Context, v *Version, path string) (Entry, error) {
	s, err := t.side(v.in)
	if err != nil {
		return Entry{}, err
	}
	e, err := s.Walk(ctx, v.Name+"/"+manifest.Version(v.N).String()+"/"+path)
	if err != nil {
		return Entry{}, fmt.Errorf("%s of %s: %w", path, v, err)
	}
	return e, nil
}

// noName says which store was asked and which name is near.
func (t *Tree) noName(ctx context.Context, name string) error {
	words := fmt.Sprintf("no artifact %s", name)
	if s, ok := t.src.(fmt.Stringer); ok {
		words += " in " + s.String()
	}
	if near := t.near(ctx, name); near != "" {
		words += "; did you mean " + near + "?"
	}
	if below, e := t.names(ctx, name); e == nil && len(below) > 0 {
		words += fmt.Sprintf("; there are %d below it, such as %s/%s", len(below), name, below[0])
	}
	return fmt.Errorf("%s: %w", words, fs.ErrNotExist)
}
