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
	_, err = do(ctx, d, func() (struct{}, error) {
		if !d.complete(name, v) {
			return struct{}{}, d.noVersion(name, v, nil)
		}
		dir, err := d.own("log", name)
		if err != nil {
			return struct{}{}, err
		}
		t, err := newTemporary(dir+"/"+Version(v).String()+".json", append(AppendJSON(nil, side, 2), '\n'))
		if err != nil {
			return struct{}{}, err
		}
		if err := t.Sync(); err != nil {
			t.discard()
			return struct{}{}, err
		}
		return struct{}{}, errors.Join(t.keep(), syncDirs(dir))
	})
	if err != nil {
		return fmt.Errorf("sidecar of %s:v%d in %s: %w", name, v, d.root, err)
	}
	return nil
}
