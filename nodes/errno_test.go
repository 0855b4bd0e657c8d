//go:build linux

package nodes

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"syscall"
	"testing"
)

func TestErrno(t *testing.T) {
	for _, tt := range []struct {
		err   error
		want  syscall.Errno
		known bool
	}{
		{nil, 0, true},
		{iofs.ErrNotExist, syscall.ENOENT, true},
		{iofs.ErrExist, syscall.EEXIST, true},
		{iofs.ErrPermission, syscall.EACCES, true},
		{iofs.ErrInvalid, syscall.EINVAL, true},
		{errors.ErrUnsupported, syscall.EOPNOTSUPP, true},
		{os.ErrDeadlineExceeded, syscall.ETIMEDOUT, true},
		{context.DeadlineExceeded, syscall.ETIMEDOUT, true},
		{context.Canceled, syscall.EINTR, true},
		{syscall.EXDEV, syscall.EXDEV, true},
		{syscall.EPERM, syscall.EPERM, true},
		{&iofs.PathError{Op: "open", Path: "/x", Err: syscall.ESTALE}, syscall.ESTALE, true},
		{syscall.EIO, syscall.EIO, false},
		{errors.New("no words the table knows"), syscall.EIO, false},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("artifact n: %w", tt.err)} {
			if tt.err == nil {
				err = nil
			}
			got, known := errnoOf(err)
			if got != tt.want || known != tt.known {
				t.Errorf("errnoOf(%v) = %v, %v; want %v, %v", err, got, known, tt.want, tt.known)
			}
		}
	}
}
