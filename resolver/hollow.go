package resolver

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/manifest"
)

// hollow remembers names that were found to be directories of the store in which
// nothing is whole: numbers that a writer has taken, and may never finish. Listings
// leave them out, for they are no artifacts. A listing of 100,000 names cannot look
// into each, so such a name goes after it has been looked at, or was made here; it is
// looked at again each time, and is back as soon as it holds a version.
type hollow struct{ names *lru.Cache[string, struct{}] }

// maxHollow bounds what every listing looks at again.
const maxHollow = 64

func newHollow() hollow {
	names, _ := lru.New[string, struct{}](maxHollow)
	return hollow{names}
}

func (h hollow) add(name string) { h.names.Add(name, struct{}{}) }

// filled returns names below prefix, but for the hollow ones.
func (t *Tree) filled(ctx context.Context, prefix string, names []string) []string {
	if t.hollow.names.Len() == 0 {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		full := path.Join(prefix, n)
		if !t.hollow.names.Contains(full) {
			return false
		}
		_, _, err := t.contents(ctx, full)
		return err == nil && t.hollow.names.Contains(full)
	})
}

// contents returns what lies below a name in every view: the names that go on from
// it, and its versions, nil where it is only a prefix.
func (t *Tree) contents(ctx context.Context, name string) (below []string, l *manifest.Listing, err error) {
	if name != "" { // first: where a bucket is listed for them, the names come with them
		if l, err = t.versions(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	all, err2 := t.names(ctx, name)
	if err2 != nil {
		return nil, nil, err2
	}
	below = t.filled(ctx, name, all)
	if name == "" {
		return below, nil, nil
	}
	if err != nil && len(all) > 0 {
		l, err = nil, nil
	}
	switch {
	case err != nil:
	case len(below) == 0 && (l == nil || nothingWhole(l)):
		t.hollow.add(name)
	default:
		t.hollow.names.Remove(name)
	}
	return below, l, err
}

// nothingWhole is certain: a listing with a warning may not be the whole of it.
func nothingWhole(l *manifest.Listing) bool {
	return len(l.Versions)+len(l.Retired)+len(l.Foreign) == 0 && l.Silent == nil && l.Warning == ""
}
