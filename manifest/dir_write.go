package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
)

// temporary is a file that is not there yet under its name.
type temporary struct {
	*os.File
	final string
}

// newTemporary writes data to a new file beside final. Its name is upstream's,
// FINAL.tmp.PID, made unique.
func newTemporary(final string, data []byte) (*temporary, error) {
	return createTemporary(final+".tmp."+unique("."), final, data)
}

func createTemporary(name, final string, data []byte) (*temporary, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	t := &temporary{f, final}
	if _, err := f.Write(data); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// discard removes the file, if it has not got its name; it may be called twice.
func (t *temporary) discard() {
	if t != nil && t.Close() == nil {
		os.Remove(t.Name())
	}
}

// forReaders lets whoever may read what has the file's name now read the file too:
// one writer's umask must not take from others what is not that writer's alone.
func (t *temporary) forReaders() {
	old, err := os.Lstat(t.final)
	if err != nil || !old.Mode().IsRegular() {
		return
	}
	if fi, err := t.Stat(); err == nil && old.Mode()&0o444&^fi.Mode() != 0 {
		_ = t.Chmod(fi.Mode().Perm() | old.Mode()&0o444)
	}
}

// keep gives the file its name, in place of what has it.
func (t *temporary) keep() error { return t.named(os.Rename) }

// keepNew gives the file its name unless that is taken: fs.ErrExist.
func (t *temporary) keepNew() error { return t.named(renameNew) }

func (t *temporary) named(rename func(from, to string) error) error {
	if err := rename(t.Name(), t.final); err != nil {
		t.discard()
		return err
	}
	return t.Close()
}

// linkNew is renameNew for file systems that cannot (NFS): a link is exclusive
// everywhere that has links. Where there are none, the claim has to be enough.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return os.Rename(from, to)
	}
	if err != nil {
		return err
	}
	os.Remove(from)
	return nil
}

// syncer is an open file.
type syncer interface{ Sync() error }

// syncAll makes files and directories durable, at the same time: a journal
// writes what several ask for at once. What is open needs no rights.
func syncAll(files ...syncer) error {
	errs := make([]error, len(files))
	var wg sync.WaitGroup
	for i, f := range files[1:] {
		wg.Go(func() { errs[i+1] = f.Sync() })
	}
	errs[0] = files[0].Sync()
	wg.Wait()
	for i, err := range errs {
		// Some file systems cannot sync a directory.
		if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// syncDirs makes the entries of directories durable.
func syncDirs(dirs ...string) error {
	var files []syncer
	for _, dir := range dirs {
		f, err := openDir(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		files = append(files, f)
	}
	return syncAll(files...)
}

// makeName makes the directory of an artifact, and returns its real path. New
// directories are durable when it returns. To be called inside do.
func (d *Dir) makeName(name string) (string, error) {
	dir, fi, err := d.within(name)
	if err == nil {
		if !fi.IsDir() {
			return "", fmt.Errorf("something that is no directory has its name: %w", fs.ErrExist)
		}
		return dir, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := d.rootThere(); err != nil {
		return "", err
	}
	parts := strings.Split(name, "/")
	parent := d.root
	for i := range parts {
		rel := strings.Join(parts[:i+1], "/")
		dir, _, err = d.within(rel)
		if errors.Is(err, fs.ErrNotExist) {
			dir = parent + "/" + parts[i]
			if err = os.Mkdir(dir, 0o777); errors.Is(err, fs.ErrExist) {
				dir, _, err = d.within(rel) // another's, or a link to nothing
			} else if err == nil {
				err = syncDirs(parent)
			}
		}
		if err != nil {
			return "", err
		}
		parent = dir
	}
	d.prefixes.Purge()
	return dir, nil
}
