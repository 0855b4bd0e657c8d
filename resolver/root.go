package resolver

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// rootDir is the mounted directory: artifacts, and the views, which are found by
// lookup and not listed, so that find, du and rsync see artifacts only.
type rootDir struct{ t *Tree }

var (
	_ Dir    = (*rootDir)(nil)
	_ Lister = (*rootDir)(nil)
)

func (d *rootDir) Lookup(ctx context.Context, name string) (Entry, error) {
	if strings.HasPrefix(name, ".") {
		return d.t.view(name)
	}
	return d.t.nameEntry(ctx, name)
}

// view returns the root of a view.
func (t *Tree) view(name string) (Entry, error) {
	path := "/" + name
	switch name {
	case ".log":
		return t.dirEntry(&logDir{t: t}, path, long), nil
	case ".manifest":
		if t.manifest != nil {
			t = t.manifest
		}
		return t.dirEntry(&manifestDir{t: t}, path, long), nil
	case ".fields":
		return t.dirEntry(&fieldsDir{t: t}, path, long), nil
	case ".artifactfs":
		return t.dirEntry(&systemDir{t}, path, long), nil
	case ".snapshot":
		if t.opt.Job == nil || t.opt.NoPins {
			return Entry{}, fmt.Errorf(".snapshot: snapshots are switched off (artifactfs.snapshot): %w", fs.ErrNotExist)
		}
		return t.dirEntry(snapshotsDir{t}, path, long), nil
	case ".wandb":
		if t.wandb == nil {
			return Entry{}, fmt.Errorf(".wandb: W&B is switched off (artifacts.wandb): %w", fs.ErrNotExist)
		}
		return t.dirEntry(&wandbDir{t: t.wandb}, path, long), nil
	}
	return Entry{}, fmt.Errorf("%s: no artifact's name starts with a dot, and no view has this name: %w", name, fs.ErrNotExist)
}

func (d *rootDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	names, _, err := d.t.contents(ctx, "")
	if err != nil {
		return nil, err
	}
	list := make([]DirEntry, 0, len(names))
	for _, n := range names {
		list = append(list, DirEntry{Name: n, Mode: syscall.S_IFDIR, Key: "/" + n})
	}
	return list, nil
}

func (d *rootDir) Stat(context.Context) (Entry, error) { return d.t.Root(), nil }

func (d *rootDir) Listed(ctx context.Context, e DirEntry) (Entry, error) {
	return (&nameDir{d.t, e.Name}).Stat(ctx)
}
