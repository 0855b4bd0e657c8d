package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

var errOff = errors.New("W&B is switched off")

// ofWandB asks W&B for a name; fs.ErrNotExist only if it has none for certain.
func (u *Union) ofWandB(ctx context.Context, name string) (*manifest.Listing, error) {
	if strings.Contains(name, "/") {
		return nil, fmt.Errorf("no name of W&B's is %s: %w", name, fs.ErrNotExist)
	}
	if u.wandb == nil {
		return nil, errOff
	}
	ctx, cancel := context.WithTimeout(ctx, u.wait())
	defer cancel()
	l, err := u.wandb.Versions(ctx, name)
	if err != nil && !absent(err) && u.manifest != nil {
		err = unanswered(err)
	}
	return l, err
}

// Versions lists a name by the numbers of the one that numbers. What only the other
// one has are foreign aliases.
func (u *Union) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	by, err := u.Numbering(ctx)
	if err != nil {
		return nil, err
	}
	if u.manifest == nil {
		return u.ofWandB(ctx, name)
	}
	if by == manifest.ByManifest || strings.Contains(name, "/") {
		return u.versionsByManifest(ctx, name)
	}
	return u.versionsByWandB(ctx, name)
}

func (u *Union) versionsByManifest(ctx context.Context, name string) (*manifest.Listing, error) {
	l, err := u.manifest.Versions(ctx, name)
	if u.wandb == nil || !absent(err) && (err != nil || !empty(l)) {
		return l, err
	}
	theirs, err2 := u.ofWandB(ctx, name)
	switch {
	case err2 == nil:
		return onlyForeign(theirs, manifest.ByWandB), nil
	case absent(err2):
		return l, err
	case err == nil: // a directory that leads to other names
		out := *l
		out.Silent = err2
		return &out, nil
	}
	return nil, err2 // whether there is one cannot be said
}

func (u *Union) versionsByWandB(ctx context.Context, name string) (*manifest.Listing, error) {
	theirs, err := u.ofWandB(ctx, name)
	if err == nil {
		theirs = u.newer(ctx, name, theirs)
	}
	own, err2 := u.manifest.Versions(ctx, name)
	switch {
	case err == nil && err2 == nil:
		return withForeign(u.hideRetired(name, theirs, own.Retired), own, manifest.ByManifest), nil
	case err == nil && !absent(err2):
		l := *theirs
		l.Warning, l.Silent = warning(l.Warning, err2.Error()), unanswered(err2)
		return &l, nil
	case err == nil:
		return theirs, nil
	case absent(err) && err2 == nil:
		return onlyForeign(own, manifest.ByManifest), nil
	case absent(err):
		return nil, err2
	}
	return u.versionsFromBook(ctx, name, err, own, err2)
}

// versionsFromBook lists what the store knows of W&B's versions, for W&B does not say.
func (u *Union) versionsFromBook(ctx context.Context, name string, why error, own *manifest.Listing, err2 error) (*manifest.Listing, error) {
	var known []int
	if u.book != nil {
		var err error
		if known, err = u.book.WandBVersions(ctx, name); err != nil {
			return nil, err
		}
	}
	if err2 != nil && len(known) == 0 {
		if absent(err2) && u.wandb != nil {
			return nil, why
		}
		return nil, err2
	}
	l := &manifest.Listing{Latest: manifest.NoVersion, Versions: known, Claimed: known, Silent: unanswered(why)}
	if err2 == nil {
		l = withForeign(u.hideRetired(name, l, own.Retired), own, manifest.ByManifest)
		l.ModTime = own.ModTime
		l.Warning = own.Warning
	}
	l.Warning = warning(l.Warning, fmt.Sprintf("%v: these are the versions of W&B's that the manifest store has too", why))
	return l, nil
}

func warning(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// onlyForeign is a name that only the other one has.
func onlyForeign(theirs *manifest.Listing, in manifest.Numbering) *manifest.Listing {
	l := &manifest.Listing{Latest: manifest.NoVersion, ModTime: theirs.ModTime, Warning: theirs.Warning}
	return withForeign(l, theirs, in)
}

// withForeign adds to a listing the aliases that only the other one has.
func withForeign(l, theirs *manifest.Listing, in manifest.Numbering) *manifest.Listing {
	foreign := make(map[string]manifest.Target)
	add := func(alias string, n int) {
		if _, own := l.Alias(alias); !own {
			foreign[alias] = manifest.Target{Version: n, In: in}
		}
	}
	if n, ok := theirs.Alias(manifest.Latest); ok {
		add(manifest.Latest, n)
	}
	for alias, n := range maps.All(theirs.Aliases) {
		add(alias, n)
	}
	out := *l
	out.Foreign = foreign
	return &out
}

// Manifest returns the record of one version, by the numbers of the one that numbers.
func (u *Union) Manifest(ctx context.Context, name string, n int) (*manifest.Record, error) {
	by, err := u.Numbering(ctx)
	switch {
	case err != nil:
		return nil, err
	case u.manifest == nil && strings.Contains(name, "/"):
		_, err := u.ofWandB(ctx, name)
		return nil, err
	case u.manifest == nil:
		return u.recordOfWandB(ctx, name, n)
	case by == manifest.ByManifest || strings.Contains(name, "/"):
		return u.manifest.Manifest(ctx, name, n)
	}
	why := errOff
	if u.wandb != nil {
		var r *manifest.Record
		if r, why = u.recordOfWandB(ctx, name, n); why == nil || absent(why) {
			return r, why
		}
	}
	known, err := u.known(ctx, name, n)
	if err == nil {
		return u.manifest.Manifest(ctx, name, known)
	}
	if !absent(err) {
		return nil, err
	}
	if u.wandb == nil {
		if _, err := u.manifest.Versions(ctx, name); absent(err) {
			return nil, err
		}
	}
	return nil, unanswered(fmt.Errorf("%s:%v is a number of W&B's, and the manifest store does not know which of its versions that is: %w", name, manifest.Version(n), why))
}

func (u *Union) recordOfWandB(ctx context.Context, name string, n int) (*manifest.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, u.wait())
	defer cancel()
	return u.wandb.Manifest(ctx, name, n)
}

// known returns the version of the store that W&B calls n; fs.ErrNotExist if that is
// not known. Of another project than the configured one it is another version.
func (u *Union) known(ctx context.Context, name string, n int) (int, error) {
	if u.book == nil {
		return 0, fs.ErrNotExist
	}
	w, err := u.book.FromWandB(ctx, name, n)
	if err != nil {
		return 0, err
	}
	if p, ok := u.wandb.(interface{ Within(artifact string) bool }); ok && !p.Within(w.Artifact) {
		return 0, fmt.Errorf("%s:%v is known as %s: %w", name, manifest.Version(n), w.Artifact, fs.ErrNotExist)
	}
	return w.Manifest, nil
}
