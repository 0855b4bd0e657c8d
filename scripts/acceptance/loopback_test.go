//go:build linux

package acceptance

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// loopbackVar has the test binary be a file system instead: "FROM:AT". It keeps nothing in the kernel, so that everything asks it.
const loopbackVar = "ARTIFACTFS_TEST_LOOPBACK"

func serveLoopback(what string) int {
	from, at, _ := strings.Cut(what, ":")
	root, err := fusefs.NewLoopbackRoot(from)
	if err == nil {
		var none time.Duration
		var srv *fuse.Server
		srv, err = fusefs.Mount(at, root, &fusefs.Options{
			EntryTimeout: &none, AttrTimeout: &none,
			MountOptions: fuse.MountOptions{AllowOther: true, DirectMountStrict: true, FsName: "loopback", Name: "loopback"},
		})
		if err == nil {
			fmt.Println("ready")
			srv.Wait()
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// A loopback is a file server that can hang: a FUSE process of its own, mounted in a site's data_roots.
type loopback struct {
	t  *testing.T
	at string
	p  *os.Process
}

// loopback mounts one at data_roots/NAME.
func (s *site) loopback(name string) *loopback {
	s.t.Helper()
	from, at := s.Base+"/"+name+".real", s.Data+"/"+name
	must(s.t, os.MkdirAll(from, 0o755))
	must(s.t, os.MkdirAll(at, 0o755))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), loopbackVar+"="+from+":"+at)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		unix.Unmount(at, unix.MNT_FORCE)
		unix.Unmount(at, unix.MNT_DETACH)
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		s.t.Fatalf("the loopback did not mount at %s", at)
	}
	return &loopback{s.t, at, cmd.Process}
}

// hang has it answer nothing from now on.
func (l *loopback) hang() {
	l.t.Helper()
	must(l.t, l.p.Signal(syscall.SIGSTOP))
	eventually(l.t, comeback, "all its threads are stopped", func() error {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", l.p.Pid))
		for _, thread := range threads { // one that has taken a request and stops then leaves its asker in D state: that is the kernel's
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", l.p.Pid, thread.Name()))
			if !strings.Contains(string(stat), ") T ") {
				err = fmt.Errorf("%.40s", stat)
			}
		}
		return err
	})
}

func (l *loopback) recover() {
	l.t.Helper()
	must(l.t, l.p.Signal(syscall.SIGCONT))
}
