//go:build linux

package nodes

import (
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"syscall"
)

// errno is the only place that makes an Errno of an error. An error that says
// nothing it knows is EIO, and logged, so that the words are not lost.
func (s *system) errno(op, path string, err error) syscall.Errno {
	e, known := errnoOf(err)
	if !known {
		s.log.Error("failed", "op", op, "path", path, "err", err)
	} else if e != 0 {
		s.log.Debug("refused", "op", op, "path", path, "errno", e, "err", err)
	}
	return e
}

func errnoOf(err error) (e syscall.Errno, known bool) {
	switch {
	case err == nil:
		return 0, true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return syscall.ETIMEDOUT, true
	case errors.As(err, &e):
		return e, e != syscall.EIO
	case errors.Is(err, iofs.ErrNotExist):
		return syscall.ENOENT, true
	case errors.Is(err, iofs.ErrExist):
		return syscall.EEXIST, true
	case errors.Is(err, iofs.ErrPermission):
		return syscall.EACCES, true
	case errors.Is(err, iofs.ErrInvalid):
		return syscall.EINVAL, true
	case errors.Is(err, errors.ErrUnsupported):
		return syscall.EOPNOTSUPP, true
	case errors.Is(err, context.Canceled):
		return syscall.EINTR, true
	}
	return syscall.EIO, false
}
