package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// place says where this process stands: in which mount namespace, and on which root
// in it. A path means the same to two processes of one place.
func place() (string, error) { return placeOf("self") }

func placeOf(pid string) (string, error) {
	ns, err := os.Readlink("/proc/" + pid + "/ns/mnt")
	if err != nil {
		return "", err
	}
	var st unix.Statx_t
	root := "/"
	if pid != "self" {
		root = "/proc/" + pid + "/root"
	}
	err = unix.Statx(unix.AT_FDCWD, root, 0, unix.STATX_INO|unix.STATX_MNT_ID, &st)
	if err == unix.ENOSYS || err == unix.EPERM { // an old kernel, or a filter of an old container
		return ns, nil
	}
	if err != nil {
		return "", &os.PathError{Op: "statx", Path: root, Err: err}
	}
	return fmt.Sprintf("%s %d:%d:%d mount %d", ns, st.Dev_major, st.Dev_minor, st.Ino, st.Mnt_id), nil
}

// hostPIDs says whether pids here are the machine's own: the first pid namespace has a
// fixed number (PROC_PID_INIT_INO).
func hostPIDs() bool {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns == fmt.Sprintf("pid:[%d]", uint32(0xEFFFFFFC))
}

// onHost says whether the machine's first process has our root. Its place only root may
// ask for; its mounts anybody, and each is in one namespace, and has its number to itself.
func onHost() bool {
	if !hostPIDs() {
		return false
	}
	ours, theirs := rootMount(os.Getpid()), rootMount(1)
	return ours != "" && ours == theirs
}

// rootMount names what is mounted at a process's root; "" if that is no mount, as in most
// chroots, or cannot be seen.
func rootMount(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	infos, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return ""
	}
	var at strings.Builder
	for _, m := range infos {
		if m.Mountpoint == "/" {
			fmt.Fprintln(&at, m.ID, m.Root)
		}
	}
	return at.String()
}

// outside is what a user's number is outside of our user namespace: in a container
// that a user makes without being root, it is root who has that user's mounts.
func outside(uid int) int {
	text, _ := os.ReadFile("/proc/self/uid_map")
	for line := range strings.Lines(string(text)) {
		var in, out, n int
		if _, err := fmt.Sscan(line, &in, &out, &n); err == nil && uid >= in && uid-in < n {
			return out + uid - in
		}
	}
	return uid
}
