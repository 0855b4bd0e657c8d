package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// errLeaves refuses a link that leads out of the store.
var errLeaves = fmt.Errorf("a symbolic link leads outside the store: %w", fs.ErrPermission)

// within returns the path without links that rel, below the root, leads to, and
// what is there. Links are followed at every level, as upstream does, but only
// inside the root: what a link that leaves it would lead to is not touched.
// To be called inside do.
func (d *Dir) within(rel string) (string, fs.FileInfo, error) {
	todo := strings.Split(rel, "/")
	real, links := d.root, 0
	var info fs.FileInfo
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			if real == d.root {
				return "", nil, errLeaves
			}
			real, info = filepath.Dir(real), nil
			continue
		}
		next := real + "/" + c
		fi, err := os.Lstat(next)
		if err != nil {
			return "", nil, err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			real, info = next, fi
			continue
		}
		if links++; links > 40 {
			return "", nil, &fs.PathError{Op: "open", Path: d.root + "/" + rel, Err: syscall.ELOOP}
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if filepath.IsAbs(target) {
			below, ok := d.below(target)
			if !ok {
				return "", nil, errLeaves
			}
			real, target = d.root, below
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	if info == nil {
		fi, err := os.Lstat(real)
		return real, fi, err
	}
	return real, info, nil
}

// below returns the part of an absolute path below the root, under either of the
// names that the root has: the one it was given and the one without links.
func (d *Dir) below(path string) (string, bool) {
	if rest, ok := cutDir(path, d.root); ok {
		return rest, true
	}
	real, err := filepath.EvalSymlinks(d.root)
	if err != nil {
		return "", false
	}
	return cutDir(path, real)
}

func cutDir(path, dir string) (string, bool) {
	rest, ok := strings.CutPrefix(path, dir)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.TrimLeft(rest, "/"), true
}

// openDir opens a directory, and nothing else: a fifo would wait for a writer.
func openDir(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
}

// readDir calls fn with each entry of a real directory. It reads in parts: a root
// may hold 100,000.
func readDir(dir string, fn func(fs.DirEntry)) error {
	f, err := openDir(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		list, err := f.ReadDir(2048)
		for _, e := range list {
			fn(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readable reports whether the caller may list dir.
func readable(dir string) error {
	f, err := openDir(dir)
	if err != nil {
		return err
	}
	return f.Close()
}

// readSmall reads a regular file of at most max bytes, without following a link.
func readSmall(path string, max int64) ([]byte, error) {
	b, _, err := store.ReadRegular(path, max)
	return b, err
}

// rootThere says what is wrong with the root, if anything is: then a name that
// is not in it is no deletion. A file system that was unmounted leaves an empty
// directory behind, so one that is not the root we knew, and empty, is not it.
// To be called inside do.
func (d *Dir) rootThere() error {
	f, err := openDir(d.root)
	if err != nil {
		return &rootError{err}
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return &rootError{err}
	}
	if !fi.IsDir() {
		return &rootError{fmt.Errorf("%s is not a directory", d.root)}
	}
	_, err = f.Readdirnames(1)
	empty := errors.Is(err, io.EOF)
	if err != nil && !empty {
		return &rootError{err}
	}
	id := idOf(fi)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rootID != (fileID{}) && d.rootID != id && empty {
		return &rootError{fmt.Errorf("another, empty directory is at %s: is its file system mounted?", d.root)}
	}
	d.rootID = id
	d.answers()
	return nil
}

// meet notes which directory the root is, at the first access that finds it: an
// empty one that takes its place later is another. To be called inside do.
func (d *Dir) meet() {
	d.mu.Lock()
	met := d.rootID != (fileID{})
	d.mu.Unlock()
	if !met {
		_ = d.rootThere() // whoever needs the root says what is wrong with it
	}
}

// stamp tells whether a file has been changed.
type stamp struct {
	id    fileID
	size  int64
	mtime time.Time
}

func stampOf(fi fs.FileInfo) stamp { return stamp{idOf(fi), fi.Size(), fi.ModTime()} }
