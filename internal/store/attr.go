package store

import "time"

// Attr is what stat says of a file: st_mode with its type bits, sizes in bytes,
// Blocks in 512-byte units.
type Attr struct {
	Dev, Ino            uint64
	Mode                uint32
	Nlink               uint32
	UID, GID            uint32
	Rdev                uint64
	Size, Blocks        int64
	Blksize             uint32
	Atime, Mtime, Ctime time.Time
}

// DirEntry is one name in a directory, as getdents gives it.
type DirEntry struct {
	Name string
	Ino  uint64
	Type uint32 // the S_IFMT bits; 0 where the file system does not say
}

// Place is where a path leads once its links are followed.
type Place struct {
	Path string // absolute, with no symbolic link in it
	Attr Attr
}
