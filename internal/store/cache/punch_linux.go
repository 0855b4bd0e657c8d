package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// punch makes a hole: the file's bytes there are zeros and take no room.
func punch(f *os.File, off, n int64) error {
	return os.NewSyscallError("fallocate", unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n))
}

// allocate takes the room of a part of a file, and reports whether it may have.
func allocate(f *os.File, off, n int64) bool {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, n) != unix.EOPNOTSUPP
}

// allocated returns how many bytes a file takes on the disk.
func allocated(f *os.File) (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &st)
	return st.Blocks * 512, err
}
