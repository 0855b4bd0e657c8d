//go:build linux

package fs

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Abort ends the connection of the mount of artifactfs that is on top at dir, whose
// daemon answers no more: whoever waits for it gets an error, as if it had died.
func Abort(dir string) error {
	top, err := Top(dir)
	if err != nil {
		return err
	}
	if top == nil || top.FSType != Type {
		return fmt.Errorf("%s is no mount of artifactfs", dir)
	}
	name := strconv.FormatUint(unix.Mkdev(uint32(top.Major), uint32(top.Minor)), 10) + "/abort"
	err = os.WriteFile("/sys/fs/fuse/connections/"+name, []byte("1"), 0)
	if err == nil || !os.IsNotExist(err) {
		return err
	}
	control, err := fusectl() // nobody has mounted it there, as in containers
	if err != nil {
		return err
	}
	defer unix.Close(control)
	fd, err := unix.Openat(control, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("1"))
	return os.NewSyscallError("write", err)
}

// fusectl returns the file system of all FUSE connections, mounted nowhere.
func fusectl() (int, error) {
	fsfd, err := unix.Fsopen("fusectl", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen fusectl", err)
	}
	defer unix.Close(fsfd)
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return -1, os.NewSyscallError("fsconfig create", err)
	}
	fd, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, 0)
	return fd, os.NewSyscallError("fsmount", err)
}
