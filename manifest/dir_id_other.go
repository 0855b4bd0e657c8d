//go:build !linux

package manifest

import (
	"io/fs"
	"os"
	"syscall"
)

// fileID tells a file from others.
type fileID struct{ dev, ino uint64 }

func idOf(fi fs.FileInfo) fileID {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}
	}
	return fileID{dev: uint64(st.Dev), ino: st.Ino}
}

func identify(path string) (fileID, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return fileID{}, err
	}
	return idOf(fi), nil
}

func renameNew(from, to string) error { return linkNew(from, to) }

func keepsOrder(string) bool { return false }
