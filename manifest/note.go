package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Note sets one key of a version's sidecar, which is made if it has none. The
// record itself, upstream's, is not touched. Two notes at once leave one of them.
func (d *Dir) Note(ctx context.Context, name string, v int, key string, value any) error {
	if err := d.changes(name); err != nil {
		return err
	}
	side, err := d.Recall(ctx, name, v)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if side == nil {
		side = Object{{"name", name}, {"version", v}}
	}
	side.Set(key, value)
	_, err = change(ctx, d, func() (struct{}, error) {
		if !d.complete(name, v) {
			return struct{}{}, d.noVersion(name, v, nil)
		}
		return struct{}{}, d.keepOwn("log", name, v, side)
	})
	if err != nil {
		return fmt.Errorf("sidecar of %s:v%d in %s: %w", name, v, d.root, err)
	}
	return nil
}

// keepOwn writes KIND/NAME/vN.json of what is ours, durably. To be called inside do.
func (d *Dir) keepOwn(kind, name string, v int, o Object) error {
	dir, err := d.own(kind, name)
	if err != nil {
		return err
	}
	d.sweep(dir)
	t, err := newTemporary(dir+"/"+Version(v).String()+".json", append(AppendJSON(nil, o, 2), '\n'))
	if err != nil {
		return err
	}
	defer t.discard()
	t.forReaders()
	if err := t.Sync(); err != nil {
		return err
	}
	if err := t.keep(); err != nil {
		return err
	}
	return syncDirs(dir)
}
