package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Numbering says whose numbers the vN of a tree are. W&B counts from v0 and a
// manifest store from v1, so that one number means two versions.
type Numbering string

// The backends that number.
const (
	ByManifest Numbering = "manifest"
	ByWandB    Numbering = "wandb"
)

// View is the directory at the root of a tree that shows a backend by its own numbers.
func (n Numbering) View() string { return "." + string(n) }

// ParseNumbering reads a Numbering.
func ParseNumbering(s string) (Numbering, error) {
	if n := Numbering(s); n == ByManifest || n == ByWandB {
		return n, nil
	}
	return "", fmt.Errorf("numbering %s: it is %q or %q: %w", quote(s), ByWandB, ByManifest, fs.ErrInvalid)
}

// numberingFile, in .artifactfs, holds the Numbering and a newline.
const numberingFile = "numbering"

// Numbering returns whose numbers the versions are called by in this store;
// fs.ErrNotExist while that has not been recorded.
func (d *Dir) Numbering(ctx context.Context) (Numbering, error) {
	return do(ctx, d, d.numbering)
}

func (d *Dir) numbering() (Numbering, error) {
	path := d.root + "/" + ownDir + "/" + numberingFile
	b, err := readSmall(path, 64)
	if errors.Is(err, fs.ErrNotExist) {
		if there := d.rootThere(); there != nil {
			return "", there
		}
		return "", fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	n, err := ParseNumbering(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// SetNumbering records a Numbering, unless one is recorded, and returns the one that
// is then. Nothing is recorded in an empty root, which may be a mount point whose
// file system is yet to be mounted, unless log says that a version follows.
func (d *Dir) SetNumbering(ctx context.Context, n Numbering, log bool) (Numbering, error) {
	return change(ctx, d, func() (Numbering, error) {
		if was, err := d.numbering(); !errors.Is(err, fs.ErrNotExist) {
			return was, err
		}
		if !log {
			f, err := openDir(d.root)
			if err != nil {
				return n, err
			}
			defer f.Close()
			if _, err := f.Readdirnames(1); err != nil {
				return n, nil
			}
		}
		return d.setNumbering(n)
	})
}

func (d *Dir) setNumbering(n Numbering) (Numbering, error) {
	dir, err := d.own("", "")
	if err != nil {
		return n, err
	}
	t, err := newTemporary(dir+"/"+numberingFile, []byte(n+"\n"))
	if err != nil {
		return n, err
	}
	defer t.discard()
	// Who may list the store may know it.
	if fi, err := os.Stat(d.root); err == nil {
		_ = t.Chmod(fi.Mode()&0o444 | 0o600)
	}
	if err := t.Sync(); err != nil {
		return n, err
	}
	if err := t.keepNew(); errors.Is(err, fs.ErrExist) {
		return d.numbering()
	} else if err != nil {
		return n, err
	}
	return n, syncDirs(dir)
}
