package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lock takes the mount point's lock, which supervisor and daemon hold as long as
// they live: it is what keeps two mounts from stacking. ok is false if somebody
// has it.
func lock(dir string) (f *os.File, ok bool, err error) { return lockFile(dir, ".lock") }

// lockFile takes one of the mount point's locks.
func lockFile(dir, suffix string) (f *os.File, ok bool, err error) {
	run, err := makeRunDir()
	if err != nil {
		return nil, false, err
	}
	path := filepath.Join(run, stateName(dir)+suffix)
	for {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600) // others must not be able to hold it
		if err != nil {
			return nil, false, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			if err == unix.EWOULDBLOCK {
				return nil, false, nil
			}
			return nil, false, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		// A lazy unmount removes the file, so that the next mount need not wait
		// for the old daemon: what we locked must be what is there now.
		a, errA := f.Stat()
		b, errB := os.Stat(path)
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return f, true, nil
		}
		f.Close()
	}
}

// lockFile is the lock that belongs to a state file.
func (s *state) lockFile() string { return strings.TrimSuffix(s.file, ".json") + ".lock" }

// held says whether somebody holds the state's lock: whether the mount is served,
// or about to be. Of another user's mount we only see the processes.
func (s *state) held() bool {
	f, err := os.Open(s.lockFile())
	if errors.Is(err, os.ErrPermission) {
		return isOurs(s.Supervisor) || isOurs(s.Daemon)
	}
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// alive says whether a process exists.
func alive(pid int) bool {
	return pid > 0 && unix.Kill(pid, 0) != unix.ESRCH
}

// isOurs guards against a number that another program has by now.
func isOurs(pid int) bool {
	if pid <= 0 {
		return false
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	name, _, _ := strings.Cut(string(cmdline), "\x00")
	return err == nil && strings.Contains(filepath.Base(name), "artifactfs")
}
