package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/wandb"
)

// maxObjects is how many files the SDK refers to in one directory.
const maxObjects = 10_000_000

// errTooMany says that a directory has more files than W&B takes references to.
var errTooMany = errors.New("more files than W&B takes references to")

// walker refers to the files of a directory as the SDK's add_reference does without
// checksums, as the caller: files are followed where they are links, directories are
// not. What the SDK would fail at is left out and counted: a link to nowhere, a file
// that leads out of data_roots, a name that is no text.
type walker struct {
	data  *store.Local
	max   int
	emit  func(entry) error
	count int
	left  int    // left out
	why   string // the first of those, and why
}

// dir refers to what lies below real, the real path of a directory that is known to
// W&B as uri, as entries below name. The order is that of the entries' paths: among
// siblings a directory's counts with its slash.
func (w *walker) dir(ctx context.Context, real, uri, name string) error {
	list, err := w.data.ReadDir(ctx, real)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Type == 0 { // not all file systems say
			a, err := w.data.Lstat(ctx, join(real, list[i].Name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			list[i].Type = a.Mode & unix.S_IFMT
		}
	}
	key := func(e store.DirEntry) string {
		if e.Type == unix.S_IFDIR {
			return e.Name + "/"
		}
		return e.Name
	}
	slices.SortFunc(list, func(a, b store.DirEntry) int { return strings.Compare(key(a), key(b)) })
	for _, e := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := join(real, e.Name)
		if !utf8.ValidString(e.Name) {
			w.leave(p, errors.New("its name is not UTF-8"))
			continue
		}
		sub, ref := join(name, e.Name), uri+wandb.FileURI("/" + e.Name)[len("file://"):]
		switch e.Type {
		case unix.S_IFDIR:
			err = w.dir(ctx, p, ref, sub)
			if refused(err) {
				w.leave(p, err)
				err = nil
			}
		case unix.S_IFREG, unix.S_IFLNK:
			err = w.file(ctx, p, e.Type == unix.S_IFLNK, ref, sub)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file refers to one file.
func (w *walker) file(ctx context.Context, p string, link bool, ref, name string) error {
	at := store.Place{Path: p}
	var err error
	if link {
		at, err = w.data.Resolve(ctx, p)
	} else {
		at.Attr, err = w.data.Lstat(ctx, p)
	}
	switch {
	case refused(err):
		w.leave(p, err)
		return nil
	case err != nil:
		return err
	case at.Attr.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil // a link to a directory, which is not followed
	}
	if w.count++; w.count > w.max {
		return fmt.Errorf("%w (%d)", errTooMany, w.max)
	}
	return w.emit(entry{Path: name, Ref: ref, Digest: wandb.URIDigest(at.Path), Size: at.Attr.Size})
}

// refused reports whether err is an answer, and not that there was none.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR)
}

func (w *walker) leave(p string, err error) {
	if w.left++; w.left == 1 {
		w.why = fmt.Sprintf("%s: %v", p, err)
	}
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}
