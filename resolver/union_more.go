package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// What a Union can do beside answering. The store's own versions are logged, and
// retired, in the store; W&B gets what is logged by way of a Pusher.
var (
	_ Aliaser   = (*Union)(nil)
	_ Retirer   = (*Union)(nil)
	_ Scoped    = (*Union)(nil)
	_ Filer     = (*Union)(nil)
	_ Refresher = (*Union)(nil)
	_ Trimmer   = (*Union)(nil)
	_ Recaller  = (*Union)(nil)
	_ Noter     = (*Union)(nil)
	_ Namer     = (*Union)(nil)
	_ Surveyor  = (*Union)(nil)
	_ UseKeeper = (*Union)(nil)
)

// stored returns the store, and the number in it of the version that the tree calls
// n; fs.ErrNotExist if it has none.
func (u *Union) stored(ctx context.Context, name string, n int) (Source, int, error) {
	by, err := u.Numbering(ctx)
	if err != nil {
		return nil, 0, err
	}
	if by == manifest.ByManifest || strings.Contains(name, "/") {
		return u.manifest, n, nil
	}
	k, err := u.known(ctx, name, n)
	if absent(err) {
		err = fmt.Errorf("%s:%v is a number of W&B's, and no version of the manifest store is known to be it; name the store's own number in .manifest: %w",
			name, manifest.Version(n), err)
	}
	return u.manifest, k, err
}

// can returns one of the second interfaces of the store, with the number there.
func can[T any](ctx context.Context, u *Union, name string, n int) (t T, k int, err error) {
	if u.manifest == nil {
		return t, 0, fmt.Errorf("%s: W&B alone is on, and cannot: %w", name, syscall.EOPNOTSUPP)
	}
	s, k, err := u.stored(ctx, name, n)
	if err != nil {
		return t, 0, err
	}
	t, ok := s.(T)
	if !ok {
		err = fmt.Errorf("%s: the manifest store cannot: %w", name, syscall.EROFS)
	}
	return t, k, err
}

// SetAlias gives a version a further name: in W&B, if W&B numbers and takes it, and
// in the store, if the version is there.
func (u *Union) SetAlias(ctx context.Context, name, alias string, n int) error {
	if w, ok := u.theirs(ctx, name); ok {
		if err := w.SetAlias(ctx, name, alias, n); err != nil {
			return err
		}
		if a, k, err := can[Aliaser](ctx, u, name, n); err == nil {
			return a.SetAlias(ctx, name, alias, k)
		}
		return nil
	}
	a, k, err := can[Aliaser](ctx, u, name, n)
	if err != nil {
		return err
	}
	return a.SetAlias(ctx, name, alias, k)
}

// theirs returns W&B as an Aliaser, if a name's numbers are W&B's.
func (u *Union) theirs(ctx context.Context, name string) (Aliaser, bool) {
	by, err := u.Numbering(ctx)
	w, ok := u.wandb.(Aliaser)
	return w, ok && err == nil && by == manifest.ByWandB && !strings.Contains(name, "/")
}

// RemoveAlias takes a further name away again, wherever it is.
func (u *Union) RemoveAlias(ctx context.Context, name, alias string) error {
	err := fmt.Errorf("alias %s of %s: no store that is on takes it away: %w", alias, name, syscall.EROFS)
	if w, ok := u.theirs(ctx, name); ok {
		err = w.RemoveAlias(ctx, name, alias)
	}
	if a, ok := u.manifest.(Aliaser); ok {
		switch err2 := a.RemoveAlias(ctx, name, alias); {
		case err2 == nil && (absent(err) || errors.Is(err, syscall.EROFS)):
			err = nil
		case errors.Is(err, syscall.EROFS):
			err = err2
		case err == nil && !absent(err2):
			err = err2
		}
	}
	return err
}

// Retire hides a version of the store.
func (u *Union) Retire(ctx context.Context, name string, n int, why string, undo bool) error {
	r, k, err := can[Retirer](ctx, u, name, n)
	if err != nil {
		return err
	}
	return r.Retire(ctx, name, k, why, undo)
}

// Retirement returns why a version is retired.
func (u *Union) Retirement(ctx context.Context, name string, n int) (manifest.Retirement, error) {
	r, k, err := can[Retirer](ctx, u, name, n)
	if err != nil {
		return manifest.Retirement{}, err
	}
	return r.Retirement(ctx, name, k)
}

// Recall returns the sidecar of a version.
func (u *Union) Recall(ctx context.Context, name string, n int) (manifest.Object, error) {
	r, k, err := can[Recaller](ctx, u, name, n)
	if err != nil {
		return nil, err
	}
	return r.Recall(ctx, name, k)
}

