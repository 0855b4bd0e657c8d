package store

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var errNotRegular = fmt.Errorf("not a regular file: %w", syscall.EINVAL)

// ReadRegular reads a regular file of at most max bytes: EFBIG if it is
// longer, ELOOP if its last component is a symbolic link, EINVAL if it is
// anything else. It never waits for a writer of a fifo. It is to be called
// inside Do, and follows links in the directories above as Do's caller.
func ReadRegular(path string, max int64) ([]byte, Attr, error) {
	b, a, err := readRegular(path, max)
	if err != nil {
		err = &iofs.PathError{Op: "read", Path: path, Err: err}
	}
	return b, a, err
}

func readRegular(path string, max int64) ([]byte, Attr, error) {
	fd, err := openBelowLinks(path)
	if err == unix.ENXIO || err == unix.ENODEV {
		// So says a socket, or a device that is not there; it is also what a file
		// system says that is lost, and this one is not.
		return nil, Attr{}, errNotRegular
	}
	if err != nil {
		return nil, Attr{}, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	a, err := fstat(fd)
	if err != nil {
		return nil, a, err
	}
	if a.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, a, errNotRegular
	}
	if onProcfs(fd) {
		return nil, a, errProcfs(path)
	}
	if a.Size > max {
		return nil, a, tooBig(max)
	}
	// The file may grow, or say 0 and have bytes: the limit is on what is read.
	b := make([]byte, 0, a.Size+1)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > max {
			return nil, a, tooBig(max)
		}
		if errors.Is(err, io.EOF) {
			return b, a, nil
		}
		if err != nil {
			return nil, a, errors.Unwrap(err)
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

func tooBig(max int64) error {
	return fmt.Errorf("longer than %d bytes: %w", max, syscall.EFBIG)
}
