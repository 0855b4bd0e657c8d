//go:build linux

package fs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// The system calls of the bind lane. Those that walk the mount are made within
// nodes.Own.Do, and never from a request's handler.

// unbindable says why this process cannot bind, "" if it can.
func unbindable() string {
	if os.Geteuid() != 0 {
		return "an unprivileged mount: binding needs CAP_SYS_ADMIN"
	}
	fd, err := clone(unix.AT_FDCWD, "/")
	if err != nil {
		return fmt.Sprintf("this kernel or container does not let mounts be cloned and made read-only in one step (Linux 5.12): %v", err)
	}
	unix.Close(fd)
	return ""
}

// clone returns a detached, read-only mount of a directory alone, without what is
// mounted below it. It has its flags before it is attached: one that is remounted
// afterwards reaches containers read-write (measured).
func clone(dirfd int, path string) (int, error) {
	fd, err := unix.OpenTree(dirfd, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT)
	if err != nil {
		return -1, os.NewSyscallError("open_tree", err)
	}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set:    unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		Propagation: unix.MS_PRIVATE, // what is mounted below the data later is not to follow it here
	})
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("mount_setattr", err)
	}
	return fd, nil
}

// noExec has nothing run in a mount that is nowhere yet.
func noExec(mnt int) error {
	err := unix.MountSetattr(mnt, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOEXEC})
	return os.NewSyscallError("mount_setattr", err)
}

// sourceOf returns a version's data as a mount that is nowhere yet. It waits for the
// data's file system, so no lock is held meanwhile.
func sourceOf(b *resolver.Binding) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	dir, err := unix.Openat2(unix.AT_FDCWD, b.Real, &how)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: b.Real, Err: err}
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil || uint64(st.Dev) != b.Dev || st.Ino != b.Ino {
		return -1, fmt.Errorf("%s is another directory than it was: %w", b.Real, unix.ESTALE)
	}
	return clone(dir, "")
}

// renew has the kernel look a directory of the mount up again, and so keep it as
// long as it is told now: for an exclusive creation it believes no cached entry
// (LOOKUP_EXCL in fuse_dentry_revalidate).
func renew(root int, dir string) error {
	if err := unix.Mkdirat(root, dir, 0o755); err != unix.EEXIST {
		return fmt.Errorf("%s is not in the mount: %w", dir, unix.ENOENT)
	}
	return nil
}

// unbindAt takes the mount at path below root away.
func unbindAt(root int, path string, flags int) error {
	return unix.Unmount(fmt.Sprintf("/proc/thread-self/fd/%d/%s", root, path), flags|unix.UMOUNT_NOFOLLOW)
}
