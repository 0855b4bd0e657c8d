package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// place says where this process stands: in which mount namespace, and on which root
// in it. A path means the same to two processes of one place.
func place() (string, error) { return placeOf("self") }

func placeOf(pid string) (string, error) {
	ns, err := os.Readlink("/proc/" + pid + "/ns/mnt")
	if err != nil {
		return "", err
	}
	var st unix.Statx_t
	root := "/"
	if pid != "self" {
		root = "/proc/" + pid + "/root"
	}
	err = unix.Statx(unix.AT_FDCWD, root, 0, unix.STATX_INO|unix.STATX_MNT_ID, &st)
	if err == unix.ENOSYS || err == unix.EPERM { // an old kernel, or a filter of an old container
		return ns, nil
	}
	if err != nil {
		return "", &os.PathError{Op: "statx", Path: root, Err: err}
	}
	return fmt.Sprintf("%s %d:%d:%d mount %d", ns, st.Dev_major, st.Dev_minor, st.Ino, st.Mnt_id), nil
}
