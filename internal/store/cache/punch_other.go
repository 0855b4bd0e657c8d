//go:build !linux

package cache

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// punch is for Linux only: elsewhere room comes back when an object's last block goes.
func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }

// allocate is for Linux only.
func allocate(*os.File, int64, int64) bool { return false }

// allocated returns how many bytes a file takes on the disk.
func allocated(f *os.File) (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return st.Blocks * 512, err
}
