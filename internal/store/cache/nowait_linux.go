package cache

import (
	"os"

	"golang.org/x/sys/unix"
)

// readNow reads what is in the page cache, without waiting for the disk: fewer bytes
// than there are, or none, if that is not all.
func readNow(f *os.File, p []byte, off int64) int {
	for {
		n, err := unix.Preadv2(int(f.Fd()), [][]byte{p}, off, unix.RWF_NOWAIT)
		if err != unix.EINTR {
			return max(n, 0)
		}
	}
}

// isMemory reports whether a directory lies in memory: there is no disk to wait for, and
// tmpfs does not take RWF_NOWAIT.
func isMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC)
}
