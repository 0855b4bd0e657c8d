//go:build !linux

package store

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Elsewhere the package serves the commands that need no mount: plain system
// calls, as the user who runs them.

const (
	here        = unix.AT_FDCWD
	capSysAdmin = 0
)

func lstat(_ int, path string) (Attr, string, error) {
	a, err := stat(path)
	if err != nil || a.Mode&unix.S_IFMT != unix.S_IFLNK {
		return a, "", err
	}
	target, err := os.Readlink(path)
	return a, target, err
}

func stat(path string) (Attr, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return Attr{}, err
	}
	return attrOf(&st), nil
}

func fstat(fd int) (Attr, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Attr{}, err
	}
	return attrOf(&st), nil
}

func readLink(path string) (string, error) { return os.Readlink(path) }

func openFile(path string) (int, error) {
	return unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

func openBelowLinks(path string) (int, error) { return openFile(path) }

func onProcfs(int) bool { return false }

func searchOnly(int, string) error { return nil }

func hasACL(string) bool { return false }

func statfs(path string) (st unix.Statfs_t, err error) {
	err = unix.Statfs(path, &st)
	return st, err
}

func access(path string, mask uint32) error { return unix.Access(path, mask) }

func readDir(path string) ([]DirEntry, error) {
	list, err := os.ReadDir(path)
	var all []DirEntry
	for _, e := range list {
		d := DirEntry{Name: e.Name(), Type: typeOf(e.Type())}
		if fi, err := e.Info(); err == nil {
			if st, ok := fi.Sys().(*syscall.Stat_t); ok {
				d.Ino = st.Ino
			}
		}
		all = append(all, d)
	}
	return all, err
}

func typeOf(m fs.FileMode) uint32 {
	switch m.Type() {
	case 0:
		return unix.S_IFREG
	case fs.ModeDir:
		return unix.S_IFDIR
	case fs.ModeSymlink:
		return unix.S_IFLNK
	}
	return 0
}
