package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Claim takes exactly this number, as upstream's writer does: fs.ErrExist if
// anything has it, fs.ErrInvalid if it is far above the others.
func (d *Dir) Claim(ctx context.Context, name string, v int) error {
	if err := d.changes(name); err != nil {
		return err
	}
	if v < 0 {
		return fmt.Errorf("artifact %s: there is no v%d: %w", name, v, fs.ErrInvalid)
	}
	_, err := change(ctx, d, func() (struct{}, error) { return struct{}{}, d.claim(name, v) })
	d.changed(name)
	return d.refused(ctx, name, "claim "+Version(v).String(), err)
}

func (d *Dir) claim(name string, v int) error {
	dir, err := d.makeName(name)
	if err != nil {
		return err
	}
	taken, top := false, 0
	err = readDir(dir, func(e fs.DirEntry) {
		n, _, ok := number(e.Name())
		taken, top = taken || ok && n == v, max(top, n)
	})
	if err != nil {
		return err
	}
	for _, n := range d.legacy().numbers(name) {
		top = max(top, n)
	}
	if err := farAbove(v, top); err != nil {
		return err
	}
	if _, legacy := d.legacy().version(name, v); taken || legacy {
		return fmt.Errorf("v%d is taken: %w", v, fs.ErrExist)
	}
	d.sweepArtifact(dir, v-1)
	if err := os.Mkdir(filepath.Join(dir, Version(v).String()), 0o777); err != nil {
		return err
	}
	return syncDirs(dir)
}

// maxGap is how far above the highest number a writer may claim one. Upstream's claims
// the next; the highest number there is would leave none for those who come after.
const maxGap = 1 << 20

func farAbove(v, top int) error {
	if v-top > maxGap {
		return fmt.Errorf("v%d is far above v%d, and would be counted on from: %w", v, top, fs.ErrInvalid)
	}
	return nil
}

// Put writes manifest.json or metadata.json of a claimed version, whole or not at
// all, and durable: fs.ErrNotExist if it was not claimed, fs.ErrExist if it has
// that file, fs.ErrInvalid for a manifest.json that is none.
func (d *Dir) Put(ctx context.Context, name string, v int, file string, data []byte) error {
	if err := d.changes(name); err != nil {
		return err
	}
	if err := checkPut(name, v, file, data); err != nil {
		return err
	}
	_, err := change(ctx, d, func() (struct{}, error) { return struct{}{}, d.put(name, v, file, data) })
	d.records.Remove(recordKey{name, v})
	d.changed(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.refused(ctx, name, "write "+file+" of "+Version(v).String(), err)
}

func (d *Dir) put(name string, v int, file string, data []byte) error {
	dir, err := d.versionDir(name, v)
	if err != nil {
		return err
	}
	final := dir + "/" + file
	if _, err := os.Lstat(final); err == nil {
		return fmt.Errorf("v%d has its %s: %w", v, file, fs.ErrExist)
	}
	d.sweep(dir)
	t, err := newTemporary(final, data)
	if err != nil {
		return err
	}
	defer t.discard()
	if err := syncAll(t); err != nil {
		return err
	}
	if err := t.keepNew(); err != nil {
		return err
	}
	return syncDirs(dir)
}

// complete reports whether v exists for readers. To be called inside do.
func (d *Dir) complete(name string, v int) bool {
	dir, _, err := d.within(name + "/" + Version(v).String())
	return err == nil && d.valid(dir) == nil
}
