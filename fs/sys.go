//go:build linux

package fs

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// readAheadKiB is the kernel's read-ahead on the mount: one FUSE request's worth
// in flight while another is copied. The default of 128 KiB halves the copy lane.
const readAheadKiB = 2 * 1024

// setReadAhead raises the read-ahead of the mount at dir. It needs root, and is no
// more than speed.
func setReadAhead(dir string, log *slog.Logger) {
	infos, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(dir))
	if err != nil || len(infos) == 0 {
		return
	}
	i := infos[len(infos)-1]
	path := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", i.Major, i.Minor)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d", readAheadKiB), 0); err != nil {
		log.Debug("read-ahead stays at the kernel's default", "path", path, "err", err)
	}
}

func detach(dir string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	out, err := exec.Command("fusermount3", "-u", "-z", "--", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fusermount3: %w: %s", err, out)
	}
	return nil
}
