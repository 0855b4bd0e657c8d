package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// attrOf converts what the kernel says; the field widths differ between
// architectures.
func attrOf(st *unix.Stat_t) Attr {
	return Attr{
		Dev: uint64(st.Dev), Ino: st.Ino, Mode: st.Mode, Nlink: uint32(st.Nlink),
		UID: st.Uid, GID: st.Gid, Rdev: uint64(st.Rdev),
		Size: st.Size, Blocks: st.Blocks, Blksize: uint32(st.Blksize),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()), Ctime: time.Unix(st.Ctim.Unix()),
	}
}
