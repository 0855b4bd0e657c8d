//go:build linux

package fs

import "golang.org/x/sys/unix"

// The same flags of a mount, in each of the three languages in which a kernel or
// fusermount3 takes them. No mount lets a program have another user's rights, nor
// a device be opened.

// attrs are for the mount API of Linux 5.2.
func (o *Options) attrs() uint64 {
	attrs := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
	if o.ReadOnly {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	if o.NoExec {
		attrs |= unix.MOUNT_ATTR_NOEXEC
	}
	return attrs
}

// flags are for mount(2).
func (o *Options) flags() uintptr {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if o.NoExec {
		flags |= unix.MS_NOEXEC
	}
	return flags
}

// helperOptions are for fusermount3, which adds nosuid and nodev.
func (o *Options) helperOptions() (list []string) {
	if o.ReadOnly {
		list = append(list, "ro")
	}
	if o.NoExec {
		list = append(list, "noexec")
	}
	return list
}
