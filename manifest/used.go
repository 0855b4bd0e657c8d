package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// What a version was made from is in its record, where we write that. Upstream's own
// writer writes it itself, byte by byte: what is known beside it is kept in
// .artifactfs/used/NAME/vN.json. Few versions have one, so those who ask for all of a
// store list them first.

// KeepUsed keeps what a version was made from, beside its record; the number has to be
// taken. What was kept of it before is replaced.
func (d *Dir) KeepUsed(ctx context.Context, name string, v int, refs []string) error {
	if err := d.changes(name); err != nil {
		return err
	}
	_, err := change(ctx, d, func() (struct{}, error) {
		if _, err := d.versionDir(name, v); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, d.keepOwn("used", name, v, usedObject(name, v, refs))
	})
	return usedFailed(name, v, d.root, err)
}

// KeptUsed returns it: nothing if nothing was kept. What belongs to another user than
// the version is not believed: everybody may write there.
func (d *Dir) KeptUsed(ctx context.Context, name string, v int) ([]string, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	refs, err := do(ctx, d, func() ([]string, error) {
		b, err := readSmall(d.ownPath("used", name, v), largeRecord)
		if err != nil {
			return nil, err
		}
		kept, err := os.Lstat(d.ownPath("used", name, v))
		if err != nil {
			return nil, err
		}
		dir, err := d.versionDir(name, v)
		if err != nil {
			return nil, err
		}
		made, err := os.Lstat(dir)
		if err != nil {
			return nil, err
		}
		by, _ := ownerOf(kept)
		if owner, _ := ownerOf(made); by != owner && by != 0 {
			return nil, fmt.Errorf("%s is of uid %d, and the version of uid %d: %w", d.ownPath("used", name, v), by, owner, fs.ErrInvalid)
		}
		return parseUsed(b)
	})
	return refs, d.ignoreUsed(err)
}

// ignoreUsed: what is not there, or is none, says nothing.
func (d *Dir) ignoreUsed(err error) error {
	if err == nil || !absent(err) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		d.log.Warn("no account of what was used", "err", err)
	}
	return nil
}

// EachUsed calls fn with every version of which something is kept.
func (d *Dir) EachUsed(ctx context.Context, fn func(name string, v int)) error {
	list, err := do(ctx, d, func() ([]recordKey, error) { return d.usedBelow("", nil) })
	for _, k := range list {
		fn(k.name, k.v)
	}
	return err
}

// usedBelow adds to list the versions below a name of which something is kept. To be
// called inside do.
func (d *Dir) usedBelow(name string, list []recordKey) ([]recordKey, error) {
	var names []string
	err := readDir(strings.TrimSuffix(d.root+"/"+ownDir+"/used/"+name, "/"), func(e fs.DirEntry) {
		full := strings.TrimPrefix(name+"/"+e.Name(), "/")
		if v, ok := ownFile(e.Name()); ok && name != "" && e.Type().IsRegular() {
			list = append(list, recordKey{name, v})
		} else if e.IsDir() && CheckName(full) == nil {
			names = append(names, full)
		}
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		return list, nil // not there, or not for the caller
	}
	for _, n := range names {
		if err == nil {
			list, err = d.usedBelow(n, list)
		}
	}
	return list, err
}

func (d *Dir) ownPath(kind, name string, v int) string { return d.root + "/" + ownKey(kind, name, v) }

// ownFile reads the vN of vN.json.
func ownFile(file string) (v int, ok bool) {
	base, ok := strings.CutSuffix(file, ".json")
	v, canonical, _ := number(base)
	return v, ok && canonical
}

// KeepUsed keeps what a version was made from, beside its record.
func (c *Catalog) KeepUsed(ctx context.Context, name string, v int, refs []string) error {
	if err := c.changes(name); err != nil {
		return err
	}
	text := append(AppendJSON(nil, usedObject(name, v, refs), 2), '\n')
	return usedFailed(name, v, c.String(), c.judgeWrite(c.b.Write(context.WithoutCancel(ctx), ownKey("used", name, v), text)))
}

// KeptUsed returns it: nothing if nothing was kept.
func (c *Catalog) KeptUsed(ctx context.Context, name string, v int) ([]string, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	b, _, err := c.b.Read(ctx, ownKey("used", name, v), largeRecord)
	var refs []string
	if err == nil {
		refs, err = parseUsed(b)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EFBIG) {
		return nil, nil
	}
	return refs, c.judge(err)
}

// EachUsed calls fn with every version of which something is kept: a request for each
// thousand.
func (c *Catalog) EachUsed(ctx context.Context, fn func(name string, v int)) error {
	top := ownDir + "/used/"
	return c.judge(c.b.List(ctx, top, "", func(e bucket.Entry) error {
		name, file := path.Split(strings.TrimPrefix(e.Key, top))
		if v, ok := ownFile(file); ok && CheckName(strings.TrimSuffix(name, "/")) == nil {
			fn(strings.TrimSuffix(name, "/"), v)
		}
		return nil
	}))
}

func usedObject(name string, v int, refs []string) Object {
	return Object{{"name", name}, {"version", v}, {"used_artifacts", refs}}
}

func parseUsed(b []byte) ([]string, error) {
	v, err := ParseJSON(b)
	o, ok := v.(Object)
	if err != nil || !ok {
		return nil, fmt.Errorf("an account of what was used is no JSON object: %w", fs.ErrInvalid)
	}
	return o.texts("used_artifacts"), nil
}

func usedFailed(name string, v int, where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("what %s:v%d was made from, in %s: %w", name, v, where, err)
}
