package resolver

import (
	"context"
	"errors"
	"syscall"
)

// Shown returns where the tree shows what the record of v names as its path: NAME/vN,
// below a view if the number is not the tree's, and the file in it if the record names a
// file. With an alias the path leads through that, and so to another version once it has
// moved. Data that is not there is fs.ErrNotExist.
func (t *Tree) Shown(ctx context.Context, v *Version, alias string) (string, error) {
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
		if _, err := t.Walk(ctx, path); err != nil { // a name that only the view has
			path = whose(v.in, v.Name) + "/" + alias + "/" + dataLink
		}
	}
	if file != "" {
		path += "/" + file
	}
	return path, nil
}
