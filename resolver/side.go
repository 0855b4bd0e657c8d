package resolver

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/manifest"
)

// A tree over two backends has a side for each: the backend alone, under its own
// numbers, below its view. What a side shows of a version's data is not NAME/vN,
// unless the tree has that backend's numbers.

// newSide returns the side of one backend.
func (t *Tree) newSide(src Source, in manifest.Numbering) *Tree {
	s := &Tree{src: src, opt: t.opt, data: t.data, start: t.start, snap: t.snap, uses: t.uses, hollow: t.hollow, follow: t.follow, in: in, main: t}
	s.shown, _ = lru.New[string, *Version](shownVersions)
	s.files, _ = lru.New[string, string](shownVersions)
	return s
}

// whole is the tree of which this may be a side.
func (t *Tree) whole() *Tree {
	if t.main != nil {
		return t.main
	}
	return t
}

// side returns the tree in which a target's number is meant.
func (t *Tree) side(in manifest.Numbering) (*Tree, error) {
	switch {
	case in == "" || in == t.in: // a side's own numbers, in its own listings, have no name
		return t, nil
	case in == manifest.ByManifest && t.manifest != nil:
		return t.manifest, nil
	case in == manifest.ByWandB && t.wandb != nil:
		return t.wandb, nil
	}
	return nil, fmt.Errorf("%s is switched off, and the version is its own: %w", in, fs.ErrNotExist)
}

// inView returns the tree in which a reference is meant that names its view. A tree of
// records alone is its own.
func (t *Tree) inView(in manifest.Numbering) (*Tree, error) {
	t = t.whole()
	if in == manifest.ByManifest && t.manifest == nil && t.wandb == nil {
		return t, nil
	}
	return t.side(in)
}

// sideOf returns the tree in which a version's number is meant.
func (t *Tree) sideOf(v *Version) *Tree {
	if s, err := t.side(v.in); err == nil {
		return s
	}
	return t
}

// numbering returns whose numbers NAME/vN are.
func (t *Tree) numbering(ctx context.Context) (manifest.Numbering, error) {
	if u, ok := t.whole().src.(*Union); ok {
		return u.Numbering(ctx)
	}
	return manifest.ByManifest, nil
}

// numbers reports whether this side's numbers of a name are those of the tree. W&B has
// no names with slashes but those of other projects, which are in its view alone.
func (t *Tree) numbers(ctx context.Context, name string) (bool, error) {
	if t.main == nil {
		return true, nil
	}
	if strings.Contains(name, "/") {
		return t.in == manifest.ByManifest, nil
	}
	by, err := t.numbering(ctx)
	return by == t.in, err
}

// own is a number of this tree or side as an alias of the tree names it.
func (t *Tree) own(ctx context.Context, name string, n int) manifest.Target {
	if yes, err := t.numbers(ctx, name); err != nil || !yes {
		return manifest.Target{Version: n, In: t.in}
	}
	return manifest.Target{Version: n}
}

// at is the path of a name in its view, which entries are identified by.
func (t *Tree) at(name string) string {
	if t.in == "" {
		return "/" + name
	}
	return "/" + t.in.View() + "/" + name
}

// placeOf is where a version's data lies in the tree, below the root.
func placeOf(in manifest.Numbering, name string, n int) string {
	place := name + "/" + manifest.Version(n).String()
	if in == "" {
		return place
	}
	return in.View() + "/" + place + "/" + dataLink
}

// whose is the name by which the account of lanes and binds has a version.
func whose(in manifest.Numbering, name string) string {
	return manifest.Ref{In: in, Name: name}.Which()
}

// named undoes whose: the side in which a name is meant, and the name.
func (t *Tree) named(which string) (*Tree, string) {
	if in, name := manifest.CutView(which); in != "" {
		if s, err := t.inView(in); err == nil {
			return s, name
		}
	}
	return t, which
}

// targetText is what a link to a target holds that lies in the directory of name.
func targetText(name string, to manifest.Target) string {
	if to.In == "" {
		return manifest.Version(to.Version).String()
	}
	return strings.Repeat("../", 1+strings.Count(name, "/")) + placeOf(to.In, name, to.Version)
}

// pinned is the name under which jobs' pins of an artifact's aliases are kept: those
// of W&B's view are no others' than its own.
func (t *Tree) pinned(name string) string {
	if t.in == manifest.ByWandB {
		return string(t.in) + ":" + name
	}
	return name
}

// dataEntry is data in the version's directory of a view: a link to NAME/vN if the
// tree has the view's numbers, and else the data itself.
func (t *Tree) dataEntry(ctx context.Context, dir, name string, n int) (Entry, error) {
	numbers, err := t.numbers(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	if !numbers {
		return (&versionDir{t, name, n}).Stat(ctx)
	}
	// vN, NAME's components, the view: as many steps up to the root.
	target := strings.Repeat("../", strings.Count(dir, "/")) + placeOf("", name, n)
	return t.linkEntry(constLink(target), dir+"/"+dataLink, len(target)), nil
}