// Broken returns why the record that a taken number has cannot be read.
func (u *Union) Broken(ctx context.Context, name string, n int) error {
	r, k, err := can[Recaller](ctx, u, name, n)
	if err != nil {
		return nil
	}
	return r.Broken(ctx, name, k)
}

// Note sets one key of a version's sidecar.
func (u *Union) Note(ctx context.Context, name string, n int, key string, value any) error {
	r, k, err := can[Noter](ctx, u, name, n)
	if err != nil {
		return err
	}
	return r.Note(ctx, name, k, key, value)
}

// KeepUsed keeps what a version was made from.
func (u *Union) KeepUsed(ctx context.Context, name string, n int, refs []string) error {
	k, m, err := can[UseKeeper](ctx, u, name, n)
	if err != nil {
		return err
	}
	return k.KeepUsed(ctx, name, m, refs)
}

// KeptUsed returns it; nothing of what only W&B has.
func (u *Union) KeptUsed(ctx context.Context, name string, n int) ([]string, error) {
	k, m, err := can[UseKeeper](ctx, u, name, n)
	if err != nil {
		if u.alone(err) {
			err = nil
		}
		return nil, err
	}
	return k.KeptUsed(ctx, name, m)
}

// EachUsed calls fn where the numbers are the store's: W&B's are asked for by its side.
func (u *Union) EachUsed(ctx context.Context, fn func(name string, n int)) error {
	by, err := u.Numbering(ctx)
	if k, ok := u.manifest.(UseKeeper); ok && err == nil && by == manifest.ByManifest {
		err = k.EachUsed(ctx, fn)
	}
	return err
}

// Files returns the files that the one that numbers keeps of a version.
func (u *Union) Files(ctx context.Context, name string, n int) (store.Files, error) {
	by, err := u.Numbering(ctx)
	if err != nil {
		return nil, err
	}
	src := u.manifest
	if by == manifest.ByWandB && !strings.Contains(name, "/") {
		src = u.wandb
	}
	if f, ok := src.(Filer); ok {
		return f.Files(ctx, name, n)
	}
	return nil, errors.ErrUnsupported
}

// Public reports whether every user gets the same answers about a name: W&B's are
// the key's.
func (u *Union) Public(ctx context.Context, name string) bool {
	s, ok := u.manifest.(Scoped)
	return !ok || s.Public(ctx, name)
}

// PublicVersion reports the same of a version's record: the store's counts wherever
// it may be what is given.
func (u *Union) PublicVersion(ctx context.Context, name string, n int) bool {
	s, k, err := can[Scoped](ctx, u, name, n)
	return err == nil && s.PublicVersion(ctx, name, k) || err != nil && u.alone(err)
}

// alone reports whether err says that the record can only be W&B's.
func (u *Union) alone(err error) bool {
	return u.manifest == nil || absent(err) || errors.Is(err, syscall.EROFS)
}

// OpenToAll is PublicVersion asked anew, and says why not.
func (u *Union) OpenToAll(ctx context.Context, name string, n int, round *store.Round) error {
	s, k, err := can[Scoped](ctx, u, name, n)
	if err != nil && u.alone(err) {
		return nil
	} else if err != nil {
		return err
	}
	return s.OpenToAll(ctx, name, k, round)
}

// Refresh forgets what is cached.
func (u *Union) Refresh(name string) {
	for _, s := range []Source{u.manifest, u.wandb} {
		if r, ok := s.(Refresher); ok {
			r.Refresh(name)
		}
	}
}

// Trim gives memory back.
func (u *Union) Trim() {
	for _, s := range []Source{u.manifest, u.wandb} {
		if t, ok := s.(Trimmer); ok {
			t.Trim()
		}
	}
}

// Named reports whether the store has listed a name.
func (u *Union) Named(name string) bool {
	n, ok := u.manifest.(Namer)
	return ok && n.Named(name)
}

// Survey lists all artifacts where the store is alone and can: W&B tells of one name.
func (u *Union) Survey(ctx context.Context, prefix string, fn func(name string, l *manifest.Listing)) error {
	s, ok := u.manifest.(Surveyor)
	if !ok || u.wandb != nil {
		return errors.ErrUnsupported
	}
	if by, err := u.Numbering(ctx); err != nil || by != manifest.ByManifest {
		return errors.Join(err, errors.ErrUnsupported)
	}
	return s.Survey(ctx, prefix, fn)
}
