package resolver

import (
	"context"
	"slices"

	"artifactfs.dev/artifactfs/manifest"
)

// newer returns W&B's listing of a name, asked for anew if the store's book has a later
// number than it: another process, or another node, has logged that meanwhile. Reading
// the book costs no request over a network where the store is a directory, and is left
// where it is a bucket.
func (u *Union) newer(ctx context.Context, name string, l *manifest.Listing) *manifest.Listing {
	r, can := u.wandb.(Refresher)
	d, local := u.manifest.(*manifest.Dir)
	if !can || !local {
		return l
	}
	known, err := d.WandBVersions(ctx, name)
	if err != nil || len(known) == 0 {
		return l
	}
	n := known[len(known)-1]
	if slices.ContainsFunc(l.Versions, func(v int) bool { return v >= n }) || !u.firstTime(name, n) {
		return l
	}
	r.Refresh(name)
	if again, err := u.ofWandB(ctx, name); err == nil {
		return again
	}
	return l
}

// firstTime reports whether a number was not asked after before: one that W&B has
// deleted since is in the book for ever.
func (u *Union) firstTime(name string, n int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.asked[name]; ok && last >= n {
		return false
	}
	if u.asked == nil {
		u.asked = make(map[string]int)
	}
	u.asked[name] = n
	return true
}
