package resolver

import (
	"context"
	"errors"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// Shown returns where the tree shows what the record of v names as its path: NAME/vN,
// below a view if the number is not the tree's, and the file in it if the record names a
// file. With an alias the path leads through that, and so to another version once it has
// moved: the view's alias if v was named in one. Data that is not there is fs.ErrNotExist.
func (t *Tree) Shown(ctx context.Context, v *Version, view manifest.Numbering, alias string) (string, error) {
	file := ""
	if d, err := t.Data(ctx, v); err == nil {
		file = d.file
	} else if !errors.Is(err, syscall.EOPNOTSUPP) { // else its files are a store's own
		return "", err
	} else if _, err := t.Walk(ctx, placeOf(v.in, v.Name, v.N)); err != nil {
		return "", err
	}
	path := placeOf(v.in, v.Name, v.N)
	if alias != "" {
		path = v.Name + "/" + alias
		if _, err := t.Walk(ctx, path); err != nil && view == "" { // a name that only the view has
			view = v.in
		}
		if view != "" {
			path = whose(view, v.Name) + "/" + alias + "/" + dataLink
			if _, err := t.Walk(ctx, path); err != nil { // the manifest store's are files
				path = placeOf(v.in, v.Name, v.N)
			}
		}
	}
	if file != "" {
		path += "/" + file
	}
	return path, nil
}
