package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// upstream's code for the older format opens a root by reading the index, and
// writes it whole for each change: beside its place, then renamed. Upstream the last
// writer wins, and the versions that another has added since it read are lost. Here no
// version goes away or becomes another one.

// IndexSize returns the size of the index file; fs.ErrNotExist if the store has
// none. It may be of one that the caller may not read.
func (d *Dir) IndexSize(ctx context.Context) (int64, error) {
	size, err := do(ctx, d, func() (int64, error) {
		fi, err := os.Lstat(d.root + "/" + indexFile)
		if err == nil && fi.Mode().IsRegular() {
			return fi.Size(), nil
		}
		return 0, d.noIndex(err)
	})
	return size, d.indexErr(err)
}

// Index returns the index file as it is.
func (d *Dir) Index(ctx context.Context) ([]byte, error) {
	b, err := do(ctx, d, func() ([]byte, error) {
		b, err := withBig(d, func(max int64) ([]byte, error) {
			return readSmall(d.root+"/"+indexFile, max)
		})
		if err != nil {
			return nil, d.noIndex(err)
		}
		return b, nil
	})
	return b, d.indexErr(err)
}

// noIndex is called inside do with why there is no index; nil is that something
// else has its name.
func (d *Dir) noIndex(err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if there := d.rootThere(); there != nil {
		return there
	}
	return fs.ErrNotExist
}

func (d *Dir) indexErr(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s of store %s: %w", indexFile, d.root, err)
}

// SetIndex puts b in the place of the index, durable. What upstream's reader
// would not get through is fs.ErrInvalid: it opens no name of the store then. What
// lacks a version that there is, or has it with other data, is fs.ErrExist.
func (d *Dir) SetIndex(ctx context.Context, b []byte) error {
	if d.readOnly {
		return d.indexErr(fmt.Errorf("the store is opened for reading only: %w", syscall.EROFS))
	}
	if len(b) > maxRecord {
		return d.indexErr(fmt.Errorf("it is longer than %d bytes: %w", maxRecord, syscall.EFBIG))
	}
	if err := checkIndex(b); err != nil {
		return d.indexErr(fmt.Errorf("%w: %w", err, fs.ErrInvalid))
	}
	give, err := d.turns.take(ctx, indexFile)
	if err != nil {
		return d.indexErr(err)
	}
	defer give()
	_, err = change(ctx, d, func() (struct{}, error) { return struct{}{}, d.setIndex(b) })
	d.Refresh("")
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		err = fmt.Errorf("%s may not write it: %w", who(ctx), err)
	}
	return d.indexErr(err)
}

func (d *Dir) setIndex(b []byte) error {
	if err := d.rootThere(); err != nil {
		return err
	}
	if err := keepsVersions(d.legacy(), b); err != nil {
		return err
	}
	d.sweep(d.root)
	t, err := newTemporary(d.root+"/"+indexFile, b)
	if err != nil {
		return err
	}
	defer t.discard()
	t.forReaders()
	if err := syncAll(t); err != nil {
		return err
	}
	if err := t.keep(); err != nil {
		return err
	}
	return syncDirs(d.root)
}

// keepsVersions refuses an index that loses or changes versions of the one there.
func keepsVersions(old *legacyIndex, b []byte) error {
	now, err := parseIndex(b)
	if err != nil {
		return err
	}
	for name, a := range old.names {
		for v, was := range a.versions {
			is, ok := now[name].versions[v]
			if !ok {
				return fmt.Errorf("it lacks v%d of %s; read the index again before changing it: %w", v, quote(name), fs.ErrExist)
			}
			if is.path != was.path || is.createdAt != was.createdAt {
				return fmt.Errorf("v%d of %s is there, and leads to %s: %w", v, quote(name), quote(was.path), fs.ErrExist)
			}
		}
	}
	return nil
}

// checkIndex is stricter than parseIndex, which reads what is there: each version
// has all that upstream's reader asks for.
func checkIndex(b []byte) error {
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		return errors.New("it begins with a byte order mark")
	}
	if _, err := parseIndex(b); err != nil {
		return err
	}
	v, _ := ParseJSON(b)
	for _, m := range v.(Object) {
		versions, _ := m.Value.(Object).Get("versions")
		list, isList := versions.([]any)
		if versions != nil && !isList {
			return fmt.Errorf("%s: versions is %s, not a list", quote(m.Key), kind(versions))
		}
		for _, item := range list {
			o, _ := item.(Object)
			for _, key := range []string{"path", "created_at"} {
				if _, ok := o.Get(key); !ok {
					return fmt.Errorf("%s: a version has no %s", quote(m.Key), key)
				}
			}
		}
	}
	return nil
}
