package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Recall returns the sidecar of a version, what its log knew beside the record;
// fs.ErrNotExist if it has none, as versions of upstream's own writers.
func (d *Dir) Recall(ctx context.Context, name string, v int) (Object, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return do(ctx, d, func() (Object, error) {
		b, err := readSmall(d.root+"/"+ownDir+"/log/"+name+"/"+Version(v).String()+".json", largeRecord)
		if err != nil {
			return nil, err
		}
		o, err := ParseJSON(b)
		if err != nil {
			return nil, err
		}
		side, ok := o.(Object)
		if !ok {
			return nil, fmt.Errorf("the sidecar of %s:v%d is not an object: %w", name, v, fs.ErrInvalid)
		}
		return side, nil
	})
}

// Broken returns why the manifest.json that a taken number has cannot be read; nil
// if it has none, or a good one.
func (d *Dir) Broken(ctx context.Context, name string, v int) error {
	if err := CheckName(name); err != nil {
		return err
	}
	why, err := do(ctx, d, func() (why error, _ error) {
		dir, err := d.versionDir(name, v)
		if err != nil {
			return nil, err
		}
		why = d.valid(dir)
		if errors.Is(why, fs.ErrNotExist) {
			why = nil
		}
		return why, nil
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // something else has the number
	}
	return errors.Join(why, err)
}
