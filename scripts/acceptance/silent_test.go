//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// hostPIDs fails where pids are those of a container: the machine's have this number in every kernel.
func hostPIDs() error {
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err == nil && ns != "pid:[4026531836]" {
		err = fmt.Errorf("%s is a container's", ns)
	}
	return err
}

// A mount that is dead for good, and of which nothing else is known, may be that of a container's store: what a path is there nobody can tell.
// On the host, and where its first process can be asked, paths are known without it.
func TestLogBesideADeadMount(t *testing.T) {
	const silent = "cannot be asked"
	dead := newSite(t, siteOptions{Alone: true})
	for len(dead.processes()) > 0 {
		for _, pid := range dead.processes() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if _, err := os.ReadDir(dead.Mnt); err == nil {
		t.Fatal("the mount is alive")
	}
	s := newSite(t, siteOptions{Quiet: true})
	must(t, os.Chmod(s.Root, 0o777))
	data := s.data("job/out", map[string]string{"part.txt": "the job's"})
	workspace := s.Base + "/workspace"
	must(t, os.MkdirAll(workspace, 0o755))
	setup := fmt.Sprintf("mount --bind '%s'/job '%s'", s.Data, workspace)
	host := s.namespace("host")
	slave := s.container("slave", setup)
	first, second, other := `"version": 1`, `"version": 2`, "cross-device"
	if _, err := os.Stat("/proc/1/root/."); err != nil || hostPIDs() != nil { // not even root can ask it
		first, second, other = silent, silent, silent
	}
	for _, c := range []struct {
		what, want string
		in         *namespace
		uid        int
		pre        string
		path       string
	}{
		{"root in a mount namespace", first, host, root, "", data},
		{"root in another", second, slave, root, "", data},
		{"root, by another path", other, slave, root, "", workspace + "/out"},
		{"a user who cannot see the host", silent, host, alice, "", data},
		{"root in a container with pids of its own", silent, slave, root, "unshare --pid --fork --mount-proc ", data},
	} {
		out, err := c.in.run(c.uid, c.pre+binary+" log --json name '"+c.path+"' 2>&1")
		if !strings.Contains(out, c.want) {
			t.Errorf("%s: %v %s; want %s", c.what, err, out, c.want)
		}
	}
}
