package store

import (
	"golang.org/x/sys/unix"
)

// access asks whether the thread's fsuid, groups and effective capabilities
// may do what mask says. access(2) without AT_EACCESS would ask for the
// daemon's real uid.
func access(path string, mask uint32) error {
	fd, err := openReal(here, path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.Faccessat2(fd, "", mask&7, unix.AT_EACCESS|unix.AT_EMPTY_PATH)
	if err != unix.ENOSYS && err != unix.EPERM {
		return err
	}
	return accessByOpening(path, fd, mask)
}

// accessByOpening is for kernels before 5.8 (and sandboxes that refuse
// faccessat2): what can be opened may be done. Execution of a file cannot be
// tried that way; FUSE itself checks that some x bit is set.
func accessByOpening(path string, fd int, mask uint32) error {
	a, err := fstat(fd)
	if err != nil {
		return err
	}
	try := func(path string, flags int) error {
		fd, err := openReal(here, path, flags|unix.O_NOFOLLOW)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	dir := a.Mode&unix.S_IFMT == unix.S_IFDIR
	if mask&unix.R_OK != 0 || !dir && mask&unix.X_OK != 0 {
		err = try(path, unix.O_RDONLY|unix.O_NONBLOCK)
	}
	if err == nil && dir && mask&unix.X_OK != 0 {
		err = try(path+"/.", unix.O_PATH)
	}
	if err == nil && mask&unix.W_OK != 0 {
		if dir {
			// O_TMPFILE makes no name: on file systems without it the answer
			// is an error, and the caller sees the write itself fail or not.
			err = try(path, unix.O_TMPFILE|unix.O_WRONLY)
			if err == unix.EOPNOTSUPP || err == unix.EISDIR {
				err = nil
			}
		} else {
			err = try(path, unix.O_WRONLY|unix.O_NONBLOCK)
		}
	}
	return err
}
