//go:build linux

package fs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// explain adds the way out to the failures that nearly every first mount has.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT) && missing("/dev/fuse"):
		return fmt.Errorf("mount %s: there is no /dev/fuse: load the fuse module, or start the container with --device /dev/fuse", dir)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("mount %s: %w: mounting needs CAP_SYS_ADMIN and /dev/fuse, or fusermount3 (Debian: apt install fuse3)", dir, err)
	case strings.Contains(err.Error(), "fusermount exited"): // go-fuse gives a wait status, and what it said to stderr
		if why := HelperBlocked(); why != "" {
			return fmt.Errorf("mount %s: fusermount3 failed: %s", dir, why)
		}
		return fmt.Errorf("mount %s: fusermount3 failed", dir)
	}
	return fmt.Errorf("mount %s: %w", dir, err)
}

// HelperBlocked says why fusermount3, though setuid root, cannot mount for this process:
// containers and batch systems take from their processes what it would gain. "" if it can.
func HelperBlocked() string {
	if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && set == 1 {
		return "no_new_privs is set here, so that it gains no privileges: mount outside of this container or sandbox"
	}
	if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_ADMIN, 0, 0, 0); err == nil && has == 0 {
		return "CAP_SYS_ADMIN is not in the bounding set here, so that it cannot have it: mount outside of this container, or start it with that capability"
	}
	return ""
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}
