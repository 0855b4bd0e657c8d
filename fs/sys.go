//go:build linux

package fs

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// readAheadKiB is the kernel's read-ahead on the mount: one FUSE request's worth
// in flight while another is copied. The default of 128 KiB halves the copy lane.
const readAheadKiB = 2 * 1024

// setReadAhead raises the read-ahead of the mount whose device is dev. It needs
// root, and is no more than speed.
func setReadAhead(dev uint64, log *slog.Logger) {
	path := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", unix.Major(dev), unix.Minor(dev))
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d", readAheadKiB), 0); err != nil {
		log.Debug("read-ahead stays at the kernel's default", "path", path, "err", err)
	}
}

func unmount(dir string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
	}
	return fusermount("-u", "--", dir)
}

func detach(dir string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	return fusermount("-u", "-z", "--", dir)
}

func fusermount(args ...string) error {
	out, err := exec.Command("fusermount3", args...).CombinedOutput()
	if err == nil {
		return nil
	}
	if bytes.Contains(out, []byte("busy")) {
		err = unix.EBUSY
	}
	return fmt.Errorf("fusermount3: %w: %s", err, bytes.TrimSpace(out))
}
