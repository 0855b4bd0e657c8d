package resolver

import (
	"context"
	"slices"

	"artifactfs.dev/artifactfs/manifest"
)

// UseKeeper is a Source that keeps what a version was made from, where its record cannot
// say it: upstream's own writer has written that, and may read it back.
type UseKeeper interface {
	// KeepUsed keeps the references, as the caller, in place of what was kept. The number
	// is taken.
	KeepUsed(ctx context.Context, name string, version int, refs []string) error
	// KeptUsed returns them: nil if none are kept.
	KeptUsed(ctx context.Context, name string, version int) ([]string, error)
	// EachUsed calls fn with each version of which KeptUsed may have something.
	EachUsed(ctx context.Context, fn func(name string, version int)) error
}

// keepUsed keeps what the caller's job has used, as far as the record that it is writing
// does not say it. A version is worth more than its history: what fails is a warning.
func (t *Tree) keepUsed(ctx context.Context, name string, n int, record []byte) {
	k, ok := t.src.(UseKeeper)
	if !ok {
		return
	}
	used, err := t.used(ctx)
	if m, bad := manifest.ParseManifest(record); bad == nil {
		used = slices.DeleteFunc(used, func(ref string) bool { return slices.Contains(m.UsedArtifacts, ref) })
	}
	if len(used) > 0 {
		if e := k.KeepUsed(context.WithoutCancel(ctx), name, n, used); e != nil {
			err = e
		}
	}
	if err != nil {
		t.opt.Log.Warn("logged, but its lineage may lack what the job has used", "artifact", name, "version", n, "err", err)
	}
}

// MadeFrom returns what a version was made from: what its record says, and what was kept
// beside it.
func (t *Tree) MadeFrom(ctx context.Context, v *Version) ([]string, error) {
	s := t.sideOf(v)
	said := v.Record.Manifest.UsedArtifacts
	k, ok := s.src.(UseKeeper)
	if !ok {
		return said, nil
	}
	kept, err := k.KeptUsed(ctx, v.Name, v.N)
	return merged(said, kept), err
}

// keeping lists the versions of a side of which KeptUsed may have something.
func (t *Tree) keeping(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	k, ok := t.src.(UseKeeper)
	if !ok {
		return out, nil
	}
	err := k.EachUsed(ctx, func(name string, n int) { out[name+":"+manifest.Version(n).String()] = true })
	return out, err
}
