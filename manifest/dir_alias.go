package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// SetAlias makes alias a name of version v, in place of what it named before: a
// symbolic link ALIAS -> vN. It fails with fs.ErrNotExist if there is no such
// version, and with fs.ErrExist if the alias's name is that of something else.
func (d *Dir) SetAlias(ctx context.Context, name, alias string, v int) error {
	if err := d.changes(name); err != nil {
		return err
	}
	if err := checkNewAlias(alias); err != nil {
		return err
	}
	if _, err := d.Manifest(ctx, name, v); err != nil {
		return err
	}
	_, err := change(ctx, d, func() (struct{}, error) { return struct{}{}, d.link(name, alias, v) })
	d.changed(name)
	return d.refused(ctx, name, "set alias "+alias, err)
}

func (d *Dir) link(name, alias string, v int) error {
	dir, err := d.makeName(name) // an index store may have no directory for it
	if err != nil {
		return err
	}
	if fi, err := os.Lstat(dir + "/" + alias); err == nil && !isPointer(fi) {
		return fmt.Errorf("%s/%s is no alias: %w", name, alias, fs.ErrExist)
	}
	d.sweep(dir)
	tmp := dir + "/.alias_tmp_" + unique("_")
	if err := os.Symlink(Version(v).String(), tmp); err != nil {
		return err
	}
	d.step("alias written")
	if err := os.Rename(tmp, dir+"/"+alias); err != nil {
		os.Remove(tmp)
		return err
	}
	return syncDirs(dir)
}

// RemoveAlias removes an alias: fs.ErrNotExist if there is none of that name in
// the store. Those of a legacy index cannot be removed.
func (d *Dir) RemoveAlias(ctx context.Context, name, alias string) error {
	if err := d.changes(name); err != nil {
		return err
	}
	if err := CheckAlias(alias); err != nil {
		return err
	}
	_, err := do(ctx, d, func() (struct{}, error) { return struct{}{}, d.unlink(name, alias) })
	d.changed(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("artifact %s: store %s has no alias %s: %w", name, d.root, alias, fs.ErrNotExist)
	}
	return d.refused(ctx, name, "remove alias "+alias, err)
}

func (d *Dir) unlink(name, alias string) error {
	dir, _, err := d.within(name)
	if err != nil {
		if there := d.rootThere(); there != nil {
			return there
		}
		return err
	}
	fi, err := os.Lstat(dir + "/" + alias)
	if err != nil {
		return err
	}
	if p, err := readPointer(dir, alias); err != nil {
		return err
	} else if !isPointer(fi) || !p.ok {
		return fmt.Errorf("%s/%s is no alias: %w", name, alias, fs.ErrExist)
	}
	if err := os.Remove(dir + "/" + alias); err != nil {
		return err
	}
	return syncDirs(dir)
}

// isPointer reports whether what has a name can be replaced by an alias.
func isPointer(fi fs.FileInfo) bool { return fi.Mode()&fs.ModeSymlink != 0 || fi.Mode().IsRegular() }

// hasAlias reports whether alias names a version.
func (d *Dir) hasAlias(ctx context.Context, name, alias string) bool {
	l, err := d.Versions(ctx, name)
	if err != nil {
		return false
	}
	_, ok := l.Aliases[alias]
	return ok
}
