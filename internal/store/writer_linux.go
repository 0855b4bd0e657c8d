package store

import (
	"fmt"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"
)

// writer is a process whose paths are not the daemon's.
type writer struct {
	pid      uint32
	space    space
	hostRoot string // its root here, if it shares the daemon's mounts; else ""
}

// writerOf opens the namespace of a process; nil if it is the daemon's own.
// What is opened here, as the daemon, is only the process's root: paths from
// there are walked as the caller.
func (l *Local) writerOf(pid uint32) (*writer, error) {
	if pid == 0 {
		return nil, fmt.Errorf("it is in another pid namespace")
	}
	dir := "/proc/" + strconv.FormatUint(uint64(pid), 10)
	theirs, err := os.Readlink(dir + "/ns/mnt")
	if err != nil {
		return nil, err
	}
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, err
	}
	root, err := os.Readlink(dir + "/root")
	if err != nil {
		return nil, err
	}
	if theirs == ours && root == "/" {
		return nil, nil
	}
	w, err := l.openWriter(pid)
	if err == nil && theirs == ours {
		w.hostRoot = root
	}
	return w, err
}

// openWriter opens the root of a process, whatever it is.
func (l *Local) openWriter(pid uint32) (*writer, error) {
	dir := "/proc/" + strconv.FormatUint(uint64(pid), 10)
	b, err := os.ReadFile(dir + "/mountinfo")
	if err != nil {
		return nil, err
	}
	fd, err := openat(here, dir+"/root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return &writer{pid: pid, space: space{fd, parseMounts(b, l.gates.of), os.NewFile(uintptr(fd), dir+"/root")}}, nil
}

// inHostRoot returns a real path of the writer's as the host has it, where the
// writer only has another root.
func (w *writer) inHostRoot(real string) []string {
	if w.hostRoot == "" {
		return nil
	}
	return []string{path.Join(w.hostRoot, real)}
}
