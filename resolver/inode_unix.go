//go:build unix

package resolver

import (
	"io/fs"
	"syscall"
)

// inoOf is the inode's number. Its device is not compared: the number that NFS and
// Lustre mounts have differs from node to node.
func inoOf(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
