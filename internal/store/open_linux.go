package store

import (
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// noLinks makes openat2 fail with ELOOP at any symbolic link, the magic ones of
// procfs included, instead of following it.
const noLinks = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// haveOpenat2 asks the kernel once: 5.6 brought openat2, and some container
// runtimes refuse it.
var haveOpenat2 = sync.OnceValue(func() bool {
	fd, err := openat2(unix.AT_FDCWD, "/", unix.O_PATH, noLinks)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
})

// openReal opens path, in which no symbolic link is followed: ELOOP if one
// appears, except that O_PATH|O_NOFOLLOW opens a last one itself. A relative
// path starts at dir.
func openReal(dir int, path string, flags int) (int, error) {
	if haveOpenat2() {
		return openat2(dir, path, flags, noLinks)
	}
	return openSteps(dir, path, flags)
}

// openat2 retries where a network file system answers one of the runtime's
// preemption signals with EINTR.
func openat2(dir int, path string, flags int, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	for {
		fd, err := unix.Openat2(dir, path, &how)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// openSteps does what openat2 does, component by component.
func openSteps(dir int, path string, flags int) (int, error) {
	at, rest := dir, path
	if strings.HasPrefix(path, "/") {
		root, err := openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return -1, err
		}
		at, rest = root, strings.TrimLeft(path, "/")
	}
	for {
		name, more, deeper := strings.Cut(rest, "/")
		how := flags | unix.O_NOFOLLOW
		if deeper {
			how = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW
		}
		if name == "" {
			name = "."
		}
		fd, err := openat(at, name, how)
		if err == unix.ENOTDIR && (deeper || flags&unix.O_NOFOLLOW == 0) && isLink(at, name) {
			err = unix.ELOOP
		}
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !deeper {
			return fd, err
		}
		at, rest = fd, more
	}
}

func openat(dir int, path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func isLink(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK
}

// onProcfs asks the file system itself, for where mountinfo is behind.
func onProcfs(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}

// openBelowLinks opens path for reading where its directories may be links, but
// not procfs's, and its last component may not.
func openBelowLinks(path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if haveOpenat2() {
		return openat2(here, path, flags, unix.RESOLVE_NO_MAGICLINKS)
	}
	return openat(here, path, flags)
}
