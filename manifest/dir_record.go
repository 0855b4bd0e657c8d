package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

const (
	oNoFollow = syscall.O_NOFOLLOW
	oNonblock = syscall.O_NONBLOCK

	// Larger records are read one at a time: hostile ones must not add up.
	largeRecord = 1 << 20
)

// load reads the record of a version from the store, or of the index store.
// To be called inside do.
func (d *Dir) load(name string, v int) (cachedRecord, error) {
	c, err := d.loadVersion(name, v)
	if errors.Is(err, fs.ErrNotExist) && d.listed(name, v) {
		// An NFS client may remember that a name was not there; reading the
		// directory has told it better.
		c, err = d.loadVersion(name, v)
	}
	if err == nil || !absent(err) {
		return c, err
	}
	if l, ok := d.legacy().version(name, v); ok {
		return d.loadLegacy(name, v, l)
	}
	if there := d.rootThere(); there != nil {
		return c, there
	}
	return c, d.noVersion(name, v, err)
}

// absent reports whether err, of reading a version, means that it does not exist
// for readers: it is not there, or it is no record.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENOTDIR) ||
		errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EFBIG) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EISDIR)
}

func (d *Dir) loadVersion(name string, v int) (cachedRecord, error) {
	dir, _, err := d.within(name + "/" + Version(v).String())
	if err != nil {
		return cachedRecord{}, err
	}
	id, err := identify(dir)
	if err != nil {
		return cachedRecord{}, err
	}
	rec, err := d.readRecord(name, v, dir)
	if err != nil {
		return cachedRecord{}, err
	}
	c := cachedRecord{rec: rec, dir: id, visible: true}
	if rec.RawMeta == nil {
		_, err := openStat(dir + "/metadata.json")
		c.partial = errors.Is(err, fs.ErrPermission)
	}
	if rec.RawMeta == nil {
		// Upstream writes metadata.json second: it may be about to come.
		c.until = time.Now().Add(d.ttlOr1s())
	}
	return c, nil
}

// readRecord reads both files of a version in a real directory.
func (d *Dir) readRecord(name string, v int, dir string) (*Record, error) {
	return withBig(d, func(max int64) (*Record, error) {
		raw, err := readSmall(dir+"/manifest.json", max)
		if err != nil {
			return nil, err
		}
		meta, err := readSmall(dir+"/metadata.json", max)
		if err != nil && !absent(err) && !errors.Is(err, fs.ErrPermission) || tooBig(err, max) {
			return nil, err
		}
		return NewRecord(name, v, raw, meta, dir)
	})
}

// valid reports whether there is a record in a real version directory.
func (d *Dir) valid(dir string) error {
	_, err := withBig(d, func(max int64) (struct{}, error) {
		raw, err := readSmall(dir+"/manifest.json", max)
		if err == nil {
			_, err = ParseManifest(raw)
		}
		return struct{}{}, err
	})
	return err
}

// withBig calls fn with a small limit, and if that is too small with the real
// one, while nobody else holds a large record.
func withBig[T any](d *Dir, fn func(max int64) (T, error)) (T, error) {
	v, err := fn(largeRecord)
	if !errors.Is(err, syscall.EFBIG) {
		return v, err
	}
	d.big <- struct{}{}
	defer func() { <-d.big }()
	return fn(maxRecord)
}

func tooBig(err error, max int64) bool { return max < maxRecord && errors.Is(err, syscall.EFBIG) }

// listed reports whether the directory of name has an entry for v.
func (d *Dir) listed(name string, v int) (found bool) {
	dir, _, err := d.within(name)
	if err != nil {
		return false
	}
	want := Version(v).String()
	err = readDir(dir, func(e fs.DirEntry) { found = found || e.Name() == want })
	if err != nil || !found {
		return false
	}
	return readable(dir+"/"+want) == nil
}

// number returns the version that an entry of an artifact's directory takes, and
// whether it is spelled as readers look for it.
func number(entry string) (v int, canonical, ok bool) {
	if entry == "" || entry[0] != 'v' {
		return 0, false, false
	}
	n, ok := ParseVersion(entry)
	return int(n), ok && n.String() == entry, ok
}

// versionDir returns the real directory of a version, which must be there.
func (d *Dir) versionDir(name string, v int) (string, error) {
	dir, fi, err := d.within(name + "/" + Version(v).String())
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		if there := d.rootThere(); there != nil {
			return "", there
		}
		return "", d.noVersion(name, v, nil)
	}
	if err != nil {
		return "", err
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("artifact %s: v%d in store %s is not a directory: %w", name, v, d.root, syscall.ENOTDIR)
	}
	return dir, nil
}
