package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many links a path may lead through, as in the kernel.
const maxLinks = 40

// rawLink is a link of the data that is shown as it is.
type rawLink struct {
	d    *dataDir
	real string
	// rebase: the target leaves the version and leads nowhere. As it is written
	// it could lead somewhere in the mount, to another version's data even.
	rebase bool
}

// maxTarget is the longest target that the kernel takes from us.
const maxTarget = 4095

var _ Link = (*rawLink)(nil)

func (l *rawLink) Readlink(ctx context.Context) (string, error) {
	target, err := l.d.t.data.Readlink(ctx, l.real)
	if err == nil && l.rebase {
		target = from(l.d.real, target)
		if len(target) > maxTarget {
			err = fmt.Errorf("the link %s leads out of the version, by %d bytes: %w", l.real, len(target), syscall.ENAMETOOLONG)
		}
	}
	return target, err
}

// from makes target absolute, if it is not. Only what comes first is folded, on dir, which holds no
// link: behind "none/.." nothing is either.
func from(dir, target string) string {
	if filepath.IsAbs(target) {
		return target
	}
	for strings.HasPrefix(target, "../") {
		dir, target = filepath.Dir(dir), strings.TrimLeft(target[3:], "/")
	}
	return strings.TrimSuffix(dir, "/") + "/" + target
}

// link returns the entry of a symbolic link. While its target, and every link on
// the way there, is relative and stays inside what is shown, it is shown as it is.
// Else, as in the Hugging Face cache, it is resolved from the original place, as
// the caller, and shown as the file or directory that it leads to.
func (d *dataDir) link(ctx context.Context, name string, a attr) (Entry, error) {
	real := filepath.Join(d.real, name)
	target, err := d.t.data.Readlink(ctx, real)
	if err != nil {
		return Entry{}, err
	}
	raw := Entry{Attr: a, Key: d.keyOf(a.Dev, a.Ino), Valid: d.valid(ctx, d.real)}
	inside, err := d.inside(ctx, target)
	if err != nil {
		return Entry{}, err
	}
	if inside {
		raw.Node = &rawLink{d: d, real: real}
		return raw, nil
	}
	p, err := d.t.data.Resolve(ctx, real)
	if leadsNowhere(err) {
		raw.Node = &rawLink{d: d, real: real, rebase: true}
		raw.Attr.Size = int64(len(from(d.real, target)))
		return raw, nil
	}
	if err != nil {
		return Entry{}, fmt.Errorf("%s: the link %s -> %s: %w", d.v, real, target, err)
	}
	if d.real == d.v.Base && d.v.hides(p.Path) {
		return Entry{}, fmt.Errorf("%s is %s alone; %s leads to another iteration: %w", d.v, d.v.iter, name, fs.ErrNotExist)
	}
	if p.Attr.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return d.file(p.Path, p.Attr, raw.Key, min(raw.Valid, d.valid(ctx, filepath.Dir(p.Path)))), nil
	}
	if err := d.cycle(p.Path); err != nil {
		return Entry{}, fmt.Errorf("%s: the link %s -> %s: %w", d.v, real, target, err)
	}
	return (&dataDir{
		t: d.t, v: d.v, real: p.Path, attr: p.Attr, key: raw.Key,
		in: &region{root: p.Path, id: fmt.Sprintf("%s%x:%x/", d.in.id, a.Dev, a.Ino), up: d.in, from: d.real},
	}).entry(ctx), nil
}

// cycle refuses a directory that holds a link on the way to it: shown as a
// directory it would have no end.
func (d *dataDir) cycle(dir string) error {
	for in, at := d.in, d.real; in != nil; in, at = in.up, in.from {
		if within(at, dir) {
			return fmt.Errorf("%s holds the link itself: %w", dir, syscall.ELOOP)
		}
	}
	return nil
}

// inside reports whether a link target, as written, can be followed from d without
// leaving the region. A loop is inside: whoever follows it meets ELOOP himself.
func (d *dataDir) inside(ctx context.Context, target string) (bool, error) {
	if filepath.IsAbs(target) {
		return false, nil
	}
	at, todo := d.real, strings.Split(target, "/")
	for links := 0; len(todo) > 0; {
		c := todo[0]
		todo = todo[1:]
		if c == "" || c == "." {
			continue
		}
		if c == ".." {
			if at == d.in.root {
				return false, nil
			}
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, c)
		if d.v.hides(next) {
			return false, nil
		}
		a, err := d.t.data.Lstat(ctx, next)
		if leadsNowhere(err) || errors.Is(err, fs.ErrPermission) {
			return staysBelow(d.in.root, next, todo), nil
		}
		if err != nil {
			return false, err
		}
		if a.Mode&syscall.S_IFMT != syscall.S_IFLNK {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return true, nil
		}
		to, err := d.t.data.Readlink(ctx, next)
		if err != nil {
			return false, err
		}
		if filepath.IsAbs(to) {
			return false, nil
		}
		todo = append(strings.Split(to, "/"), todo...)
	}
	return true, nil
}

// leadsNowhere reports whether a path cannot lead to anything, as its names are: the
// link is there all the same, and whoever follows it gets the error that it has.
func leadsNowhere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// staysBelow says the same of components that cannot be looked at.
func staysBelow(root, at string, todo []string) bool {
	for _, c := range todo {
		if c == ".." && at == root {
			return false
		}
		at = filepath.Join(at, c)
	}
	return true
}

// within reports whether a clean path is dir or lies below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(dir, "/"))
}
