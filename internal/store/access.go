package store

import (
	"context"
	"fmt"
	iofs "io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lstat returns the attributes of a real path, of the link itself if its last
// component has become one; ELOOP if another one has.
func (l *Local) Lstat(ctx context.Context, real string) (Attr, error) {
	return at(ctx, l, "lstat", real, stat)
}

// ReadDir returns the names in a real directory in the order the file system
// has them.
func (l *Local) ReadDir(ctx context.Context, real string) ([]DirEntry, error) {
	return at(ctx, l, "readdir", real, readDir)
}

// Readlink returns what the last component of a real path points to.
func (l *Local) Readlink(ctx context.Context, real string) (string, error) {
	return at(ctx, l, "readlink", real, readLink)
}

// Statfs describes the file system below a real path.
func (l *Local) Statfs(ctx context.Context, real string) (unix.Statfs_t, error) {
	return at(ctx, l, "statfs", real, statfs)
}

// Access returns nil if the caller may read (4), write (2) and search or
// execute (1) a real path as mask asks.
func (l *Local) Access(ctx context.Context, real string, mask uint32) error {
	_, err := at(ctx, l, "access", real, func(p string) (struct{}, error) { return struct{}{}, access(p, mask) })
	return err
}

// at makes one access by real path.
func at[T any](ctx context.Context, l *Local, op, real string, fn func(string) (T, error)) (T, error) {
	j, err := l.realJob(ctx, op, real)
	if err != nil {
		var zero T
		return zero, err
	}
	return do(ctx, l, j, func() (T, error) {
		v, err := fn(real)
		if err != nil {
			err = &iofs.PathError{Op: op, Path: real, Err: err}
		}
		return v, err
	}, nil)
}

type opened struct {
	f *os.File
	a Attr
}

// OpenWith opens a regular file for reading and returns it with its
// attributes; anything else is EINVAL. hook, which may be nil, runs with the
// caller's credentials before OpenWith returns, and with CAP_SYS_ADMIN if the
// daemon has it: without that capability the kernel takes no backing file, and
// with the caller's other credentials it will read as the caller. An error of
// hook's is returned and the file closed.
func (l *Local) OpenWith(ctx context.Context, real string, hook func(fd int, a Attr) error) (*os.File, Attr, error) {
	j, err := l.realJob(ctx, "open", real)
	if err != nil {
		return nil, Attr{}, err
	}
	o, err := do(ctx, l, j, func() (opened, error) {
		fd, a, err := openRegular(real)
		if err == nil && hook != nil {
			err = l.self.lend(j.creds, capSysAdmin, func() error { return hook(fd, a) })
			if err != nil {
				unix.Close(fd)
				return opened{}, err
			}
		}
		if err != nil {
			return opened{}, &iofs.PathError{Op: "open", Path: real, Err: err}
		}
		return opened{os.NewFile(uintptr(fd), real), a}, nil
	}, func(o opened) { o.f.Close() })
	return o.f, o.a, err
}

func openRegular(path string) (int, Attr, error) {
	fd, err := openFile(path)
	if err != nil {
		return -1, Attr{}, err
	}
	a, err := fstat(fd)
	if err == nil && a.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("not a regular file: %w", syscall.EINVAL)
	}
	if err != nil {
		unix.Close(fd)
		return -1, Attr{}, err
	}
	return fd, a, nil
}
