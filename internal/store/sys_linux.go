package store

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The accesses themselves, on this thread, by real path: absolute, or relative
// to the directory dir. Each opens anew, so that every ancestor is asked.

const here = unix.AT_FDCWD

// lstat returns the attributes, and the target if it is a symbolic link.
func lstat(dir int, path string) (a Attr, target string, err error) {
	fd, err := openReal(dir, path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return a, "", err
	}
	defer unix.Close(fd)
	if a, err = fstat(fd); err != nil || a.Mode&unix.S_IFMT != unix.S_IFLNK {
		return a, "", err
	}
	target, err = readlink(fd)
	return a, target, err
}

func stat(path string) (Attr, error) {
	fd, err := openReal(here, path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return Attr{}, err
	}
	defer unix.Close(fd)
	return fstat(fd)
}

func fstat(fd int) (Attr, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(fd, &st)
		if err == nil {
			return attrOf(&st), nil
		}
		if err != unix.EINTR {
			return Attr{}, err
		}
	}
}

// readlink reads the link that fd is. On procfs it would name what a process
// has open rather than a path.
func readlink(fd int) (string, error) {
	if onProcfs(fd) {
		return "", unix.EPERM
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err == unix.ENOENT {
		err = unix.EINVAL // so says the kernel of an empty path that is no link
	}
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

func readLink(path string) (string, error) {
	fd, err := openReal(here, path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readlink(fd)
}

func openFile(path string) (int, error) {
	return openReal(here, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
}

func statfs(path string) (st unix.Statfs_t, err error) {
	fd, err := openReal(here, path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	for {
		if err = unix.Fstatfs(fd, &st); err != unix.EINTR {
			return st, err
		}
	}
}

func readDir(path string) ([]DirEntry, error) {
	fd, err := openReal(here, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var all []DirEntry
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return all, nil
		}
		all = appendDirents(all, buf[:n])
	}
}

// appendDirents parses struct linux_dirent64: ino and off of 8 bytes, reclen of
// 2, type of 1, and the name up to its NUL.
func appendDirents(to []DirEntry, b []byte) []DirEntry {
	for len(b) > 19 {
		reclen := int(binary.NativeEndian.Uint16(b[16:]))
		if reclen <= 19 || reclen > len(b) {
			break
		}
		name := b[19:reclen]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if s := string(name); s != "." && s != ".." {
			to = append(to, DirEntry{Name: s, Ino: binary.NativeEndian.Uint64(b), Type: uint32(b[18]) << 12})
		}
		b = b[reclen:]
	}
	return to
}

// searchOnly asks whether a directory may be searched.
func searchOnly(dir int, path string) error {
	fd, err := openReal(dir, path+"/.", unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		unix.Close(fd)
	}
	return err
}
